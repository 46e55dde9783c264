"""Linkage: its closed form against numpy's least squares, and what training may add to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from bauta.attacks import Knows, Linkage, Victim
from bauta.attacks.reidentification.linkage import ASIDE, RIDGE
from bauta.errors import ShapeError, UsageError
from bauta.pipeline import Pipeline
from bauta.protections import WhiteNoise
from bauta.types import Faces, Stage, Templates

TEACHER = tiny.recognizer("teacher", seed=4)
PUBLIC, VICTIMS = tiny.faces(96, seed=3), tiny.faces(20, seed=4)


def told(attack: Linkage, pipeline: Pipeline, public: Faces = PUBLIC) -> Templates:
    """What the attack says of the victims."""
    victim = Victim(pipeline, attack.knowledge)
    with torch.no_grad():
        leak = pipeline.at(attack.knowledge.sees, VICTIMS)
    return attack.fit(public, victim)(leak, victim)


def parted(number: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Which public faces are kept aside, and which are learned from."""
    order = torch.randperm(number, generator=torch.Generator().manual_seed(seed))
    aside = math.ceil(number / ASIDE)
    return order[:aside], order[aside:]


def agreement(found: Templates, faces: Faces) -> float:
    with torch.no_grad():
        return float((found * TEACHER.embed(faces.images)).sum(1).mean())


def ridge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Least squares with a share of each predictor's energy as penalty, as further rows of the system; a free bias."""
    penalty = np.sqrt(RIDGE * (x**2).sum(0))
    rows = np.concatenate([np.c_[x, np.ones(len(x))], np.c_[np.diag(penalty), np.zeros(len(penalty))]])
    solution, *_ = np.linalg.lstsq(rows, np.concatenate([y, np.zeros((len(penalty), y.shape[1]))]), rcond=None)
    return np.asarray(solution)


def unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def test_on_templates_the_closed_form_is_ridge_regression() -> None:
    pipeline = Pipeline(tiny.recognizer(seed=2))
    found = told(Linkage(TEACHER, epochs=0).knowing(sees=Stage.TEMPLATES), pipeline)
    _, own = parted(len(PUBLIC))
    with torch.no_grad():
        x = pipeline.templates(PUBLIC)[own].bfloat16().double().numpy()  # as the public leaks are kept
        y, probes = TEACHER.embed(PUBLIC.images)[own].double().numpy(), pipeline.templates(VICTIMS).double().numpy()
    expected = unit(np.c_[probes, np.ones(len(probes))] @ ridge(x, y))
    assert np.allclose(found.numpy(), expected, atol=1e-3)


def test_on_features_the_closed_form_regresses_the_teachers_maps_on_neighborhoods() -> None:
    """7 x 7 neighborhoods of 12 channels, cut by hand, to the first maps of the teacher that have the leak's size."""
    pipeline, public = Pipeline(tiny.recognizer(seed=2, cut=2)), PUBLIC[:32]
    found = told(Linkage(TEACHER, epochs=0), pipeline, public)

    def around(maps: np.ndarray) -> np.ndarray:
        padded = np.pad(maps, ((0, 0), (0, 0), (3, 3), (3, 3)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), (2, 3))
        return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, maps.shape[1] * 49)

    _, own = parted(len(public))
    with torch.no_grad():
        x = around(pipeline.features(public)[own].bfloat16().double().numpy())
        goals = TEACHER.layers[0](public.images[own]).double().numpy()
        probes = around(pipeline.features(VICTIMS).double().numpy())
        solved = np.c_[probes, np.ones(len(probes))] @ ridge(x, goals.transpose(0, 2, 3, 1).reshape(-1, 8))
        maps = torch.from_numpy(solved.reshape(len(VICTIMS), 16, 16, 8)).permute(0, 3, 1, 2).float()
        expected = unit(TEACHER.layers[1:](maps).flatten(1).double().numpy())
    assert np.allclose(found.numpy(), expected, atol=5e-3)


def test_training_never_ends_below_the_closed_form() -> None:
    """On the faces kept aside, by which it chooses: not after steps that ruin, and beyond it after sensible ones."""
    pipeline = Pipeline(tiny.recognizer(seed=2), WhiteNoise(0.2))
    aside, _ = parted(len(PUBLIC))

    def kept(**options: float) -> tuple[float, Templates]:
        attack = Linkage(TEACHER, **options).knowing(sees=Stage.TEMPLATES)
        victim = Victim(pipeline, attack.knowledge)
        fitted = attack.fit(PUBLIC, victim)
        return agreement(fitted(victim.observe(PUBLIC.images[aside]), victim), PUBLIC[aside]), told(attack, pipeline)

    closed, templates = kept(epochs=0)
    ruined, same = kept(epochs=2, learning_rate=50.0)
    assert ruined == pytest.approx(closed, abs=1e-6)
    torch.testing.assert_close(same, templates)
    assert kept(epochs=6, learning_rate=1e-3)[0] > closed + 1e-3


@pytest.mark.parametrize("stage", [Stage.IMAGES, Stage.FEATURES, Stage.TEMPLATES])
def test_it_links_at_every_stage(stage: Stage) -> None:
    """Rank-1 among 20 faces, where chance is 0.05, on the bare device; compared with the teacher's own templates.

    Random networks learn from each other's templates only what their numbers happen to share, so the victim's has many.
    """
    attack = Linkage(TEACHER, epochs=0).knowing(sees=stage)
    pipeline = Pipeline(tiny.recognizer(seed=2, cut=1, embedding=256))
    found = told(attack, pipeline, tiny.faces(1500 if stage is Stage.TEMPLATES else 96, seed=3))
    victim = Victim(pipeline, attack.knowledge)
    references = attack.reference(VICTIMS.images, victim)
    with torch.no_grad():
        torch.testing.assert_close(references, TEACHER.embed(VICTIMS.images), rtol=1e-4, atol=1e-4)
    nearest = (found @ references.T).argmax(1)
    assert (nearest == torch.arange(len(VICTIMS))).float().mean() >= 0.9


def test_who_knows_the_scheme_links_better_than_who_does_not() -> None:
    pipeline = Pipeline(tiny.recognizer(cut=1), WhiteNoise(0.4))
    unaware, aware = (
        agreement(told(Linkage(TEACHER, epochs=0).knowing(knows=knows), pipeline), VICTIMS)
        for knows in (Knows.NOTHING, Knows.SCHEME)
    )
    assert aware > unaware + 0.02


def test_draws_follow_the_seed_and_nothing_else() -> None:
    pipeline = Pipeline(tiny.recognizer())
    weights = {k: v.clone() for k, v in TEACHER.state_dict().items()}
    for stage in (Stage.FEATURES, Stage.TEMPLATES):
        torch.manual_seed(5)
        state = torch.get_rng_state()
        first = told(Linkage(TEACHER, epochs=1).knowing(sees=stage), pipeline)
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(6)
        assert torch.equal(told(Linkage(TEACHER, epochs=1).knowing(sees=stage), pipeline), first)
        assert not torch.equal(told(Linkage(TEACHER, epochs=1, seed=1).knowing(sees=stage), pipeline), first)
    assert all(torch.equal(v, weights[k]) for k, v in TEACHER.state_dict().items()), "the student is a copy"


def test_what_does_not_fit_is_a_sentence() -> None:
    pipeline, attack = Pipeline(tiny.recognizer()), Linkage(TEACHER, epochs=0)
    victim = Victim(pipeline, attack.knowledge)
    with pytest.raises(UsageError, match="needs public faces"):
        attack.fit(None, victim)
    with pytest.raises(UsageError, match="has no student yet"):
        attack(pipeline.features(VICTIMS), victim)
    with pytest.raises(UsageError, match="epochs >= 0"):
        Linkage(TEACHER, epochs=-1)
    fitted = attack.fit(PUBLIC[:16], victim)
    assert attack.student_ is None, "fitted is a copy"
    with pytest.raises(ShapeError, match=r"rows of shape \(12, 16, 16\), got \(8, 16, 16\)"):
        fitted(torch.zeros(1, 8, 16, 16), victim)
