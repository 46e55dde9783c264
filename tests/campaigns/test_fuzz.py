"""The fuzz campaign in short, and proof that it sees what it looks for."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import time
from pathlib import Path
from random import Random

import pytest

from bauta.errors import BadFile
from campaigns import arena, fuzz
from campaigns.arena import MIB, Kind

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as on Linux")


def test_three_hundred_tries_of_every_kind_come_to_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("BAUTA_HOME", "BAUTA_MIRROR"):
        monkeypatch.setenv(name, "")  # some kinds set their own, and all is put back after
    assert fuzz.main(["--tries", "300", "--seed", "12"]) == 0, capsys.readouterr().out
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["kind", "tries", "sentences", "fine", "failures"]
    assert [line.split()[0] for line in lines] == [kind.name for kind in fuzz.every()] + ["all"]
    assert int(lines[-1].split()[1]) >= 300


class Told(Kind):
    """Does what a number says: each is one way to fail."""

    name = "told"
    bound = 64 * MIB

    def damaged(self, draw: Random, folder: Path) -> tuple[str, Path]:
        number = int(folder.name.rpartition("-")[2])
        return ("fine", "sentence", "other", "crash", "memory", "code", "lines", "exit", "fine")[number], folder

    def read(self, thing: tuple[str, Path]) -> None:
        what, folder = thing
        if what == "sentence":
            raise BadFile("It is damaged; copy it again.")
        if what == "other":
            raise KeyError("x")
        if what == "crash":
            ctypes.string_at(0)
        if what == "memory":
            assert len(b"x" * (200 * MIB))
        if what == "code":
            pickle.loads(pickle.dumps(Evil(folder / "witness")))
        if what == "lines":
            raise BadFile("")
        if what == "exit":
            os._exit(0)


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> object:
        return open, (self.path, "w")


def test_every_way_to_fail_is_seen_and_the_next_try_goes_on(tmp_path: Path) -> None:
    found = list(arena.tries(Told(), range(9), 0, tmp_path))
    assert [outcome.number for outcome in found] == list(range(9))
    said = {outcome.number: outcome.said for outcome in found if outcome.verdict == "failure"}
    assert sorted(said) == [2, 3, 4, 5, 6, 7]
    assert said[2].startswith("KeyError: 'x'")
    assert said[3] == f"the process died (status {int(signal.SIGSEGV)})"
    assert said[4].startswith("memory grew by 200 MiB, bound 64")
    assert said[5] == "what the file says was run"
    assert said[6].startswith("no sentence")
    assert said[7] == "the process died (status 0)"
    assert [found[n].verdict for n in (0, 1, 8)] == ["fine", "sentence", "fine"]
    assert not list(tmp_path.iterdir())


class Endless(Told):
    """Comes back from its first try alone."""

    def read(self, thing: tuple[str, Path]) -> None:
        while thing[0] != "fine":
            pass


def test_a_hang_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arena, "SECONDS", 0.3)
    began = time.monotonic()
    found = list(arena.tries(Endless(), range(2), 0, tmp_path))
    assert [outcome.verdict for outcome in found] == ["fine", "failure"]
    assert found[1].said.startswith("it hangs: 0.")
    assert time.monotonic() - began < 200


class Asleep(Told):
    """Waits for what never comes, but for its first try."""

    def read(self, thing: tuple[str, Path]) -> None:
        while thing[0] != "fine":
            time.sleep(1000)


class Starved(Told):
    """Comes back late, as where others have the processors: it works a little, and is put off again and again."""

    def read(self, thing: tuple[str, Path]) -> None:
        late = time.monotonic() + 3
        while time.monotonic() < late:
            time.sleep(0.1)
            until = time.process_time() + 0.03
            while time.process_time() < until:
                pass


def test_who_waits_is_ended_and_who_is_slow_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock alone is no sign: only the seconds of the processor are, or that there are none at all."""
    monkeypatch.setattr(arena, "PATIENCE", 1.5)
    fine, asleep = arena.tries(Asleep(), range(2), 0, tmp_path)
    assert (fine.verdict, asleep.verdict) == ("fine", "failure")
    assert asleep.said.startswith("it waits: ")
    assert asleep.said.endswith(" 0.0 of processor time")
    (slow,) = arena.tries(Starved(), range(1), 0, tmp_path)
    assert (slow.verdict, slow.said) == ("fine", "")
    monkeypatch.setattr(arena, "AT_ALL", 1.0)
    (late,) = arena.tries(Starved(), range(1), 0, tmp_path)
    assert late.said.startswith("it waits: ")


def test_a_try_is_the_same_in_every_worker() -> None:
    (kind,) = (kind for kind in fuzz.every() if kind.name == "lists")
    kind.prepare(Path())
    drawn = [[kind.damaged(arena.drawn(kind, n, 3), Path()) for n in order] for order in (range(20), range(19, -1, -1))]
    assert drawn[0] == drawn[1][::-1]
    assert len({repr(thing) for thing in drawn[0]}) > 10
    assert drawn[0] != [kind.damaged(arena.drawn(kind, n, 4), Path()) for n in range(20)]


def test_half_of_the_tries_are_pictures() -> None:
    kinds = fuzz.every()
    share = fuzz.shares(kinds, 10_000)
    pictures = sum(share[name] for name in fuzz.pictures.FORMATS)
    assert abs(pictures - 5000) < 20
    assert abs(sum(share.values()) - 10_000) < 30
