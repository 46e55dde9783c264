"""`bauta audit`: a protection in a file of one's own, conditions for a build, and an audit that is killed twice."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import audited
import pytest
from killing import killed

from bauta.cli.audit import own
from bauta.errors import UsageError
from bauta.study.records import read

ATTACK = "Purify(ForeignRecognizer('mine'), 'blur 1')"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return audited.people(tmp_path_factory.mktemp("made") / "people", 24)


def words(people: Path, out: Path, *more: str | Path) -> list[str | Path]:
    """A small audit of a recognizer that is its own foreign reader."""
    given = ["--recognizer", "mine", "--data", people, "--pairs", "20", "--attack", ATTACK, "--out", out]
    return ["audit", *given, *more]


def test_a_protection_in_a_file_is_audited_with_one_command(bauta, people: Path, tmp_path: Path) -> None:
    path, out = audited.own_protection(tmp_path), tmp_path / "out"
    asked = words(people, out, "--protection", f"{path}:Gray(share=0.1)", "--no-faces", "--json")
    code, said, err = bauta(*asked)
    assert code == 0, err
    found = json.loads(said)
    assert found["settings"]["audit"]["protections"] == ["Gray(share=0.1)"]
    assert list(found["settings"]["audit"]["code"]) == [f"{path}:Gray"]
    assert {row["system"] for row in found["rows"]} == {"bare", "Gray(share=0.1)"}
    assert "cells, about" in err
    assert all(Path(file).is_file() for file in found["files"])
    assert not (out / "shown").exists()
    assert not (out / "faces").exists()
    assert "data:image/png" not in (out / "report.html").read_text()

    before = (out / "rows.jsonl").read_bytes()
    for condition, ends in (("worst linkage > 0", 1), ("worst linkage > 1", 0), ("worst picture > 0.9", 1)):
        code, _, err = bauta(*asked, "--fail-if", condition)
        assert (code, "is true of" in err or "cannot be answered" in err) == (ends, bool(ends)), condition
    assert (out / "rows.jsonl").read_bytes() == before, "asking again measures nothing again"

    path.write_text(path.read_text() + "\n# changed\n")
    code, _, err = bauta(*asked)
    assert (code, "another code" in err) == (2, True)


def test_the_words_on_the_terminal(bauta, people: Path, tmp_path: Path) -> None:
    code, said, err = bauta(*words(people, tmp_path / "out", "--protection", "JPEG(50)"))
    assert code == 0, err
    assert "JPEG(quality=50), a foreign recognizer: open. A foreign recognizer learns who the person is" in said
    assert "JPEG(quality=50), the database: not shown." in said
    assert "It shows real people" in said
    assert "report.html" in said


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--fail-if", "worst secrets > 1"], "no condition"),
        (["--fail-if", "linkage > 0.1 for PMT()"], "speaks of PMT()"),
        (["--budget", "soon"], "a time like"),
        (["--attackers", "weak"], "standard, strong, all"),
        (["--protection", "Nobody()"], "Nothing is called"),
        (["--protection", "nowhere.py:Mine()"], "There is no file"),
        (["--protection", "JPEG(50)"], "Two systems would be called"),
        (["--attack", "PMT()"], "Nothing is called"),
        (["--protection", "PartialFace()"], "server that was trained behind it"),
    ],
)
def test_wrong_use_is_said_before_anything_is_run(
    bauta, people: Path, tmp_path: Path, more: list[str], says: str
) -> None:
    code, out, err = bauta(*words(people, tmp_path / "out", "--protection", "JPEG(50)", *more))
    assert (code, out) == (2, "")
    assert says in err
    assert not (tmp_path / "out" / "rows.jsonl").exists()


def test_data_that_is_not_here_and_data_without_names(bauta, people: Path, tmp_path: Path) -> None:
    other = ["audit", "--recognizer", "mine", "--protection", "JPEG(50)", "--out", tmp_path / "out"]
    assert bauta(*other, "--data", "agedb-30")[0] == 3
    code, _, err = bauta(*other, "--data", people / "person 000")
    assert (code, "who is who" in err) == (2, True)


def test_a_class_of_ones_own_keeps_its_options_and_its_cut(tmp_path: Path) -> None:
    path, code = audited.own_protection(tmp_path), {}
    text, (made,) = own(f"{path}:Gray(share=0.5) @ 7", code)
    assert (text, made.__name__) == ("Gray(share=0.5) @ 7", "Gray")
    assert own(f"{path}:Gray @ 7", code)[0] == "Gray @ 7"
    assert own(f"{path}:Gray", code)[0] == "Gray"
    assert own("PMT(steps=3)", code) == ("PMT(steps=3)", ())
    assert [len(digest) for digest in code.values()] == [64]
    with pytest.raises(UsageError, match="no class Nobody"):
        own(f"{path}:Nobody()", code)


@pytest.mark.slow
def test_an_audit_that_is_killed_twice_ends_with_the_rows_of_one_that_ran_through(
    bauta, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(audited.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (root, root / "tests"))))
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    aware = ["--protection", "PMT(steps=2) @ 2", "--attack", "Denoiser(steps=1, batch_size=2, width=0.25)"]
    code, _, err = bauta(*words(people, whole, *aware))
    assert code == 0, err
    broken.mkdir()
    (broken / "settings.json").write_bytes((whole / "settings.json").read_bytes())  # the same plan
    rows = broken / "rows.jsonl"
    command = [sys.executable, "-c", "from bauta.cli import main; main()", *map(str, words(people, broken, *aware))]
    killed(command, rows, 0, seconds=300)
    first = len(list(read(rows)))
    killed(command, rows, first, seconds=300)
    second = len(list(read(rows)))
    rows.write_bytes(rows.read_bytes()[:-40])  # as if the disk had been slower than the end
    assert bauta(*words(people, broken, *aware))[0] == 0
    assert 0 < first < second < len(list(read(rows)))
    assert rows.read_bytes() == (whole / "rows.jsonl").read_bytes()
    for name in ("verdicts.json", "tables/attacks.csv", "tables/worst-case.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), name
    for path in (whole / "scores").iterdir():
        assert (broken / "scores" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.slow
@pytest.mark.mirror
def test_a_real_audit(bauta, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real faces and networks: a picture that is hardly changed is open to everybody who has it."""
    monkeypatch.setenv("BAUTA_MIRROR", str(mirror))
    asked = ["audit", "--protection", "JPEG(75)", "--data", "lfw", "--pairs", "40", "--out", tmp_path / "out"]
    code, said, err = bauta(*asked, "--attack", "ForeignRecognizer('mobilefacenet-y1-ms1m')", "--json")
    assert code == 0, err
    found = json.loads(said)
    stands = {one["threat"]: one for one in found["verdicts"]}
    assert stands["a viewer"]["word"] == stands["a foreign recognizer"]["word"] == "open"
    assert stands["a viewer"]["attack"] == "a viewer"
    assert stands["a foreign recognizer"]["bare"]["value"] > 0.9
    assert stands["the wire"]["word"] == "not shown"
    use = {row["system"]: row["value"] for row in found["rows"] if row["metric"] == "accuracy (Eq. 10)" and row["n"]}
    assert use["bare"] > 0.9
    assert set(found["settings"]["plan"]["pairs"].values()) == {40}
