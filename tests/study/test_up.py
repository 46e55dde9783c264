"""UP (Eq. 9) against the equation by hand, on pictures and on features."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.metrics import SSIM
from bauta.metrics.base import Metric
from bauta.ops.noise import generators, normal
from bauta.pipeline import Pipeline, System
from bauta.protections import PMT
from bauta.study.found import Found
from bauta.study.tables.noise import models, noises, thresholds, traded
from bauta.study.up import strangers, up_rows
from bauta.types import Faces, Stage

FAR_APART = Metric("mean difference", lambda a, b: (a - b).abs().mean((1, 2, 3)), "high")
SEED = 3


@pytest.fixture(scope="module")
def faces() -> Faces:
    return tiny.faces(8)


@pytest.fixture(scope="module")
def system() -> System:
    network = tiny.recognizer(cut=2)
    pmt = PMT(steps=4, seed=SEED).fit(None, network)
    return System(Pipeline(network, pmt), Pipeline(network))


def noisy(images: Tensor, faces: Faces, std: float, seed: int) -> Tensor:
    """White noise of a seed, and the file that it ends in."""
    draws = normal(images.shape[1:], generators(seed, faces.digests(), "white noise"), images)
    return ((images + std * draws).clamp(0, 1) * 255).round() / 255


def test_both_terms_are_the_equations(system: System, faces: Faces) -> None:
    rows = list(up_rows("s", system, faces, [0.0, 0.2], [0.1, 0.9], [FAR_APART], SEED))
    found = Found(rows)
    network, protected = system.probe.recognizer, system.probe.images(faces)
    original = (faces.images * 255).round() / 255
    for noise in (0.0, 0.2):
        ours, theirs = noisy(protected, faces, noise, 2 * SEED), noisy(original, faces, noise, 2 * SEED + 1)
        own = torch.nn.functional.cosine_similarity(network.embed(ours), network.embed(theirs))
        apart = [float((a - b).abs().mean()) for a, b in zip(ours, theirs, strict=True)]
        for kappa in (0.1, 0.9):
            terms = [(1.0 if c > kappa else 0.0) + d for c, d in zip(own.tolist(), apart, strict=True)]
            interval = traded(found, "s", "UP", Stage.IMAGES, noise, kappa)
            assert interval is not None
            assert interval.value == pytest.approx(sum(terms) / len(terms), abs=1e-4)
            assert interval.low <= interval.value <= interval.high
            assert interval.n == len(faces)
        privacy = traded(found, "s", "privacy", Stage.IMAGES, noise)
        assert privacy is not None
        assert privacy.value == pytest.approx(sum(apart) / len(apart), abs=1e-4)
    assert (noises(found, "s", Stage.IMAGES), thresholds(found, "s")) == ([0.0, 0.2], [0.1, 0.9])
    assert noises(found, "s", Stage.FEATURES) == []
    assert {row.role for row in rows} == {"trade-off"}


def test_the_two_sides_draw_apart_and_clean_pictures_without_noise_are_useful_and_bare(
    system: System, faces: Faces
) -> None:
    """Without noise a clean picture is itself; with noise it meets another draw, not its own."""
    clean = System(system.gallery, system.gallery)
    found = Found(up_rows("bare", clean, faces, [0.0, 0.3], [0.5], [FAR_APART], SEED))
    without = [traded(found, "bare", what, Stage.IMAGES, 0.0, 0.5) for what in ("utility", "UP")]
    assert [i and i.value for i in without] == [1.0, 1.0]
    apart = traded(found, "bare", "privacy", Stage.IMAGES, 0.3)
    assert apart is not None
    # the mean difference of two independent Gaussian draws is 2 std / sqrt(pi), less what clipping takes
    assert 0.5 * 0.3386 < apart.value < 0.3386


def test_features_are_disturbed_at_the_cut_and_read_through_the_reconstruction(system: System, faces: Faces) -> None:
    seen: list[tuple[int, ...]] = []

    def restore(features: Tensor) -> Tensor:
        seen.append(tuple(features.shape[1:]))
        return torch.sigmoid(torch.nn.functional.interpolate(features[:, :3], faces.images.shape[-2:]))

    rows = list(up_rows("s", system, faces, [0.1], [0.5], [FAR_APART], SEED, restore=restore))
    network = system.probe.recognizer
    sides = []
    for pictures, seed in ((system.probe.images(faces), 2 * SEED), (system.gallery.images(faces), 2 * SEED + 1)):
        features = network.features(pictures)
        draws = normal(features.shape[1:], generators(seed, faces.digests(), "feature noise"), features)
        sides.append(features + 0.1 * features.flatten(1).std(1, correction=0).view(-1, 1, 1, 1) * draws)
    assert set(seen) == {tuple(sides[0].shape[1:])}
    apart = (restore(sides[0]) - restore(sides[1])).abs().mean((1, 2, 3)).mean()
    privacy = traded(Found(rows), "s", "privacy", Stage.FEATURES, 0.1)
    assert privacy is not None
    assert privacy.value == pytest.approx(float(apart), abs=1e-4)
    own = torch.nn.functional.cosine_similarity(network.templates(sides[0]), network.templates(sides[1]))
    cosine = traded(Found(rows), "s", "cosine", Stage.FEATURES, 0.1)
    assert cosine is not None
    assert cosine.value == pytest.approx(float(own.mean()), abs=1e-4)


def test_several_models_are_averaged_and_named(system: System, faces: Faces) -> None:
    unlike = Metric("one minus SSIM", lambda a, b: 1 - SSIM(a, b), "high")
    rows = list(up_rows("s", system, faces, [0.1], [0.5], [FAR_APART, unlike], SEED))
    found = Found(rows)
    assert models(found) == "mean difference and one minus SSIM"
    alone = [found.get("s", model.name, "privacy(0.1)") for model in (FAR_APART, unlike)]
    both = traded(found, "s", "privacy", Stage.IMAGES, 0.1)
    assert both is not None
    assert both.value == pytest.approx(sum(i.value for i in alone if i) / 2)


def test_strangers_are_other_people_under_the_same_noise(system: System, faces: Faces) -> None:
    assert faces.identity is not None
    assert strangers(faces).tolist() == [2, 2, 4, 4, 6, 6, 0, 0]  # two pictures of each of four people
    assert strangers(Faces(faces.images)).tolist() == [1, 2, 3, 4, 5, 6, 7, 0]
    assert strangers(Faces(faces.images[:3], torch.tensor([5, 5, 5]))).tolist() == [0, 1, 2]
    clean = System(system.gallery, system.gallery)
    found = Found(up_rows("bare", clean, faces, [0.0], [0.6], [FAR_APART], SEED))
    templates = system.gallery.templates(faces)
    accepted = [float(templates[i] @ templates[j]) > 0.6 for i, j in enumerate([2, 2, 4, 4, 6, 6, 0, 0])]
    rate = traded(found, "bare", "strangers", Stage.IMAGES, 0.0, 0.6)
    assert rate is not None
    assert rate.value == sum(accepted) / 8


def test_cells_that_are_done_are_not_run_again(system: System, faces: Faces) -> None:
    rows = list(up_rows("s", system, faces, [0.0, 0.2], [0.5], [FAR_APART], SEED))
    cells = list(dict.fromkeys(row.cell for row in rows))
    again = list(up_rows("s", system, faces, [0.0, 0.2], [0.5], [FAR_APART], SEED, skip={cells[0]}))
    assert again == [row for row in rows if row.cell == cells[1]]
    with pytest.raises(UsageError, match="at least one privacy-infringing model"):
        next(up_rows("s", system, faces, [0.0], [0.5], [], SEED))
