"""Study frequency on tiny networks and pictures, and its tables: every number in its place."""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import tiny
import torch

from bauta.attacks import InverseDCT
from bauta.errors import MissingData, MissingWeights, UsageError
from bauta.faces import Pairs
from bauta.metrics import bootstrap
from bauta.pipeline import Pipeline
from bauta.protections import PartialFace
from bauta.recognizers import Recognizer, trainable
from bauta.recognizers.frequency import BlockDCT
from bauta.report.table import measured
from bauta.study.presets.frequency import QUICK, TRAINER, apart, frequency, lit, recovering
from bauta.study.presets.frequencynetworks import (
    CLIENT,
    MORE,
    SCHEMES,
    STAGE_ONE,
    START,
    TWIN,
    Networks,
    built,
    is_gray,
)
from bauta.study.presets.settings import Settings
from bauta.study.records import Row
from bauta.study.tables import study_of, tables
from bauta.train import recognizing
from bauta.train.run import build
from bauta.types import Faces

preset = importlib.import_module("bauta.study.presets.frequency")  # the package's name is the function's
networks = importlib.import_module("bauta.study.presets.frequencynetworks")
FOREIGN, LINKAGE = preset.ForeignRecognizer, preset.Linkage


def server(*, channels: int = 192, embedding: int = 8) -> Recognizer:
    """Behind a DCT of 32 x 32 pictures."""
    layers = {"dct": BlockDCT(), "embedding": torch.nn.Conv2d(channels, embedding, tiny.SIDE, bias=False)}
    return Recognizer(layers, cut=1, name="tiny")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Tiny gray pairs in two folds, other people's faces, tiny servers, teacher and judge."""
    for module in ("metrics.draws", "study.verification"):
        monkeypatch.setattr(importlib.import_module(f"bauta.{module}"), "bootstrap", partial(bootstrap, draws=20))
    monkeypatch.setitem(trainable.TRAINABLE, "frequency_compact", server)
    monkeypatch.setattr(networks, "START", None)  # which has no layer of the tiny ones
    monkeypatch.setattr(recognizing, "load", lambda name: tiny.recognizer("teacher", seed=6))
    monkeypatch.setattr(recognizing.zoo, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(preset, "ForeignRecognizer", lambda name: FOREIGN(tiny.recognizer("judge", seed=5)))
    monkeypatch.setattr(preset, "Linkage", lambda **options: LINKAGE(tiny.recognizer("student", seed=7), **options))
    pairs, others = tiny.pairs(), tiny.faces(80, seed=9)
    gray = others.images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    assert others.identity is not None
    public = replace(others, images=gray, identity=others.identity + 100)
    monkeypatch.setattr(networks, "public_faces", lambda data, victims, number: public[:number])
    seen = pairs.faces.images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    victims = Pairs(replace(pairs.faces, images=seen), pairs.first, pairs.second, pairs.same, pairs.fold)
    return Settings(victims, tmp_path, 0, public=public[:32])


def test_the_schemes_are_trained_once_recognize_and_are_attacked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(frequency(settings, True))
    assert not [row.note for row in rows if row.value is None]
    assert list(dict.fromkeys(row.system for row in rows)) == list(QUICK)
    asked = {(row.system, row.attack.split("(")[0], row.knows) for row in rows if row.role == "attack"}
    assert asked == {
        *((TWIN, who, "NOTHING") for who in ("LinearInversion", "InverseDCT", "RecFace", "Linkage")),
        *((name, who, "KEYS") for name in QUICK[1:] for who in ("LinearInversion", "RecFace", "Linkage")),
        *((name, who, "DRAW") for name in QUICK[1:] for who in ("InverseDCT", "Unshuffled")),
        ("PartialFace", "RecFace", "SCHEME"),
    }
    for row in rows:
        facts = row.settings
        assert (facts["study"], facts["quick"], facts["cast"], facts["protection"]) == (
            "frequency",
            True,
            0.4,
            row.system,
        )
        assert str(settings.out) not in str(facts["recipe"]), "a table goes to others"
    found = {(row.system, row.metric): row.value for row in rows if row.role == "utility"}
    assert found[TWIN, "accuracy, ten folds lost"] == 0
    assert [found[name, "bytes sent"] for name in QUICK] == [4 * c * tiny.SIDE**2 for c in (192, 27, 3)]
    assert all(found[name, "client's milliseconds"] > 0 for name in QUICK)
    assert all(0 <= found[name, "accuracy after epoch 1"] <= 1 for name in QUICK)
    folders = {path.parent.name for path in (settings.out / "networks").glob("*/weights.safetensors")}
    assert folders == {*QUICK, STAGE_ONE}
    monkeypatch.setattr(recognizing, "fit", lambda *_, **__: pytest.fail("it is trained already"))
    last = rows[-1].cell
    done = frozenset(row.cell for row in rows) - {last}
    again = list(frequency(replace(settings, done=done), True))
    assert again == [row for row in rows if row.cell == last]
    assert list(frequency(replace(settings, done=done | {last}), True)) == []
    assert {table.name for table in tables(rows)} >= {"recognition", "training", "recovery", "order", "linkage", "cost"}


def test_networks_learn_from_nobody_who_is_attacked_or_attacks(settings: Settings) -> None:
    learned = Networks(lit(settings, 0.4), 0.4, True).learned
    assert settings.public is not None
    assert not set(learned.faces.digests()) & {*settings.public.digests(), *settings.victims.faces.digests()}
    assert len(learned) == networks.QUICK_LEARNED
    with pytest.raises(UsageError, match="nobody to learn from"):
        _ = Networks(replace(settings, public=networks.public_faces("", settings.victims, 80)), 0.4, True).learned


def test_gray_pictures_get_a_cast_and_the_attackers_see_the_same(settings: Settings) -> None:
    assert settings.public is not None
    assert is_gray(settings.public)
    cast = lit(settings, 0.4)
    assert cast.public is not None
    assert not is_gray(cast.public)
    assert cast.public.digests() == settings.public.digests()
    light = preset.ColorCast(0.4, seed=0)
    assert torch.equal(cast.public.images, light(settings.public).images)
    assert lit(settings, 0.0) is settings
    assert not is_gray(tiny.faces())


def test_a_training_that_fails_is_a_row_and_a_missing_teacher_is_an_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Networks, name: str) -> None:
        raise UsageError(f"{name} went wrong.")

    monkeypatch.setattr(Networks, "pipeline", fails)
    rows = list(frequency(settings, True))
    assert [(row.cell, row.metric, row.value) for row in rows] == [(f"{n} / training", "failed", None) for n in QUICK]
    assert rows[1].note == "PartialFace went wrong."

    def absent(self: Networks, name: str) -> None:
        raise MissingWeights("no teacher")

    monkeypatch.setattr(Networks, "pipeline", absent)
    with pytest.raises(MissingWeights):
        next(frequency(settings, True))


def test_every_scheme_has_a_server_for_what_it_sends() -> None:
    sent = {"DuetFace": 166, "PPFR-FD": 108, "DCTDP": 189, MORE: 189, "PartialFace": 27, "MinusFace": 3, STAGE_ONE: 192}
    assert set(sent) == {*SCHEMES, STAGE_ONE} - {TWIN}
    for name, channels in {**sent, TWIN: 192, CLIENT: 192}.items():
        training = replace(built(name, Path("networks"), 3, True), start=None if name == CLIENT else START)
        pipeline = build(training)
        assert [p.channels for p in pipeline.protections] == [channels] * len(training.protections)
        assert all(getattr(p, "seed", 3) == 3 for p in pipeline.protections)
    assert {name for name, scheme in SCHEMES.items() if scheme.keyed} == {"PPFR-FD", "PartialFace"}
    for name, scheme in SCHEMES.items():
        longer = len(preset.LONGER.get(name, ()))
        assert len(recovering(name, scheme, False)) == 3 + scheme.keyed + scheme.drawn + longer


def test_people_in_color_are_victims_or_attackers() -> None:
    faces = tiny.faces(300)
    assert faces.identity is not None
    victims, public = apart(faces, 40)
    assert (len(victims), len(public)) == (100, 40)
    assert victims.identity is not None
    assert public.identity is not None
    assert not set(victims.identity.tolist()) & set(public.identity.tolist())
    victims, public = apart(Faces(faces.images, source=faces.source), 60)
    assert not set(victims.digests()) & set(public.digests())


def test_recovery_in_color(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preset, "load_dataset", lambda data: tiny.faces(300, seed=8))
    monkeypatch.setattr(preset, "drawing", lambda name, scheme, quick: [InverseDCT()])
    scheme = PartialFace()
    pipeline = Pipeline(server(channels=27).frozen(), scheme, twin=server().frozen())
    rows = list(preset.in_color(settings, "PartialFace", pipeline, "celeb12"))
    found = {row.metric: row for row in rows}
    assert {row.cell for row in rows} == preset.in_color_cells("PartialFace", ["celeb12"])
    assert found["SSIM"].n == 100
    assert {row.knows for row in rows} == {"DRAW"}
    done = frozenset(row.cell for row in rows)
    assert list(preset.in_color(replace(settings, done=done), "PartialFace", pipeline, "celeb12")) == []

    def absent(data: str) -> Faces:
        raise MissingData(f"{data} is not here.")

    monkeypatch.setattr(preset, "load_dataset", absent)
    (failed,) = preset.in_color(settings, "PartialFace", pipeline, "utkface")
    assert (failed.value, failed.note) == (None, "utkface is not here.")


def row(name: str, attack: str, knows: str, metric: str, value: float, spread: float = 0.01) -> Row:
    role = "utility" if attack in ("the authorized recognizer", TRAINER) else "attack"
    settings = {"study": "frequency", "quick": False, "cast": 0.4, "protection": name, "recipe": f"{name}()"}
    ends = value - spread, value + spread
    return Row(
        f"{name} / {attack} / {knows}", name, role, attack, metric, value, *ends, 50, "low", knows, 0, "", settings
    )


def test_tables() -> None:
    owner = "the authorized recognizer"
    rows = [
        row("DCTDP", owner, "", "accuracy, ten folds", 0.9),
        row("DCTDP", owner, "", "accuracy, ten folds lost", 0.03),
    ]
    rows += [row("DCTDP", TRAINER, "", f"accuracy after epoch {k}", 0.5 + k / 10) for k in (1, 2)]
    rows += [row("DCTDP", TRAINER, "", "seconds of training", 90)]
    for name, size in (("DCTDP", 63), ("MinusFace", 1)):
        rows += [row(name, owner, "", "client's milliseconds", 4), row(name, owner, "", "bytes sent", 1024 * size)]
    recovered = {"DuetFace": 0.8, "PPFR-FD": 0.7, "DCTDP": 0.705, "PartialFace": 0.5, "MinusFace": 0.6}
    rows += [row(name, "RecFace()", "KEYS", "SSIM", value) for name, value in recovered.items()]
    rows += [row("DCTDP", "RecFace()", "KEYS", "verification of the reconstructions", 0.8)]
    rows += [row("PartialFace", "LinearInversion()", "KEYS", "SSIM", 0.95)]
    rows += [row("MinusFace", "Unshuffled(RecFace())", "DRAW", "SSIM", 0.4)]
    rows += [row("DCTDP", "Linkage()", "KEYS", "AUC", 0.99)]
    assert study_of(rows) == "frequency"
    made = {table.name: table for table in tables(rows)}

    def value(cell: object) -> float:
        found = measured(cell)
        assert found is not None
        return found.value

    (line,) = made["recognition"].rows
    assert [value(line[c]) for c in ("accuracy", "accuracy lost")] == pytest.approx([90, 3])
    assert line["published"] == 99.77
    (line,) = made["training"].rows
    assert [value(line[f"epoch {k}"]) for k in (1, 2)] == pytest.approx([60, 70])
    assert line["minutes"] == 1.5
    shown = {(line["protection"], line["attack"]): line for line in made["recovery"].rows}
    assert shown["DCTDP", "RecFace()"]["published"] == "SSIM 0.687, PSNR 15.42, verification 79.6"
    assert value(shown["DCTDP", "RecFace()"]["verification"]) == pytest.approx(80)
    assert shown["PartialFace", "LinearInversion()"]["published"] == ""
    verdicts: dict[object, list[object]] = {}
    for line in made["order"].rows:
        verdicts.setdefault(line["cell"], []).append(line["verdict"])
    as_published, other, alike = "as published", "the other way round", "not told apart"
    assert verdicts == {
        "U-Net with the keys, as in the papers": [as_published, alike, as_published, other],
        "the best without linear inversion": [as_published, alike, as_published, other],
        "the best of all": [as_published, alike, other, as_published],
    }
    assert made["order"].rows[-1]["by"] == "LinearInversion(), has the keys"
    assert value(made["linkage"].rows[0]["AUC"]) == 0.99
    assert [(line["KB"], line["times"], line["times, published"]) for line in made["cost"].rows] == [
        (63, 63, 63),
        (1, 1, 1),
    ]
    assert len(made["published"].rows) == 6
