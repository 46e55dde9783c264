"""A disk that is full, a folder that cannot be written, pictures that vanish and a clock that goes backwards: a
sentence each, nothing half, and the same pictures as without the trouble."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import audited
import pytest
from PIL import Image

from bauta.faces.images import write_bytes

Command = Callable[..., tuple[int, str, str]]

ATTACK = "Purify(ForeignRecognizer('mine'), 'blur 1')"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return audited.people(tmp_path / "people", 12)


@pytest.fixture
def alice(people: Path) -> Path:
    """Two pictures of one person."""
    return people / "person 000"


def protecting(alice: Path, out: Path) -> list[str | Path]:
    asked = ["--for", "mine", "--aligned", "--steps", "2", "--seed", "1", "--no-proof", "--device", "cpu"]
    return ["protect", alice, *asked, "--out", out]


def learning(alice: Path, out: Path) -> list[str | Path]:
    return ["mask", "learn", alice, "--team", "mine", "--aligned", "--epochs", "2", "--device", "cpu", "-o", out]


def auditing(people: Path, out: Path) -> list[str | Path]:
    asked = ["--recognizer", "mine", "--data", people, "--pairs", "10", "--attack", ATTACK, "--no-faces"]
    return ["audit", *asked, "--protection", "JPEG(50)", "--out", out]


def running(people: Path, out: Path) -> list[str | Path]:
    return ["study", "run", "pmt-abuse", "--data", people, "--pairs", "10", "--out", out]


def whole(folder: Path) -> dict[str, str]:
    """Digests of the pictures below a folder; every one must be whole, and no part of a file may lie there."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        assert not path.name.startswith("."), path
        assert not path.name.endswith(".part"), path
        if path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix == ".json":
            json.loads(path.read_bytes())
    return found


def sentence(errors: str) -> str:
    """What was said last, which must be one sentence of bauta's and no trace."""
    assert "Traceback" not in errors, errors
    said = [line for line in errors.splitlines() if line.startswith("bauta: ")]
    assert len(said) == 1, errors
    return said[0]


@pytest.mark.parametrize("asking", [protecting, learning, auditing, running])
def test_a_folder_that_cannot_be_written(
    bauta: Command, alice: Path, people: Path, asking: Callable[[Path, Path], list[str | Path]]
) -> None:
    given = alice if asking in (protecting, learning) else people
    code, _, errors = bauta(*asking(given, Path("/proc/no/out")))
    assert code != 0
    assert "/proc/no" in sentence(errors)


def test_masked_pictures_that_cannot_be_written(bauta: Command, alice: Path, tmp_path: Path) -> None:
    key = tmp_path / "alice.mask"
    assert bauta(*learning(alice, key))[0] == 0
    code, _, errors = bauta("mask", "apply", key, alice, "--aligned", "--face", "all", "--out", "/proc/no/out")
    assert code != 0
    assert "/proc/no" in sentence(errors)


FULL = """
import contextlib, io, json, shutil, sys
from pathlib import Path
from bauta.cli import main

disk, found = Path({disk!r}), []
for words in {words!r}:
    sys.argv, said, code = ["bauta", *words], io.StringIO(), 0
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as stop:
            code = stop.code
    found.append([code, said.getvalue(), [p.name for p in disk.rglob("*") if p.is_file()]])
    shutil.rmtree(disk / "out", ignore_errors=True)
print("found", json.dumps(found))
"""


def test_a_full_disk(bauta: Command, alice: Path, people: Path, tmp_path: Path) -> None:
    """A real file system of a few pages: what fits is whole, the rest is a sentence."""
    disk = tmp_path / "disk"
    disk.mkdir()
    asked = [protecting(alice, disk / "out"), learning(alice, disk / "out" / "key"), auditing(people, disk / "out")]
    code = FULL.format(words=[[str(word) for word in words] for words in asked], disk=str(disk))
    mount = f"mount -t tmpfs -o size=16k tmpfs '{disk}' && exec '{sys.executable}' -c \"$0\""
    try:
        done = subprocess.run(["unshare", "-Urm", "sh", "-c", mount, code], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs unshare, as Linux has it")
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"needs the right to mount a small file system: {done.stderr.strip()[-200:]}")
    for ended, errors, left in json.loads(done.stdout.rpartition("found ")[2]):
        assert ended == 1
        assert "No space left" in sentence(errors)
        assert not [name for name in left if name.startswith(".") or name.endswith(".part")]


def test_pictures_that_vanish_in_the_middle(bauta: Command, alice: Path, people: Path, tmp_path: Path) -> None:
    """Gone between the listing and the reading, as links into a disk that was taken out are."""
    for person in (1, 2, 3):
        os.link(people / f"person {person:03d}" / "0.png", alice / f"{person}{person}.png")
    first = bauta(*protecting(alice, tmp_path / "first"))
    assert first[0] == 0
    disk = tmp_path / "disk"
    alice.rename(disk)
    alice.mkdir()
    for path in sorted(disk.iterdir()):
        (alice / path.name).symlink_to(path)
    vanishing = sorted(disk.iterdir())[2:]

    calls = []

    def written(path: Path, data: bytes) -> None:
        calls.append(path)
        for gone in vanishing if path.name == "bauta.json" else ():
            gone.unlink()
        write_bytes(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bauta.job.places.write_bytes", written)
        code, said, errors = bauta(*protecting(alice, tmp_path / "second"))
    assert calls
    assert code == 1
    assert "2 pictures written" in said
    assert errors.count("failed: ") == 3
    assert "Traceback" not in errors
    kept = whole(tmp_path / "first")
    assert whole(tmp_path / "second") == {path.name: kept[path.name] for path in sorted(disk.iterdir())}
    alice_gone, code = tmp_path / "nobody", bauta(*protecting(tmp_path / "nobody", tmp_path / "third"))
    assert code[0] != 0
    assert f"{alice_gone} is not there" in sentence(code[2])


def test_a_clock_that_goes_backwards(
    bauta: Command, alice: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bauta(*protecting(alice, tmp_path / "before"))[0] == 0
    assert bauta(*auditing(people, tmp_path / "audit"))[0] == 0
    rows = (tmp_path / "audit" / "rows.jsonl").read_bytes()
    now = [time.time()]

    def earlier() -> float:
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", earlier)
    for path in (*alice.iterdir(), *(tmp_path / "home").rglob("*")):
        os.utime(path, (2**33, 2**33))  # files of the future
    assert bauta(*protecting(alice, tmp_path / "after"))[0] == 0
    assert whole(tmp_path / "after") == whole(tmp_path / "before")
    code, said, _ = bauta(*protecting(alice, tmp_path / "before"))
    assert (code, said.startswith("0 pictures written")) == (0, True)
    assert bauta(*auditing(people, tmp_path / "audit"))[0] == 0
    assert (tmp_path / "audit" / "rows.jsonl").read_bytes() == rows
