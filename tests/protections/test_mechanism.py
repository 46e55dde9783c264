"""Differentially private features: the noise against scipy, its calibration against the definition, and the bound."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from scipy import integrate, optimize, special, stats

from bauta.errors import ShapeError, UsageError
from bauta.ops.quantize import to_8bit
from bauta.protections import GaussianMechanism, LaplaceMechanism
from bauta.protections.features.mechanism import Mechanism, gaussian_delta, gaussian_deviation
from bauta.recognizers import Recognizer
from bauta.types import Faces

NETWORK = tiny.recognizer(cut=2)
PUBLIC, FACES = Faces(to_8bit(tiny.pictures(24, seed=5))), tiny.faces(4)
Kind = type[LaplaceMechanism] | type[GaussianMechanism]
KINDS: tuple[Kind, ...] = (LaplaceMechanism, GaussianMechanism)
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 8.0, 50.0])
@pytest.mark.parametrize("deviation", [0.1, 0.5, 1.0, 4.0])
def test_delta_is_what_two_gaussians_differ_by(epsilon: float, deviation: float) -> None:
    """By its definition: what the density at 1 exceeds e^epsilon times the one at 0, integrated where it does."""

    def excess(x: float) -> float:
        return float(stats.norm.pdf(x, 1, deviation) - math.exp(epsilon) * stats.norm.pdf(x, 0, deviation))

    crossing = 0.5 + epsilon * deviation**2  # where the ratio of the densities is e^epsilon
    points = (crossing, max(crossing, 1) + 12 * deviation)
    expected, _ = integrate.quad(excess, *points, limit=500, epsabs=1e-14)
    assert gaussian_delta(epsilon, deviation) == pytest.approx(expected, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("epsilon", [0.01, 1.0, 8.0, 300.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 0.1])
def test_the_deviation_is_the_root_that_scipy_finds(epsilon: float, delta: float) -> None:
    def short(log: float) -> float:
        s = math.exp(log)
        first = special.log_ndtr(1 / (2 * s) - epsilon * s)
        second = epsilon + special.log_ndtr(-1 / (2 * s) - epsilon * s)
        return float(np.exp(first) * -np.expm1(min(second - first, 0)) - delta)

    assert gaussian_deviation(epsilon, delta) == pytest.approx(math.exp(optimize.brentq(short, -15, 15)), rel=1e-6)


def test_it_needs_less_than_the_classical_bound_and_is_right_where_that_is_wrong() -> None:
    """sqrt(2 ln(1.25 / delta)) / epsilon is proven for epsilon <= 1 and gives too little noise for large ones."""
    classical = {e: math.sqrt(2 * math.log(1.25 / 1e-5)) / e for e in (0.5, 1.0, 100.0)}
    assert gaussian_deviation(0.5, 1e-5) < 0.95 * classical[0.5]
    assert gaussian_deviation(1.0, 1e-5) < 0.95 * classical[1.0]
    assert gaussian_deviation(100.0, 1e-5) > classical[100.0]
    assert gaussian_delta(100.0, classical[100.0]) > 1e-5
    assert gaussian_deviation(1e6, 1e-5) == pytest.approx(1 / math.sqrt(2e6), rel=0.01), "no overflow"


@EACH
def test_the_noise_has_the_distribution_and_the_scale_that_the_promise_needs(kind: Kind) -> None:
    clean = NETWORK.features(FACES.images)
    fitted = kind(epsilon=3.0, seed=3).fit(PUBLIC, NETWORK)
    away = (clean - fitted.mean_).flatten(1).numpy()
    norms = np.abs(away).sum(1) if kind is LaplaceMechanism else np.sqrt((away**2).sum(1))
    bound = float(fitted.bound_)
    kept = fitted.mean_.flatten().numpy() + away * np.minimum(1, bound / norms)[:, None]
    noise = (fitted(clean, FACES).flatten(1).numpy() - kept) / (2 * bound)
    if kind is LaplaceMechanism:
        assert fitted.scale() == pytest.approx(2 * bound / 3)
        expected = stats.laplace(scale=1 / 3)
    else:
        expected = stats.norm(scale=optimize.brentq(lambda s: gaussian_delta(3.0, s) - 1e-5, 0.1, 100))
    for row in noise:
        assert stats.kstest(row, expected.cdf).pvalue > 0.001
    assert np.abs(np.corrcoef(noise) - np.eye(4)).max() < 0.08, "each face has its own"


@EACH
def test_no_two_faces_are_further_apart_than_the_noise_is_made_for(kind: Kind) -> None:
    """Whatever comes, also what no public face was like; and nine in ten public faces are not touched."""
    fitted = kind(quantile=0.9).fit(PUBLIC, NETWORK)
    wild = 1e4 * torch.randn(6, *fitted.mean_.shape, generator=torch.Generator().manual_seed(0))
    everyone = fitted.clipped(torch.cat([NETWORK.features(PUBLIC.images), wild, -wild])).flatten(1)
    order = 1 if kind is LaplaceMechanism else 2
    apart = torch.cdist(everyone.double(), everyone.double(), p=order).max()
    assert apart <= fitted.sensitivity() * (1 + 1e-4)
    assert apart > fitted.sensitivity() * 0.99, "and no bound that nobody reaches"
    public = NETWORK.features(PUBLIC.images)
    same = torch.isclose(fitted.clipped(public), public, atol=1e-4).flatten(1).all(1)
    assert same.float().mean() == pytest.approx(0.9, abs=0.06)
    mean = NETWORK.features(PUBLIC.images).mean(0)
    assert torch.allclose(fitted.mean_, mean, atol=1e-3)


@EACH
def test_draws_belong_to_the_face_and_the_seed(kind: Kind) -> None:
    clean = NETWORK.features(FACES.images)
    fitted = kind(seed=3).fit(PUBLIC, NETWORK)
    noisy = fitted(clean, FACES)
    assert torch.equal(fitted(clean[[2]], FACES[[2]]), noisy[[2]])
    assert torch.equal(fitted(clean[[3, 1]]), fitted(clean)[[3, 1]]), "without faces they belong to the features"
    assert not torch.allclose(fitted.rekeyed(4)(clean, FACES), noisy)
    again = kind(seed=3).restored(fitted.learned())
    assert torch.equal(again(clean, FACES), noisy)


@EACH
def test_it_refuses_what_has_no_meaning(kind: Kind) -> None:
    clean = NETWORK.features(FACES.images)
    with pytest.raises(UsageError, match=r"epsilon is more than 0 and finite; got 0"):
        kind(epsilon=0)
    with pytest.raises(UsageError, match=r"quantile .* got 0"):
        kind(quantile=0)
    with pytest.raises(UsageError, match="call fit"):
        kind()(clean)
    with pytest.raises(UsageError, match="learns from public faces"):
        kind().fit(None, NETWORK)
    with pytest.raises(UsageError, match="one recognizer; got 2"):
        kind().fit(PUBLIC, NETWORK, NETWORK)
    with pytest.raises(ShapeError, match="fit it for the recognizer as it is cut here"):
        kind().fit(PUBLIC, NETWORK)(NETWORK.at_cut(3).features(FACES.images))
    with pytest.raises(UsageError, match="of other names, shapes or types"):
        kind().restored({"mean_": torch.zeros(3, 2, 2)})


def test_delta_is_a_probability() -> None:
    with pytest.raises(UsageError, match="delta is a probability between 0 and 1; got 1"):
        GaussianMechanism(delta=1)


@pytest.mark.mirror
def test_on_real_faces_a_promise_and_recognition_exclude_each_other(mirror: Path) -> None:
    """The measured table of the docstring, in short: epsilon 8 leaves nothing; what leaves enough is vacuous."""
    from bauta.faces import load_dataset
    from bauta.recognizers import load

    faces = load_dataset("lfw", 140)
    public, victims = faces[40:], faces[:40]
    network: Recognizer = load("mobilefacenet-casia").at_cut(12)
    with torch.no_grad():
        clean = network.features(victims.images)
        templates = network.templates(clean)

        def kept(protection: Mechanism) -> float:
            return float((network.templates(protection(clean, victims)) * templates).sum(1).mean())

        for kind in KINDS:
            fitted = kind().fit(public, network)
            assert abs(kept(fitted)) < 0.1, "at its default, nobody is left"
            fitted.epsilon = 1e6
            assert kept(fitted) > 0.95, "and at a million, everybody"
