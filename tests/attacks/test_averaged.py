"""Averaged latent search: each latent's way by hand, its average, and who is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bauta.attacks import AnySystem, AveragedSearch, Victim
from bauta.attacks.reconstruction.whitebox import Glass
from bauta.errors import UsageError
from bauta.faces import load_dataset, split_by_identity
from bauta.generators import Eigenfaces
from bauta.pipeline import Pipeline
from bauta.protections import PMT
from bauta.recognizers import load
from bauta.recognizers.folding import folded
from bauta.types import Faces

PRIOR = Eigenfaces(components=8).fit(tiny.faces(30, seed=4))
NETWORK, SURROGATE = tiny.recognizer(), tiny.recognizer("surrogate", seed=4)
PIPELINE = Pipeline(NETWORK)
TEMPLATES = NETWORK.embed(PRIOR.render(PRIOR.sample(2, Generator().manual_seed(1))))


def way(start: Tensor, template: Tensor, steps: int, *, flip: bool, psi: float, toward: Tensor) -> list[Tensor]:
    """One latent after each of so many steps of Adam with weight decay, the last half of them a tenth as long."""
    w, m, v, found = start.clone(), torch.zeros_like(start), torch.zeros_like(start), []
    for k in range(1, steps + 1):
        x = w.clone().requires_grad_(True)
        picture = PRIOR.render((toward + psi * (x - toward))[None])
        read = PIPELINE.templates(Faces(picture))
        if flip:
            read = (read + PIPELINE.templates(Faces(picture.flip(-1)))) / 2
        (g,) = torch.autograd.grad(-F.cosine_similarity(read, template[None])[0], x)
        g = g + 5e-4 * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        rate = 0.1 if k <= steps // 2 else 0.01
        w = w - rate * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)).sqrt() + 1e-8)
        found.append(w)
    return found


def searched(attack: AveragedSearch) -> Tensor:
    """(2, 8) the latents of the pictures that are the guess."""
    *_, last = attack.search(Glass(Victim(PIPELINE, attack.knowledge), TEMPLATES), TEMPLATES)
    return last.latents


def test_one_latent_without_averaging_is_gradient_descent() -> None:
    attack = AveragedSearch(
        PRIOR, SURROGATE, latents=1, iterations=12, window=1, finalists=1, psi=1, flip=False, milestones=(6,), seed=3
    )
    start = PRIOR.sample(1, Generator().manual_seed(3))[0]
    found = searched(attack)
    for row in range(2):
        last = way(start, TEMPLATES[row], 12, flip=False, psi=1, toward=start)[-1]
        assert torch.allclose(found[row], last, atol=2e-3)
        assert float((last - start).norm()) > 0.5


def test_ways_are_averaged_and_the_one_nearest_to_the_pseudo_target_is_chosen() -> None:
    attack = AveragedSearch(
        PRIOR, SURROGATE, latents=5, iterations=10, window=6, finalists=3, psi=0.7, milestones=(5,), seed=3
    )
    starts = PRIOR.sample(5, Generator().manual_seed(3))
    toward = PRIOR.sample(10_000, Generator().manual_seed(3)).mean(0)
    victim = Victim(PIPELINE, attack.knowledge)
    pictures = attack(TEMPLATES, victim)
    assert victim.queries == 2 * 5 * (10 + 1) * 2, "people, latents, steps and averages, with mirror images"
    for row, template in enumerate(TEMPLATES):
        averages = []
        for start in starts:
            steps = way(start, template, 10, flip=True, psi=0.7, toward=toward)
            averages.append(toward + 0.7 * (sum(steps[-6:]) / 6 - toward))  # type: ignore[operator]
        made = PRIOR.render(torch.stack(averages))
        liked = F.cosine_similarity(NETWORK.embed(made) + NETWORK.embed(made.flip(-1)), template[None])
        best = sorted(range(5), key=lambda i: -float(liked[i]))[:3]
        read = [F.normalize(SURROGATE.embed(x) + SURROGATE.embed(x.flip(-1)))[0] for x in made[best][:, None]]
        pseudo = sum(read) / 3  # type: ignore[operator]
        chosen = max(range(3), key=lambda i: float(F.cosine_similarity(read[i], pseudo, 0)))
        assert torch.allclose(pictures[row], made[best[chosen]], atol=1e-3)


def test_it_comes_nearer_and_says_how_near() -> None:
    attack = AveragedSearch(PRIOR, SURROGATE, latents=4, iterations=40, window=10, finalists=2, psi=1, flip=False)
    victim = Victim(PIPELINE, attack.knowledge)
    first, *_, last = attack.search(Glass(victim, TEMPLATES), TEMPLATES)
    assert bool((last.scores > first.scores).all())
    assert float(last.scores.min()) > 0.95
    assert victim.queries == int(last.queries.sum()) == 2 * 4 * 41
    found = PIPELINE.templates(Faces(attack(TEMPLATES, victim)))
    assert torch.allclose(F.cosine_similarity(found, TEMPLATES), last.scores, atol=1e-3)


def test_a_target_is_searched_alike_whoever_else_is_there() -> None:
    attack = AveragedSearch(PRIOR, SURROGATE, latents=3, iterations=5, window=2, finalists=2, batch_size=2)
    victim = Victim(PIPELINE, attack.knowledge)
    assert torch.allclose(attack(TEMPLATES, victim)[1:], attack(TEMPLATES[1:], victim), atol=1e-4)


def test_what_it_cannot_do_it_says() -> None:
    attack = AveragedSearch(PRIOR, SURROGATE, latents=2, iterations=2, window=1, finalists=1)
    assert repr(attack).startswith("AveragedSearch(prior=Eigenfaces(components=8), surrogate='surrogate', latents=2")
    with pytest.raises(UsageError, match="Glass"):
        next(attack.search(AnySystem(lambda images, target: images.mean((1, 2, 3))), TEMPLATES))
    with pytest.raises(UsageError, match="no gradient"):
        attack(TEMPLATES, Victim(Pipeline(NETWORK, PMT(steps=2).fit(None, NETWORK)), attack.knowledge))
    for option in ({"window": 0}, {"window": 101}, {"finalists": 0}, {"finalists": 101}):
        with pytest.raises(UsageError):
            AveragedSearch(PRIOR, SURROGATE, **option)  # type: ignore[arg-type]


@pytest.mark.mirror
def test_what_is_chosen_is_somebody_for_another_recognizer(mirror: Path) -> None:
    public, others = split_by_identity(load_dataset("lfw", 300), (0.8, 0.2), 0)
    faces = others[[int((others.identity == who).nonzero()[0]) for who in torch.unique(others.identity)[:2]]]
    pipeline, judge = Pipeline(folded(load("mobilefacenet-casia"))), folded(load("mobilefacenet-relu6-ms1m"))
    few = {"latents": 3, "iterations": 12, "window": 4, "finalists": 2, "milestones": (8,), "flip": False}
    attack = AveragedSearch(Eigenfaces(components=96), **few)  # type: ignore[arg-type]
    victim = Victim(pipeline, attack.knowledge)
    fitted = attack.fit(public, victim)
    found = fitted(pipeline.templates(Faces(faces.images)), victim)
    assert victim.queries == 2 * 3 * 13
    own = judge.embed(found) @ judge.embed(faces.images).T
    assert float(own.diagonal().mean()) > float((own.sum() - own.diagonal().sum()) / 2) + 0.1
