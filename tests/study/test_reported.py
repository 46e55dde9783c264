"""A study's folder as a document: its numbers, its pictures, who attacked, and what is left out on purpose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
import torch

from bauta import attacks, zoo
from bauta.attacks import ClientHolder, Comparison, Inversion, MLPProbe, Purify, RecFace, Via
from bauta.attacks.base import Attack, Guess, Knowledge, Knows, Reidentification
from bauta.errors import BadFile, MissingData
from bauta.faces.images import decode
from bauta.metrics import SSIM
from bauta.metrics.base import Interval
from bauta.pipeline import Pipeline, System
from bauta.protections import WhiteNoise
from bauta.study import records
from bauta.study.audit.threats import DATABASE, FOREIGN, INSIDER, VIEWER, WIRE, threat_of
from bauta.study.declared import KNOWN, MAY, SEES, declared
from bauta.study.gallery import Gallery, shown
from bauta.study.records import Row
from bauta.study.reported import SHOWN, lines, reported
from bauta.study.run import cell_of, run
from bauta.study.tradeoff import net_utility
from bauta.types import Stage

SETTINGS = {"study": "mine", "data": "lfw", "seed": 3, "versions": {"bauta": "9"}, "machine": {"cores": 2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run of two systems, with its pictures."""
    place = tmp_path_factory.mktemp("study")
    network = tiny.recognizer(cut=1)
    plain, noisy = Pipeline(network), Pipeline(network, WhiteNoise(0.3))
    systems = {"bare tiny": System(plain, plain), "noise <b>": System(noisy, plain)}
    attack = Inversion(steps=2, side=tiny.SIDE)
    rows = list(run(systems, [attack, Comparison()], None, tiny.pairs(), 0, show=Gallery(place)))
    records.append(place / "rows.jsonl", rows)
    (place / "settings.json").write_text(json.dumps(SETTINGS))
    return place


def test_points_are_the_rows_utility_and_worst_leak(folder: Path) -> None:
    rows = list(records.read(folder / "rows.jsonl"))
    expected = net_utility(row for row in rows if row.value is not None)
    found = {point.system: point for point in reported(folder, faces=False).points}
    assert list(found) == list(expected) == ["bare tiny", "noise <b>"]
    for name, net in expected.items():
        assert (found[name].utility, found[name].leak) == (net.utility, net.worst.leak)
        assert (found[name].kind, found[name].attack) == (net.kind, net.worst.row.attack)
    assert [point.bare for point in found.values()] == [True, False]


def test_settings_versions_and_weights_are_said(folder: Path, tmp_path: Path) -> None:
    document = reported(folder, faces=False)
    assert document.title == "Study mine"
    assert document.settings == {"study": "mine", "data": "lfw", "seed": 3, "machine": {"cores": 2}}
    assert document.versions == {"bauta": "9"}
    assert document.verdicts == ()
    record = zoo.weights("mobilefacenet-casia")
    row = Row("c", f"PMT {record.name}@5", "attack", "ForeignRecognizer('mobileface-v3')", "AUC", 0.9, 0.8, 1.0, 50)
    records.append(tmp_path / "rows.jsonl", [row])
    weights = reported(tmp_path).weights
    assert set(weights.values()) == {
        file.sha256 for name in (record.name, "mobileface-v3") for file in zoo.weights(name).files
    }
    assert all("/" not in name for name in weights), "where a user's files lie is nobody's business"


def test_the_gallery_is_what_the_study_kept_each_with_its_ssim(folder: Path) -> None:
    document = reported(folder)
    kept = shown(folder, SHOWN)
    assert list(dict.fromkeys(row.system for row in document.gallery)) == list(kept)
    for system, rows in kept.items():
        for row, images in zip((r for r in document.gallery if r.system == system), rows.values(), strict=True):
            read = [decode((folder / one.file).read_bytes(), one.file).image for one in row.pictures]
            assert torch.equal(torch.stack(read), images)
            if row.label == "original":
                assert all(not one.scores for one in row.pictures)
                continue
            scores = SSIM(images, rows["original"])
            assert [one.scores["SSIM"] for one in row.pictures] == [f"{float(score):.2f}" for score in scores]


def test_no_face_is_written_or_named_when_faces_are_left_out(folder: Path, tmp_path: Path) -> None:
    for name in ("rows.jsonl", "settings.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "shown").symlink_to(folder / "shown")
    document = reported(tmp_path, faces=False)
    assert document.gallery == ()
    assert document.faces_left_out
    assert not (tmp_path / "faces").exists()


def test_who_was_not_attacked_has_an_empty_place(tmp_path: Path) -> None:
    faces, keep = tiny.faces(4), Gallery(tmp_path)
    keep("s / utility", 1 - faces.images, faces)
    keep("s / RecFace() / NOTHING", 1 - faces.images[:2], faces[:2])
    records.append(tmp_path / "rows.jsonl", [Row("s / utility", "s", "utility", "x", "AUC", 0.5)])
    rows = {row.label: row for row in reported(tmp_path).gallery}
    assert [bool(one.file) for one in rows["RecFace(), unaware"].pictures] == [True, True, False, False]


BUILT = [
    RecFace(),
    Inversion(),
    MLPProbe("gender"),
    ClientHolder(),
    ClientHolder(RecFace(steps=3)),
    ClientHolder(MLPProbe("age")),
    attacks.Denoiser(),
    Comparison().knowing(sees=Stage.TEMPLATES),
    RecFace().knowing(knows=Knows.SCHEME),
    attacks.Map2V(),
    attacks.UnSplit(),
]


@pytest.mark.parametrize("attack", BUILT, ids=repr)
def test_a_threat_model_is_read_off_a_row_as_the_attack_declares_it(attack: Attack) -> None:
    known = attack.knowledge
    row = Row(cell_of("s", attack), "s", "attack", repr(attack), "AUC", 0.5, knows=known.knows.name)
    (told,) = declared([row])
    assert (told.attack, told.sees, told.access) == (repr(attack), SEES[known.sees], MAY[known.access])
    assert told.knows == KNOWN[known.knows]
    assert told.holds == (", ".join(sorted(known.holds)) or "nothing")
    assert told.threat == threat_of(attack)


def test_wrapped_networks_are_not_loaded_to_say_who_attacked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reader(Reidentification):
        default_knowledge = Knowledge(sees=Stage.IMAGES)

        def __repr__(self) -> str:
            return "ForeignRecognizer('mobileface-v3')"

        def __call__(self, leak: torch.Tensor, victim: object) -> torch.Tensor:
            raise AssertionError

    monkeypatch.setattr("bauta.recognizers.load", lambda *_: pytest.fail("loaded a network"))
    for attack, who in (
        (Reader(), FOREIGN),
        (Purify(Reader(), "blur 1"), FOREIGN),
        (Via(RecFace(), Reader()), WIRE),
    ):
        row = Row(cell_of("s", attack), "s", "attack", repr(attack), "AUC", 0.5, knows="NOTHING")
        (told,) = declared([row, row])
        assert (told.threat, told.sees) == (who, SEES[attack.knowledge.sees])
        assert attack.guesses is Guess.TEMPLATES
    assert declared([Row("c", "s", "attack", "a viewer", "SSIM", 0.5)]) == []
    assert {VIEWER, FOREIGN, WIRE, DATABASE, INSIDER} >= {threat_of(attack) for attack in BUILT}


def test_lines_are_in_order_and_without_gaps() -> None:
    points = [(2.0, Interval(0.5, 0.4, 0.6, 9)), (1.0, Interval(0.7, 0.6, 0.8, 9)), (3.0, None)]
    (line,) = lines({"a": points, "empty": [(1.0, None)]})
    assert (line.label, line.x, line.y, line.low, line.high) == ("a", (1, 2), (0.7, 0.5), (0.6, 0.4), (0.8, 0.6))


def test_what_is_no_study_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="run the study first"):
        reported(tmp_path)
    records.append(tmp_path / "rows.jsonl", [Row("s / utility", "s", "utility", "x", "AUC", 0.5)])
    assert reported(tmp_path).title == "Study pmt-abuse", "rows that do not say of which study they are"
    for text in ("{", "[1]"):
        (tmp_path / "settings.json").write_text(text)
        with pytest.raises(BadFile):
            reported(tmp_path)
