"""The kill harness in short, and proof that it sees files that are half and outputs that differ."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

from campaigns import jobs, kills


@pytest.mark.parametrize("name", ["download", "mask apply"])
def test_a_few_kills_of_a_real_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert kills.main(["--kills", "2", "--seed", "3", "--job", name]) == 0, capsys.readouterr().out
    head, line, last = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "job"
    assert line.startswith(name)
    assert last == "2 kills, 0 failures"


CARELESS = """
import pathlib, sys, time
out = pathlib.Path(sys.argv[1])
out.mkdir(exist_ok=True)
with (out / "said.json").open("w") as file:
    file.write('{"a": ')
    file.flush()
    time.sleep(0.6)
    file.write('1}')
with (out / "rows.csv").open("a") as file:
    file.write("row\\n")
time.sleep(0.6)
"""


class Careless(jobs.Job):
    """Writes a file in two parts, and a row anew at each start."""

    def command(self, given: Path, out: Path) -> list[str]:
        return [sys.executable, "-c", CARELESS, str(out)]


def test_half_files_and_other_outputs_are_seen(tmp_path: Path) -> None:
    tally = kills.torture(Careless(), tmp_path, 12, Random(1))
    assert tally.kills >= 12
    assert any("said.json" in name for name in tally.half)
    assert any("rows.csv" in name for name in tally.different)
    assert tally.failures


def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    class Failing(jobs.Job):
        def command(self, given: Path, out: Path) -> list[str]:
            return [sys.executable, "-c", "raise SystemExit(3)"]

    with pytest.raises(RuntimeError, match="ended with 3"):
        kills.torture(Failing(), tmp_path, 1, Random(0))


ONCE = """
import pathlib, sys, time
out = pathlib.Path(sys.argv[1])
out.mkdir(exist_ok=True)
if (out / "done.json").exists():
    raise SystemExit(2)
(out / "part").write_text("1")
(out / "part").rename(out / "done.json")
time.sleep(0.6)
"""


class Once(jobs.Job):
    """Refuses to do again what is done, and dawdles after it is."""

    def command(self, given: Path, out: Path) -> list[str]:
        return [sys.executable, "-c", ONCE, str(out)]

    def finished(self, out: Path) -> bool:
        return (out / "done.json").exists()


def test_who_is_killed_with_nothing_left_to_do_has_come_to_an_end(tmp_path: Path) -> None:
    tally = kills.torture(Once(), tmp_path, 6, Random(0))
    assert tally.kills >= 6
    assert tally.failures == []


@pytest.mark.parametrize(
    ("name", "whole", "half"),
    [
        ("a.json", b'{"a": 1}', b'{"a": '),
        ("a.jsonl", b'{"a": 1}\n{"a', b'{"a\n{"a": 1}\n'),
        ("a.csv", b"a,b\n", b"a,b\n1"),
        ("a.png", None, b"\x89PNG\r\n\x1a\n"),
        ("a.safetensors", None, b"\x10\0\0\0\0\0\0\0{"),
    ],
)
def test_what_is_half(tmp_path: Path, name: str, whole: bytes | None, half: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(half)
    assert jobs.broken(path)
    if whole is not None:
        path.write_bytes(whole)
        assert not jobs.broken(path)
