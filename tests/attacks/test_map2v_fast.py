"""Map2VFast: its parts by algebra, its books, and that it needs fewer queries than what was published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from sklearn.linear_model import Ridge
from torch import Generator, Tensor

from bauta.attacks import Access, AnySystem, Knowledge, Map2V, Map2VFast, QueryLimit, Victim
from bauta.attacks.reconstruction.map2v_fast import better, regressed
from bauta.errors import UsageError
from bauta.faces import load_dataset, split_by_identity
from bauta.generators import Eigenfaces, FacePrior
from bauta.pipeline import Pipeline
from bauta.recognizers import load
from bauta.recognizers.folding import folded
from bauta.types import Faces, Images, Stage


def smooth(number: int) -> Faces:
    """Pictures around gray, so that nothing is clipped."""
    return Faces(0.5 + 0.2 * (tiny.pictures(number, seed=4) - 0.5))


PRIOR = Eigenfaces(components=64).fit(smooth(100))
TARGETS = torch.tensor([3, 0, 1])


def likeness() -> AnySystem:
    """A similarity as recognizers have it: the cosine of random features of the code to those of a hidden code."""
    g = Generator().manual_seed(8)
    mix = torch.randn(64, 96, generator=g)
    hidden = torch.tanh(PRIOR.sample(4, g) @ mix / 8)

    def ask(images: Images, target: Tensor) -> Tensor:
        return torch.cosine_similarity(torch.tanh(PRIOR.encode(images) @ mix / 8), hidden[target])

    return AnySystem(ask)


def test_the_first_slope_is_a_ridge_regression() -> None:
    g = Generator().manual_seed(0)
    points, scores = torch.randn(30, 12, generator=g), torch.randn(3, 30, generator=g)
    found = regressed(points, scores, 7.0)
    for row in range(3):
        expected = Ridge(alpha=7.0).fit(points.double().numpy(), scores[row].double().numpy()).coef_
        assert np.allclose(found[row].numpy(), expected, atol=1e-5)


def test_the_best_is_kept_and_silence_is_last() -> None:
    points = torch.arange(8.0).view(2, 4, 1)
    scores = torch.tensor([[0.1, torch.nan, 0.3, 0.2], [torch.nan, torch.nan, -2, torch.nan]])
    found, value = better(points, scores)
    assert found.flatten().tolist() == [2, 6]
    assert value.tolist() == pytest.approx([0.3, -2])


@pytest.mark.parametrize("flip", [False, True])
def test_its_books_are_the_oracles(flip: bool) -> None:
    oracle = likeness()
    found = list(Map2VFast(PRIOR, rounds=4, priors=9, directions=3, flip=flip).search(oracle, TARGETS))
    views = 2 if flip else 1
    assert [f.queries.tolist() for f in found] == [[views * (9 + 4 + k * (2 * 3 + 3))] * 3 for k in range(5)]
    assert oracle.queries == int(found[-1].queries.sum())
    scores = torch.stack([f.scores for f in found])
    assert bool((scores.diff(dim=0) >= 0).all())
    pictures = PRIOR.render(found[-1].latents)
    again = oracle.score(pictures, TARGETS)
    if flip:
        again = (again + oracle.score(pictures.flip(-1), TARGETS)) / 2
    assert torch.allclose(again, found[-1].scores, atol=1e-5)


def test_it_needs_less_than_half_of_the_published_queries() -> None:
    """For the published optimizer's own final score, on average over the same victims."""
    published, fast = Map2V(PRIOR, iterations=30, flip=False), Map2VFast(PRIOR, rounds=24, flip=False)
    *_, final = published.search(likeness(), TARGETS)
    enough = next(f for f in fast.search(likeness(), TARGETS) if f.scores.mean() >= final.scores.mean())
    assert bool((2 * enough.queries <= final.queries).all())


def test_a_target_is_searched_alike_whoever_else_is_there() -> None:
    attack = Map2VFast(PRIOR, rounds=6, flip=False)
    together, alone = attack(TARGETS, likeness()), attack(TARGETS[1:2], likeness())
    assert torch.allclose(together[1:2], alone, atol=1e-3)


def test_it_ends_where_answers_end_or_are_enough() -> None:
    oracle = likeness()
    *_, limited = Map2VFast(PRIOR, flip=False).search(QueryLimit(oracle, 100), TARGETS)
    assert oracle.queries == 3 * 100
    assert bool(limited.scores.isfinite().all())
    *_, early = Map2VFast(PRIOR, flip=False, enough=0.5).search(likeness(), TARGETS)
    assert float(early.scores.min()) >= 0.5
    assert int(early.queries.max()) < 54 + 60 * 19
    silent = Map2VFast(PRIOR, rounds=3, flip=False)(TARGETS, AnySystem(lambda i, t: torch.full((len(i),), torch.nan)))
    assert silent.isfinite().all()


def test_axes_make_standard_normal_coordinates() -> None:
    """Of any prior: here of one whose latents are spread unevenly and do not fill their space."""

    class Flat(FacePrior):
        @property
        def z_shape(self) -> tuple[int, ...]:
            return (2, 3)

        def working(self, z: Tensor) -> Tensor:
            return torch.tensor([[5.0, 1, 0], [2, 0, 0.5]]) * z + 3

    center, axes = Flat().axes(9, Generator().manual_seed(0))
    assert axes.shape == (4, 2, 3), "two numbers never change"
    assert torch.allclose(center, torch.full((2, 3), 3.0), atol=0.4)
    assert torch.allclose(axes.flatten(1).norm(dim=1), torch.tensor([5.0, 2, 1, 0.5]), rtol=0.1)
    assert Flat().axes(2, Generator().manual_seed(0))[1].shape == (2, 2, 3)
    drawn = Flat().sample(3000, Generator().manual_seed(1)) - center
    coordinates = drawn.flatten(1) @ torch.linalg.pinv(axes.flatten(1))
    assert torch.allclose(torch.cov(coordinates.T), torch.eye(4), atol=0.15)


def test_wrong_options_are_refused() -> None:
    for option in ({"rounds": -1}, {"mu": 0}, {"momentum": 1.0}, {"directions": 0}):
        with pytest.raises(UsageError):
            Map2VFast(PRIOR, **option)  # type: ignore[arg-type]


@pytest.mark.mirror
def test_real_faces_are_found_by_scores_alone(mirror: Path) -> None:
    """Three people of LFW against a real recognizer, far above the threshold at which it says "same person" (0.29)."""
    public, others = split_by_identity(load_dataset("lfw", 500), (0.8, 0.2), 0)
    first = [int((others.identity == who).nonzero()[0]) for who in torch.unique(others.identity)[:3]]
    pipeline = Pipeline(folded(load("mobilefacenet-casia")))
    enrolled = pipeline.templates(others[first])
    victim = Victim(pipeline, Knowledge(Stage.SCORES, Access.QUERY), enrolled=enrolled)
    attack = Map2VFast(Eigenfaces(components=96), rounds=5, flip=False).fit(public, victim)
    *_, found = attack.search(victim, torch.arange(3))
    assert int(found.queries.max()) == 54 + 5 * 19
    assert float(found.scores.mean()) > 0.4
