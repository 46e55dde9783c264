"""A training from names to a folder that loads again: a small network on made-up people and, briefly, real ones."""

from __future__ import annotations

import csv
import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from bauta.errors import BadCheckpoint, BautaError, MissingPackage, MissingWeights, UsageError
from bauta.faces import load_dataset, load_pairs
from bauta.generators import synthetic
from bauta.metrics import ten_fold_accuracy
from bauta.pipeline import Pipeline
from bauta.protections import PartialFace
from bauta.recognizers import load
from bauta.recognizers.base import Preprocess
from bauta.recognizers.heads import CosFace
from bauta.recognizers.mobilefacenet import MobileFaceNet
from bauta.recognizers.trainable import TRAINABLE, begin, new, training_folder
from bauta.train import Recipe, Training, judge, load_pipeline, preset, train_recognizer
from bauta.train.checkpoints import Row
from bauta.train.plans import OneCycle, Steps
from bauta.train.run import build

from . import made

RECIPE = Recipe(epochs=2, batch_size=16, plan=OneCycle(rate=2e-3), head=CosFace(scale=16))


class Stopped(Exception):
    """Somebody pulled the plug."""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.folder(tmp_path_factory.mktemp("people"))


@pytest.fixture
def training(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    return Training("mobilefacenet", {"width": 0.125, "embedding": 16}, data=str(people), recipe=RECIPE, cast=0.3)


def bits(rows: list[Row]) -> list[Row]:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_a_folder_is_a_recognizer_and_a_pipeline(training: Training, tmp_path: Path, people: Path) -> None:
    training = dataclasses.replace(training, protections=["GaussianNoise(0.05)"])
    out = tmp_path / "out"
    pipeline, rows = train_recognizer(training, out, bfloat16=False)
    assert len(rows) == 2
    assert {"epoch", "identity", "rate", "seconds", "accuracy", "low", "high", "auc", "pairs"} <= set(rows[-1])
    with (out / "log.csv").open() as file:
        assert [float(row["identity"]) for row in csv.DictReader(file)] == [row["identity"] for row in rows]
    said = json.loads((out / "recipe.json").read_text())
    assert said["reached"]["accuracy"] == rows[-1]["accuracy"]
    assert said["recipe"]["head"] == "CosFace(scale=16)"
    faces = load_dataset(people, 6)
    network = load(str(out))
    assert not network.training
    assert torch.equal(network.embed(faces.images), pipeline.recognizer.embed(faces.images))
    again = load_pipeline(out)
    assert repr(again.protections) == repr(pipeline.protections)
    assert torch.equal(again.templates(faces), pipeline.templates(faces))
    assert load(str(out), cut=3).cut == 3


def test_a_training_goes_on_to_the_same_curve_and_files(training: Training, tmp_path: Path) -> None:
    _, expected = train_recognizer(training, tmp_path / "whole", bfloat16=False)

    def told(what: str, done: int, total: int, losses: Row) -> None:
        if (what, done) == ("epoch 2", 2):
            raise Stopped

    with pytest.raises(Stopped):
        train_recognizer(training, tmp_path / "broken", bfloat16=False, every=1, told=told)
    with pytest.raises(MissingWeights):
        load(str(tmp_path / "broken"))
    with pytest.raises(UsageError, match="holds a training already; say --resume"):
        train_recognizer(training, tmp_path / "broken", bfloat16=False)
    other = dataclasses.replace(training, seed=1, cast=0.0)
    with pytest.raises(UsageError, match="begun with another cast, seed"):
        train_recognizer(other, tmp_path / "broken", resume=True, bfloat16=False)
    _, rows = train_recognizer(training, tmp_path / "broken", resume=True, bfloat16=False)
    assert bits(rows) == bits(expected)
    ours, theirs = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("broken", "whole"))
    assert ours == theirs


def test_a_protection_that_changes_channels_gets_its_server_and_comes_back(training: Training, tmp_path: Path) -> None:
    """DCTDP: fitted on the training pictures, its budget trained with the server, and whole after a stop."""
    training = dataclasses.replace(
        training, architecture="frequency_small", options={"embedding": 16}, protections=["DCTDP(epsilon=50.0)"],
        limit=16, recipe=dataclasses.replace(RECIPE, batch_size=4, epochs=1),
    )  # fmt: skip

    def told(what: str, done: int, total: int, losses: Row) -> None:
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        train_recognizer(training, tmp_path / "out", bfloat16=False, every=1, told=told)
    pipeline, rows = train_recognizer(training, tmp_path / "out", resume=True, bfloat16=False)
    (scheme,) = pipeline.protections
    assert pipeline.recognizer.layers.stem.conv.weight.shape[1] == 189
    assert scheme.rho_.abs().max() > 0
    assert scheme.high_.shape == (189, 112, 112)
    again = load_pipeline(tmp_path / "out")
    faces = load_dataset(training.data, 2)
    assert torch.equal(again.templates(faces), pipeline.templates(faces))
    assert json.loads((tmp_path / "out" / "recipe.json").read_text())["options"]["channels"] == 189
    assert len(rows) == 1


def test_judging_puts_the_mode_back_and_is_the_protocol(people: Path) -> None:
    pairs = load_pairs(people, 60)
    pipeline = Pipeline(new("mobilefacenet", {"width": 0.125, "embedding": 16}))
    pipeline.train()
    found = judge(pipeline, pairs)
    assert pipeline.training
    assert pipeline.recognizer.layers.stem.training
    with torch.no_grad():
        t = pipeline.eval().templates(pairs.faces)
    scores = (t[pairs.first] * t[pairs.second]).sum(1)
    assert found["accuracy"] == pytest.approx(ten_fold_accuracy(scores, pairs.same, pairs.fold).accuracy)
    assert found["low"] <= found["accuracy"] <= found["high"]


def test_the_full_width_is_the_published_network() -> None:
    ours, theirs = new("mobilefacenet", {}), MobileFaceNet(Preprocess())
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    assert sum(p.numel() for p in new("mobilefacenet", {"width": 0.5}).parameters()) < 0.35e6


@pytest.mark.parametrize("name", sorted(TRAINABLE))
def test_every_network_builds_and_says_what_it_takes(name: str) -> None:
    with torch.device("meta"):
        network = new(name, {"embedding": 32}, name="mine")
    assert network.name == "mine"
    with pytest.raises(UsageError, match=f"{name} has no option depth, nonsense; it has"):
        new(name, {"nonsense": 1, "depth": 3})


def test_presets_are_the_published_numbers() -> None:
    big, little = preset("published"), preset("small", 3)
    assert (big.epochs, big.batch_size, repr(big.head)) == (24, 64, "ArcFace()")
    assert isinstance(big.plan, Steps)
    assert (big.plan.rate, big.plan.momentum, big.plan.decay, big.plan.milestones) == (0.1, 0.9, 5e-4, (10, 18, 22))
    assert (little.epochs, little.head) == (3, None)
    with pytest.raises(UsageError, match="No preset is called 'large'; there are small, published"):
        preset("large")


def test_what_cannot_be_trained_is_one_sentence(training: Training, tmp_path: Path) -> None:
    for change, says in (
        ({"architecture": "vgg"}, "No network to be trained is called 'vgg'; there are mobilefacenet"),
        ({"options": {"width": "wide"}}, "mobilefacenet cannot be built with"),
        ({"recipe": dataclasses.replace(RECIPE, head=None)}, "There is nothing to learn: give a teacher, or a head"),
        ({"protections": ["Nothing()"]}, "Nothing is called 'Nothing'"),
        ({"teacher": "nobody"}, "nobody"),
    ):
        with pytest.raises(BautaError, match=says):
            train_recognizer(dataclasses.replace(training, **change), tmp_path / says[:5], bfloat16=False)


def test_tensorboards_file_is_written_where_it_is_installed(training: Training, tmp_path: Path) -> None:
    training = dataclasses.replace(training, recipe=dataclasses.replace(RECIPE, epochs=1))
    if find_spec("tensorboard") is None:
        with pytest.raises(MissingPackage, match="pip install tensorboard"):
            train_recognizer(training, tmp_path / "out", tensorboard=True)
        assert not (tmp_path / "out").exists()
    else:
        train_recognizer(training, tmp_path / "out", tensorboard=True)
        assert list((tmp_path / "out" / "tensorboard").glob("events*"))


def test_a_folder_that_is_damaged_does_not_load(training: Training, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train_recognizer(dataclasses.replace(training, recipe=dataclasses.replace(RECIPE, epochs=1)), out, bfloat16=False)
    (out / "protections.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        load_pipeline(out)
    (out / "recipe.json").write_text("{}")
    with pytest.raises(BadCheckpoint, match="is no recipe that can be read"):
        load(str(out))
    with pytest.raises(MissingWeights, match=r"holds no recipe\.json"):
        load_pipeline(tmp_path)


@pytest.mark.mirror
def test_a_small_network_learns_lfw_from_a_teacher(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few steps on real faces: the loss falls, and strangers of two folds judge."""
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    training = Training(
        "mobilefacenet", {"width": 0.25}, data="lfw", limit=128, teacher="mobilefacenet-casia", cast=0.4,
        recipe=dataclasses.replace(preset("small", 2), batch_size=32),
    )  # fmt: skip
    _, rows = train_recognizer(training, tmp_path / "out")
    assert rows[1]["teacher"] < rows[0]["teacher"]
    assert rows[1]["pairs"] == 1200
    assert rows[1]["auc"] > 0.52


def test_options_that_are_tuples_are_the_same_after_a_stop(training: Training, tmp_path: Path) -> None:
    options = {"widths": (8, 8), "units": (1, 1), "embedding": 8}
    training = dataclasses.replace(training, architecture="compact_bottleneck", options=options)
    _, rows = train_recognizer(training, tmp_path / "out", bfloat16=False)
    assert train_recognizer(training, tmp_path / "out", bfloat16=False, resume=True)[1] == rows


def test_a_training_may_begin_with_anothers_weights(training: Training, tmp_path: Path) -> None:
    train_recognizer(training, tmp_path / "first", bfloat16=False)
    start = str(tmp_path / "first")
    first = load(start).state_dict()
    begun = build(dataclasses.replace(training, start=start)).recognizer.state_dict()
    assert all(torch.equal(begun[name], first[name]) for name in first)
    wide = dataclasses.replace(training, start=start, options={"width": 0.125, "embedding": 8})
    other = build(wide).recognizer.state_dict()
    assert torch.equal(other["layers.pool.conv.weight"], first["layers.pool.conv.weight"])
    assert other["layers.embedding.conv.weight"].shape != first["layers.embedding.conv.weight"].shape
    with pytest.raises(UsageError, match="no layer of the same name and shape"):
        build(dataclasses.replace(training, start=start, architecture="ir18", options={}))


@pytest.mark.parametrize(("architecture", "layer"), [("frequency_compact", ""), ("duet_compact", "layer.")])
def test_servers_of_frequency_maps_begin_with_a_network_of_pictures(architecture: str, layer: str) -> None:
    plain, server = new("compact_residual", {}), new(architecture, {})
    assert begin(server, plain) == plain.layer_names()
    weight = server.state_dict()[f"layers.stage4_block1.{layer}residual.conv1.weight"]
    assert torch.equal(weight, plain.state_dict()["layers.stage4_block1.residual.conv1.weight"])


def test_a_protected_recognizer_comes_with_bauta(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BAUTA_MIRROR", "")
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path))
    pipeline = load_pipeline("bauta-partialface")
    assert [type(one) for one in pipeline.protections] == [PartialFace]
    faces = synthetic(20, 0, views=3)
    assert pipeline.features(faces).shape == (60, 27, 112, 112)
    templates = pipeline.templates(faces)
    assert faces.identity is not None
    cosines, same = templates @ templates.T, faces.identity[:, None] == faces.identity
    others = ~torch.eye(len(faces), dtype=torch.bool)
    assert cosines[same & others].median() > cosines[~same].median() + 0.08
    assert training_folder("no such folder") is None
    assert training_folder("PartialFace(" * 1000) is None
