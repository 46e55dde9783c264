"""The examples run as they stand, on real photos and faces."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_an_example_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 30


@pytest.mark.slow
@pytest.mark.mirror
def test_protect_and_prove(mirror: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "one.jpg").symlink_to(mirror / "photos" / "deepface_img2.jpg")
    output = example("protect_and_prove.py", str(photos), str(tmp_path / "out"))
    assert len(list((tmp_path / "out").glob("*.png"))) == 1
    (line,) = [line for line in output.splitlines() if line.startswith("mobilefacenet-casia")]
    assert "authorized" in line


@pytest.mark.slow
@pytest.mark.mirror
def test_who_reads_it(mirror: Path) -> None:
    output = example("who_reads_it.py", "20")
    for attack in ("the authorized recognizer", "Purify(ForeignRecognizer", "ClientHolder"):
        assert attack in output


def example(*arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / arguments[0]), *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
