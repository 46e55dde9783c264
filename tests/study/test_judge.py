"""Reconstructions and both-sides-protected systems, judged; the numbers again by plain loops."""

from __future__ import annotations

import copy
from functools import partial
from itertools import combinations
from typing import Self

import pytest
import tiny
import torch
from torch import Tensor

from bauta.attacks import Comparison, ForeignRecognizer, Knowledge, Knows, Reconstruction, Victim
from bauta.faces import Pairs
from bauta.metrics import PSNR, SSIM, bootstrap, rank1
from bauta.pipeline import Pipeline, System
from bauta.protections import WhiteNoise
from bauta.study.judge import srra_lines
from bauta.study.records import Row
from bauta.study.run import run
from bauta.study.views import Views
from bauta.types import Faces, Images, Stage

READER = ForeignRecognizer(tiny.recognizer("other", seed=7, cut=4))


class Darker(Reconstruction):
    """The picture it sees at half its brightness; counts its fittings."""

    default_knowledge = Knowledge(sees=Stage.IMAGES)

    def __init__(self) -> None:
        self.fitted: list[str] = []

    def __repr__(self) -> str:
        return "Darker()"

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        self.fitted.append(victim.knowledge.knows.name)
        return copy.copy(self)

    def __call__(self, leak: Tensor, victim: Victim) -> Images:
        return leak / 2


@pytest.fixture(autouse=True)
def short_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bauta.metrics.draws.bootstrap", partial(bootstrap, draws=60))


@pytest.fixture(scope="module")
def victims() -> Pairs:
    return tiny.pairs()


def table(rows: list[Row], attack: str) -> dict[str, Row]:
    return {row.metric: row for row in rows if row.attack == attack}


def test_a_reconstruction_is_judged_as_by_hand(victims: Pairs) -> None:
    network = tiny.recognizer("mobilefacenet-y1-ms1m", cut=4)  # a name with a threshold in its record
    plain = Pipeline(network)
    rows = list(run({"bare": System(plain, plain)}, [Darker()], None, victims, 0, judge=READER))
    found = table(rows, "Darker()")
    truth = victims.faces.images[::2]
    seen = plain.images(victims.faces[torch.arange(0, 12, 2)]) / 2
    assert found["SSIM"].value == pytest.approx(float(SSIM(seen, truth).mean()), abs=1e-6)
    assert found["PSNR"].value == pytest.approx(float(PSNR(seen, truth).mean()), abs=1e-4)
    own = [float(network.embed(a[None]) @ network.embed(b[None]).T) for a, b in zip(seen, truth, strict=True)]
    assert found["COS"].value == pytest.approx(sum(own) / 6, abs=1e-5)
    assert found["SRRA"].value == pytest.approx(sum(c > 0.246 for c in own) / 6)
    assert found["SRRA at 0.2"].value == pytest.approx(sum(c > 0.2 for c in own) / 6)
    reader = READER.recognizer
    probes, mates = reader.embed(seen), reader.embed(plain.images(victims.faces))[1::2]
    hits = rank1(probes, mates, torch.arange(6), torch.arange(6)).float().mean()
    assert found["rank-1 of the reconstructions"].value == pytest.approx(float(hits))
    assert found["AUC of the reconstructions"].n == 12
    assert found["SSIM"].n == 6


def test_what_the_recognizer_never_saw_is_left_out_of_the_measures_beside(victims: Pairs) -> None:
    network = tiny.recognizer(cut=4)
    network.layers.stem.input.columns = (1, 31)  # type: ignore[union-attr]
    plain = Pipeline(network)
    rows = list(run({"bare": System(plain, plain)}, [Darker()], None, victims, 0))
    truth = victims.faces.images[::2]
    inside = PSNR(truth[..., 1:31] / 2, truth[..., 1:31]).mean()
    assert table(rows, "Darker()")["PSNR of what the recognizer sees"].value == pytest.approx(float(inside), abs=1e-4)
    whole = Pipeline(tiny.recognizer(cut=4))
    rows = list(run({"bare": System(whole, whole)}, [Darker()], None, victims, 0))
    assert "PSNR of what the recognizer sees" not in table(rows, "Darker()")


def test_faces_without_pairs_are_enough_for_pictures(victims: Pairs) -> None:
    plain = Pipeline(tiny.recognizer("mobilefacenet-y1-ms1m", cut=4))
    faces = Faces(victims.faces.images)
    rows = list(run({"bare": System(plain, plain)}, [Darker(), READER], None, faces, 0, judge=READER))
    assert table(rows, "Darker()")["SSIM"].n == 12
    assert table(rows, "the authorized recognizer")["cosine to itself"].value == pytest.approx(1, abs=1e-5)
    (failed,) = [row for row in rows if row.metric == "failed"]
    assert "judged on pairs" in failed.note


def test_an_unaware_attack_is_fitted_once_for_all_protections_of_a_device(victims: Pairs) -> None:
    network = tiny.recognizer(cut=4)
    plain = Pipeline(network)
    systems = {f"noise {s}": System(Pipeline(network, WhiteNoise(s)), plain) for s in (0.1, 0.2)}
    unaware = Darker()
    aware = unaware.knowing(knows=Knows.SCHEME)
    aware.fitted = []
    fits: dict[tuple[object, ...], object] = {}
    for _ in range(2):
        list(run(systems, [unaware, aware], None, victims, 0, fits=fits))  # type: ignore[arg-type]
    assert unaware.fitted == ["NOTHING"]
    assert aware.fitted == ["SCHEME", "SCHEME"]


def test_where_both_sides_are_protected_the_gallery_is_read_as_the_probes_are(victims: Pairs) -> None:
    network = tiny.recognizer(cut=4)
    other = Pipeline(network, WhiteNoise(0.1, seed=5))
    views = Views(System(Pipeline(network, WhiteNoise(0.1)), other), victims, {})
    attack = Comparison()
    victim = Victim(views.system.probe, attack.knowledge)
    wanted = attack(other.features(victims.faces), victim)
    assert torch.allclose(views.references(attack, victim), wanted, atol=1e-6)


def test_srras_thresholds_let_one_stranger_in_a_thousand_pass() -> None:
    templates = torch.nn.functional.normalize(torch.randn(80, 8, generator=torch.Generator().manual_seed(0)))
    who = torch.arange(80) // 2
    lines = srra_lines(0.3, templates, who)
    strangers = [float(templates[a] @ templates[b]) for a, b in combinations(range(80), 2) if a // 2 != b // 2]
    passed = sum(s > lines["SRRA at FAR 0.001"] for s in strangers) / len(strangers)
    assert 0 < passed <= 0.001
    assert lines["SRRA"] == 0.3
    assert "SRRA at FAR 0.001" not in srra_lines(None, templates[:20], None), "too few strangers to say"


def test_pictures_are_shown_with_their_originals(victims: Pairs) -> None:
    plain = Pipeline(tiny.recognizer(cut=4))
    shown: dict[str, tuple[Tensor, Faces]] = {}
    list(
        run(
            {"bare": System(plain, plain)},
            [Darker()],
            None,
            victims,
            0,
            show=lambda cell, pictures, faces: shown.__setitem__(cell, (pictures, faces)),
        )
    )
    assert set(shown) == {"bare / utility", "bare / Darker() / NOTHING"}
    pictures, faces = shown["bare / Darker() / NOTHING"]
    assert len(pictures) == len(faces) == 6
