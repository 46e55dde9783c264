"""Gaussian blobs: against a loop made by hand, exact in their queries, and rising."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from bauta.attacks import ALL, AnySystem, GaussianBlobs, QueryLimit, Victim
from bauta.errors import UsageError
from bauta.generators import PRIORS, Canvas, Eigenfaces
from bauta.ops.noise import generators, row_digests
from bauta.pipeline import Pipeline
from bauta.spec import parse
from bauta.study.validation import recover, searching
from bauta.types import Images

SIDE = 16
HIDDEN = tiny.pictures(4, seed=6, side=SIDE)
TARGETS = torch.tensor([3, 0])


def likeness() -> AnySystem:
    """Scores fall with the distance from a hidden picture."""
    return AnySystem(lambda images, target: 1 - (images - HIDDEN[target]).square().mean((1, 2, 3)))


def by_hand(attack: GaussianBlobs, target: Tensor) -> tuple[np.ndarray, float]:
    """One target's picture (channels, side, side) and score, pixel by pixel in float64."""
    truth = HIDDEN[int(target)].double().numpy()
    channels = attack.canvas.shape[0]
    picture = np.full((channels, SIDE, SIDE), 0.5)
    score = 1 - ((np.broadcast_to(picture, truth.shape) - truth) ** 2).mean()
    (draw,) = generators(attack.seed, row_digests(target[None]), "blobs")
    for number in range(attack.rounds):
        tried = []
        for u in torch.rand(attack.blobs, 4 + channels, generator=draw).double().numpy():
            tall, wide = (attack.smallest * (attack.largest / attack.smallest) ** v for v in u[2:4])
            blob = np.zeros_like(picture)
            for c in range(channels):
                for i in range(SIDE):
                    for j in range(SIDE):
                        down, across = ((i + 0.5) / SIDE - u[0]) / tall, ((j + 0.5) / SIDE - u[1]) / wide
                        bell = math.exp(-(down**2 + across**2) / 2)
                        blob[c, i, j] = attack.strength * (2 * u[4 + c] - 1) * bell
            if number < attack.symmetric:
                blob = blob + blob[:, :, ::-1]
            painted = np.clip(picture + blob, 0, 1)
            tried.append((1 - ((np.broadcast_to(painted, truth.shape) - truth) ** 2).mean(), painted))
        best = max(tried, key=lambda each: each[0])
        if best[0] > score:
            score, picture = best
    return picture, score


@pytest.mark.parametrize("color", [False, True])
def test_it_paints_as_a_loop_by_hand_does(color: bool) -> None:
    attack = GaussianBlobs(Canvas(side=SIDE, color=color), rounds=20, blobs=3, symmetric=8, seed=5)
    *_, found = attack.search(likeness(), TARGETS)
    for row, target in enumerate(TARGETS):
        picture, score = by_hand(attack, target)
        assert np.allclose(found.latents[row].numpy(), picture, atol=1e-5)
        assert float(found.scores[row]) == pytest.approx(score, abs=1e-5)
    assert not torch.equal(found.latents[0], found.latents[1])


def test_every_question_is_counted_and_none_makes_it_worse() -> None:
    oracle = likeness()
    found = list(GaussianBlobs(Canvas(side=SIDE), rounds=30, blobs=4).search(oracle, TARGETS))
    assert [each.queries.tolist() for each in found] == [[1 + 4 * k] * 2 for k in range(31)]
    assert oracle.queries == int(found[-1].queries.sum())
    scores = torch.stack([each.scores for each in found])
    assert bool((scores.diff(dim=0) >= 0).all())
    assert bool((scores[-1] > scores[0]).all())
    assert torch.allclose(oracle.score(found[-1].latents.expand(-1, 3, -1, -1), TARGETS), scores[-1], atol=1e-6)


def test_it_is_symmetric_for_as_long_as_it_says() -> None:
    canvas = Canvas(side=SIDE)
    for symmetric, alike in ((80, True), (40, False)):
        picture = GaussianBlobs(canvas, rounds=80, symmetric=symmetric)(TARGETS, likeness())
        assert torch.allclose(picture, picture.flip(-1), atol=1e-6) is alike


def test_answers_that_end_leave_the_best_so_far() -> None:
    oracle = likeness()
    attack = GaussianBlobs(Canvas(side=SIDE), rounds=50, blobs=4)
    made = recover(attack, oracle, TARGETS, enrolled=4, queries=30)
    assert made.queries.tolist() == [30, 30]
    assert oracle.queries == 60
    gray = likeness().score(torch.full((2, 3, SIDE, SIDE), 0.5), TARGETS)
    assert bool((oracle.score(made.pictures, TARGETS) > gray).all())
    silent = attack(TARGETS, QueryLimit(oracle, 0))
    assert silent.shape == (2, 3, SIDE, SIDE)
    *_, early = GaussianBlobs(Canvas(side=SIDE), enough=0.0).search(oracle, TARGETS)
    assert early.queries.tolist() == [1, 1]


def test_a_target_is_painted_alike_whoever_else_is_there() -> None:
    attack = GaussianBlobs(Canvas(side=SIDE), rounds=10)
    assert torch.allclose(attack(TARGETS, likeness())[1:], attack(TARGETS[1:], likeness()), atol=1e-6)


def test_a_recognizer_takes_the_picture_for_more_alike() -> None:
    pipeline = Pipeline(tiny.recognizer())

    def embed(images: Images) -> Tensor:
        return pipeline.recognizer.embed(images)

    attack = GaussianBlobs(Canvas(side=tiny.SIDE, color=True), rounds=60, blobs=8, symmetric=30)
    victim = Victim(pipeline, attack.knowledge, enrolled=embed(tiny.pictures(4, seed=6)))
    first, *_, last = attack.search(victim, TARGETS)
    assert bool((1 - last.scores < 0.1 * (1 - first.scores)).all())
    assert victim.queries == 2 * (1 + 60 * 8)


def test_a_spec_makes_one_and_a_prior_is_refused() -> None:
    attack = parse("GaussianBlobs(Canvas(side=16, color=True), rounds=3)", (*ALL, *PRIORS))
    assert isinstance(attack, GaussianBlobs)
    assert repr(attack) == "GaussianBlobs(canvas=Canvas(side=16, color=True), rounds=3)"
    assert searching(attack) is attack, "bauta validate takes it"
    attack.prior = Eigenfaces(components=3)
    with pytest.raises(UsageError, match="no use for Eigenfaces"):
        next(attack.search(likeness(), TARGETS))
    for option in ({"blobs": 0}, {"smallest": 0}, {"smallest": 0.5}, {"strength": 0}, {"rounds": -1}):
        with pytest.raises(UsageError):
            GaussianBlobs(**option)  # type: ignore[arg-type]
