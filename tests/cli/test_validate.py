"""`bauta validate` on a small network and a folder of small faces, and on real ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor

from bauta.cli.systems import system_of, validating
from bauta.errors import MissingWeights, UsageError
from bauta.faces import read_image, write_image
from bauta.metrics.privacy_score import privacy_scores
from bauta.protections import FeatureProtection, Quantization
from bauta.recognizers import Recognizer
from bauta.study.validation import BLIND, OWN
from bauta.types import Faces

Call = Callable[..., tuple[int, str, str]]
QUERIES, VICTIMS = 60, 3


class Own:
    """Somebody's own system: half of the pictures' numbers, and a count of the pictures."""

    seen = 0

    def templates(self, faces: Faces) -> Tensor:
        Own.seen += len(faces)
        return faces.images.flatten(1)[:, ::97] - 0.5


class Turned(FeatureProtection):
    """A protection of the user's own."""

    def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
        return x.flip(1)


class Mute:
    """No system."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty people with two aligned pictures each."""
    pictures = tiny.pictures(60, side=112)
    for row, picture in enumerate(pictures):
        write_image(tmp_path / "faces" / f"person{row // 2:02d}" / f"{row}.png", picture)
    return tmp_path / "faces"


@pytest.fixture
def words(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A validation of a system of the user's own, but for what varies."""
    monkeypatch.setattr("bauta.study.validation.privacy_scores", partial(privacy_scores, draws=20))
    given = f"""validate --pipeline {__file__}:Own --data {folder} --victims {VICTIMS} --pairs 12 --batch 2
        --prior Eigenfaces(components=6) --queries {QUERIES} --validators mine --out {tmp_path / "out"}"""
    return given.split()


def test_a_system_of_ones_own_in_one_command(bauta: Call, words: list[str], tmp_path: Path) -> None:
    code, said, errors = bauta(*words, "--json")
    assert code == 0, errors
    told, out = json.loads(said), tmp_path / "out"
    assert told["rows"] == json.loads((out / "rows.json").read_text())["rows"]
    rows = {(row["attack"] == BLIND, row["metric"]): row for row in told["rows"]}
    assert rows[False, "queries"]["value"] == VICTIMS * QUERIES
    assert (True, "queries") not in rows
    for who in (OWN, "mine"):
        for score in ("PSI", "PSII", "SAR@FAR=0.01", "SAR@FAR=0.001", "SAR@FAR=0.0001"):
            row = rows[False, f"{score} by {who}"]
            assert row["low"] <= row["value"] <= row["high"]
    assert rows[False, "similarity"]["value"] > rows[True, "similarity"]["value"]
    pictures = sorted((out / "reconstructions").iterdir())
    assert [path.name[:3] for path in pictures] == ["000", "001", "002"]
    assert read_image(pictures[0]).shape == (3, 112, 112)
    assert read_image(out / "sheet.png").shape[0] == 3
    assert (out / "questions.html").read_text().count("<fieldset>") == VICTIMS

    # again: nobody is asked anew but by the judge, and a batch that is not whole is
    before = [path.read_bytes() for path in pictures]
    stamps = [path.stat().st_mtime_ns for path in pictures]
    (out / "searched" / "001.json").unlink()
    code, again, _ = bauta(*words)
    assert code == 0
    assert [path.read_bytes() for path in pictures] == before
    assert [path.stat().st_mtime_ns == stamp for path, stamp in zip(pictures, stamps, strict=True)] == [
        True,
        True,
        False,
    ]
    assert json.loads((out / "rows.json").read_text())["rows"] == told["rows"]
    assert "PSI" in again
    assert "random prior" in again
    assert "keep them to yourself" in again
    code, _, errors = bauta(*words, "--seed", "4")
    assert code == 2
    assert "another seed" in errors


def test_limits_are_kept_and_read_before_anything_is_done(bauta: Call, words: list[str], tmp_path: Path) -> None:
    code, said, errors = bauta(*words, "--json", "--oracle", "QuantizedScores(0.01)", "--oracle", "QueryLimit(10)")
    assert code == 0, errors
    told = json.loads(said)
    (asked,) = [row for row in told["rows"] if row["metric"] == "queries"]
    assert asked["value"] == VICTIMS * 10
    assert asked["settings"]["limit"] == "QuantizedScores(0.01), QueryLimit(10)"
    shutil.rmtree(tmp_path / "out")
    for wrong in (
        ["--oracle", "Loud()"],
        ["--attack", "Map2VWhiteBox()"],
        ["--prior", "Nobody()"],
        ["--recognizer", "mine"],
        ["--cut", "2"],
    ):
        code, _, errors = bauta(*words, *wrong)
        assert (code, errors.startswith("bauta: ")) == (2, True), wrong
    assert not (tmp_path / "out").exists()


def test_whom_the_prior_learned_from_is_nobody_who_is_attacked(
    bauta: Call, words: list[str], folder: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "again"
    shutil.copytree(folder, copied)
    code, _, errors = bauta(*words, "--public", str(copied))
    assert code == 2
    assert "share" in errors
    assert "files" in errors


def test_systems_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny.recognizer(cut=2)
    monkeypatch.setattr("bauta.cli.systems.load", lambda name, cut=None: network)
    faces, public = tiny.faces(3), tiny.faces(8, seed=2)
    specs = ["Quantization(bits=1)", f"{__file__}:Turned()"]
    whole = system_of("s", "tiny", None, specs, None, False, public)
    stored = system_of("s", "tiny", None, specs, None, True, public)
    with torch.no_grad():
        levels = (faces.images * 255).round() / 255
        fitted = Quantization(bits=1).fit(public, network)
        protected = network.templates(fitted(network.features(levels)).flip(1))
        assert torch.allclose(whole.enroll(faces), protected, atol=1e-5)
        assert torch.allclose(whole.asked(faces), protected, atol=1e-5)
        assert torch.allclose(stored.enroll(faces), protected, atol=1e-5)
        assert torch.allclose(stored.asked(faces), network.embed(levels), atol=1e-5)
    for words, says in (
        ((None, None, [], None, False), "either"),
        (("a", None, [], "b:C", False), "either"),
        ((None, None, [], f"{__file__}:Mute", False), "templates"),
        ((None, 3, [], f"{__file__}:Own", False), "brings its own"),
        (("tiny", None, ["PartialFace()"], None, False), "folder as --recognizer"),
    ):
        with pytest.raises(UsageError, match=says):
            system_of("s", *words, public)  # type: ignore[arg-type]


def test_validators_are_those_named_or_all_that_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert validating(["a", "b", "a"], "c") == ["a", "b"]
    with pytest.raises(UsageError, match="judges by itself"):
        validating(["a"], "a")
    monkeypatch.setattr("bauta.cli.systems.zoo.place", lambda file: "mirror")
    every = validating(None, "mobilefacenet-casia")
    assert "mobilefacenet-y1-ms1m" in every
    assert "mobilefacenet-casia" not in every
    monkeypatch.setattr("bauta.cli.systems.zoo.place", lambda file: None)
    assert validating(None, None) == []


def test_a_network_that_is_not_here_ends_with_three(bauta: Call, words: list[str]) -> None:
    given = [word for word in words if word != "--pipeline" and not word.endswith(":Own")]
    code, _, errors = bauta(*given, "--recognizer", "mobilefacenet-casia")
    assert (code, errors.startswith("bauta: ")) == (MissingWeights.exit_code, True)


@pytest.mark.mirror
@pytest.mark.slow
def test_real_faces_leak_beyond_the_random_prior_and_every_question_counts(
    mirror: Path, bauta: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four people of LFW against the CASIA network: what the command counts is what the network was asked."""
    monkeypatch.setenv("BAUTA_MIRROR", str(mirror))
    monkeypatch.setattr("bauta.study.validation.privacy_scores", partial(privacy_scores, draws=50))
    seen: list[int] = []
    monkeypatch.setattr("bauta.cli.systems.folded", partial(counting, seen))
    code, said, errors = bauta(
        *f"""validate --recognizer mobilefacenet-casia --data lfw --victims 4 --pairs 20 --public-limit 100 --json
        --prior Eigenfaces(components=48) --queries 150 --validators mobilefacenet-y1-ms1m
        --out {tmp_path / "out"}""".split()
    )
    assert code == 0, errors
    rows = {(row["attack"] == BLIND, row["metric"]): row for row in json.loads(said)["rows"]}
    assert rows[False, "queries"]["value"] == 4 * 150
    assert rows[False, "queries"]["note"] == "150 to 150 for each"
    # beside the questions: the enrolled, what the validator OWN reads, and twice two judgments of four pictures
    real = rows[False, f"PSI by {OWN}"]["settings"]["pictures"]
    assert sum(seen) == 4 + 600 + real + 4 * 4
    assert rows[False, "similarity"]["low"] > rows[True, "similarity"]["high"]


def counting(seen: list[int], network: Recognizer) -> Recognizer:
    """The network, which tells how many pictures enter it."""
    network.layers[0].register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    return network
