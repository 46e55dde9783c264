"""`bauta serve` as a process: what it prints, and what is left when it ends, however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bauta.errors import UsageError
from bauta.web.reports import Reports
from bauta.web.server import HOST, listening

RUN = [sys.executable, "-c", "from bauta.cli import main; main()", "serve"]


def served(home: Path, *words: str) -> tuple[subprocess.Popen[str], str]:
    """The process and the address that it printed."""
    (home / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [*RUN, *words],
        env={**os.environ, "TMPDIR": str(home / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0), (signal.SIGHUP, 129)])
def test_it_ends_and_leaves_nothing(home: Path, number: signal.Signals, code: int) -> None:
    process, url = served(home)
    found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/#token=([\w-]{43})", url)
    assert found is not None
    (folder,) = (home / "tmp").glob("bauta-web-*")
    transport = httpx.HTTPTransport(retries=20, verify=False)
    with httpx.Client(transport=transport, timeout=60) as client:
        answer = client.get(f"http://127.0.0.1:{found[1]}/api/options", headers={"x-bauta-token": found[2]})
    assert [one["name"] for one in answer.json()["recognizers"]][-1] == "mine"
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert not folder.exists()


def test_it_ends_with_2_and_a_sentence(home: Path) -> None:
    for words, says in (
        (("--reports", str(home / "nowhere")), "is no folder; give the one that holds the reports of bauta audit."),
        (("--recognizer", str(home)), "is no folder that a training left"),
        (("--device", "tpu"), "there are auto, cpu, cuda and mps."),
    ):
        done = subprocess.run([*RUN, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert says in done.stderr
        assert done.stdout == ""


def test_a_port_that_is_taken() -> None:
    with listening(0) as taken:
        assert taken.getsockname()[0] == HOST
        taken.listen()
        with pytest.raises(UsageError, match="leave --port out for a free one"):
            listening(taken.getsockname()[1])


def test_reports_are_found_and_links_out_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "report.html").write_text("secret")
    root = tmp_path / "reports"
    for name in ("b/deep", "a", "c/too/far/away", ".hidden"):
        (root / name).mkdir(parents=True)
        (root / name / "report.html").write_text(name)
    (root / "a" / "settings.json").write_text("[" * 100_000)
    (root / "running").mkdir()
    (root / "running" / "settings.json").write_text('{"budget": 1}')
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "linked").mkdir()
    (root / "linked" / "report.html").symlink_to(tmp_path / "secret" / "report.html")
    (root / "running" / "rows.csv").symlink_to(tmp_path / "secret" / "report.html")
    reports = Reports(root)
    assert [report.name for report in reports.all()] == ["a", "b/deep", "running"]
    a, _, running = (report.facts() for report in reports.all())
    assert (a["page"], a["settings"]) == (True, None)
    assert (running["page"], running["settings"], running["tables"]) == (False, {"budget": 1}, [])
    ticket = reports.ticket(reports.all()[0])
    assert reports.redeem(ticket) == b"a"
    for used in (ticket, "", "guess"):
        with pytest.raises(Exception, match="This address was used already"):
            reports.redeem(used)
    with pytest.raises(Exception, match=r"running holds no report\.html yet"):
        reports.ticket(reports.all()[2])
