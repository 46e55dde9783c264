"""A namespace with loopback alone: what is reached in it, what is not, and a command of ours that needs neither."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from campaigns import offline
from campaigns.jobs import bauta

ROOT = Path(__file__).parents[2]

ASKED = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname(), timeout=5).close()
    print("loopback")
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print(type(error).__name__, error.errno)
"""


def within(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "campaigns.offline", *words]
    given = {**os.environ, **more}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=given, check=False)
    if done.returncode == offline.NOT_HERE:
        pytest.skip(done.stderr.strip())
    return done


def test_loopback_is_reached_and_nothing_else() -> None:
    done = within(sys.executable, "-c", ASKED)
    assert done.returncode == 0, done.stderr
    loop, other = done.stdout.splitlines()
    assert loop == "loopback"
    assert other == "OSError 101"  # the network is unreachable


def test_the_exit_code_is_the_commands() -> None:
    assert within(sys.executable, "-c", "raise SystemExit(3)").returncode == 3
    assert within().returncode == 2


@pytest.mark.slow
def test_a_face_is_protected_and_proven_without_a_network(tmp_path: Path) -> None:
    """Whatever native code does: torch, OpenCV, Pillow."""
    home = {"BAUTA_HOME": str(tmp_path / "home"), "BAUTA_MIRROR": ""}
    people, out = tmp_path / "people", tmp_path / "out"
    made = within(*bauta("generator", "people", "-o", people, "-n", 1, "--views", 2), **home)
    assert made.returncode == 0, made.stderr
    asked = ["protect", people, "--for", "bauta-residual", "--aligned", "--steps", 2, "--out", out]
    done = within(*bauta(*asked), **home)
    assert done.returncode in (0, 1), done.stderr  # two steps are few, so the proof may refuse
    assert done.stderr == ""
    assert len(list(out.rglob("*.png"))) == 2
