"""The game: each round's shadow model has learned from the noise before it."""

from __future__ import annotations

import pytest
import tiny
import torch

from bauta.errors import UsageError
from bauta.ops.noise import generators
from bauta.protections import AdvFace, RefreshedAdvFace
from bauta.recognizers import Recognizer

QUICK = {"steps": 3, "shadow_steps": 40, "width": 0.25, "batch_size": 16}


@pytest.fixture(scope="module")
def network() -> Recognizer:
    return tiny.recognizer(cut=1)


@pytest.fixture(scope="module")
def fitted(network: Recognizer) -> RefreshedAdvFace:
    return RefreshedAdvFace(0.4, rounds=2, **QUICK).fit(tiny.faces(32, seed=3), network)


def test_round_nought_is_advface(fitted: RefreshedAdvFace, network: Recognizer) -> None:
    features = network.features(tiny.faces(4).images)
    plain = AdvFace(0.4, **QUICK).fit(tiny.faces(32, seed=3), network)
    assert torch.equal(fitted.at_round(0)(features), plain(features))
    assert len(fitted.shadows_) == 3, "the ensemble itself is as it was"
    assert repr(fitted.at_round(1)) == repr(RefreshedAdvFace(0.4, rounds=1, **QUICK))
    assert torch.equal(fitted.at_round(2)(features), fitted(features))
    with pytest.raises(UsageError, match="been through 2 rounds, not 3"):
        fitted.at_round(3)


def test_a_round_learns_to_see_through_the_noise_and_is_then_fooled(
    fitted: RefreshedAdvFace, network: Recognizer
) -> None:
    """The second model errs less than the first on the noise that it has seen, and more on noise against itself."""
    victims = tiny.faces(16, seed=4)
    features = network.features(victims.images)

    def error(model: int, number: int) -> float:
        guess = fitted.shadows_[model](fitted.at_round(number)(features))
        return float((guess - victims.images).abs().mean())

    assert error(1, 0) < error(0, 0)
    assert error(1, 1) > error(1, 0)


def test_weights_are_drawn_for_each_row_and_spread_over_the_ensemble(fitted: RefreshedAdvFace) -> None:
    def drawn() -> list[torch.Generator]:
        return generators(1, [str(n) for n in range(4000)], "test")

    weights = fitted.weights(drawn())
    assert torch.equal(weights, fitted.weights(drawn()))
    assert torch.allclose(weights.sum(1), torch.ones(4000), atol=1e-6)
    # uniform over a simplex of three: each share has mean 1/3 and variance 1/18
    assert torch.allclose(weights.mean(0), torch.full((3,), 1 / 3), atol=0.015)
    assert torch.allclose(weights.var(0), torch.full((3,), 1 / 18), atol=0.006)


def test_a_file_of_tensors_and_the_recipe_make_the_ensemble_again(
    fitted: RefreshedAdvFace, network: Recognizer
) -> None:
    features = network.features(tiny.faces(3).images)
    again = RefreshedAdvFace(0.4, rounds=2, **QUICK).restored(fitted.learned())
    assert torch.equal(again(features), fitted(features))
    with pytest.raises(UsageError, match="other names, shapes or types"):
        RefreshedAdvFace(0.4, rounds=1, **QUICK).restored(fitted.learned())
    with pytest.raises(UsageError, match="0 or more"):
        RefreshedAdvFace(rounds=-1)
