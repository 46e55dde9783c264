"""CMA-ES: the package's own loop by hand, its books, and that it draws from nobody else's numbers."""

from __future__ import annotations

import sys

import cma
import numpy as np
import pytest
import tiny
import torch
from torch import Generator, Tensor

from bauta.attacks import AnySystem, EvolutionStrategy, QueryLimit
from bauta.errors import MissingPackage, UsageError
from bauta.generators import Eigenfaces
from bauta.ops.noise import generators, row_digests
from bauta.types import Images

PRIOR = Eigenfaces(components=6).fit(tiny.faces(20, seed=4))
HIDDEN = 0.5 * PRIOR.sample(4, Generator().manual_seed(8))
TARGETS = torch.tensor([3, 0])


def likeness() -> AnySystem:
    """Scores fall with the squared distance from a hidden code of each target."""

    def ask(images: Images, target: Tensor) -> Tensor:
        return 1 - (PRIOR.encode(images) - HIDDEN[target]).square().mean(1) / 4

    return AnySystem(ask)


@pytest.mark.parametrize("whole", [64, 2])
def test_it_is_the_package_on_the_axes_of_the_prior(whole: int) -> None:
    oracle = likeness()
    attack = EvolutionStrategy(PRIOR, rounds=12, sigma=0.7, whole=whole, flip=False, seed=2)
    *_, found = attack.search(oracle, TARGETS)
    for row, target in enumerate(TARGETS):
        (draw,) = generators(2, row_digests(target[None]), "cma")

        def randn(*size: int, draw: Generator = draw) -> np.ndarray:
            return torch.randn(size, generator=draw).double().numpy()

        options = {"randn": randn, "seed": float("nan"), "verbose": -9, "CMA_diagonal": whole < 6}
        strategy, best = cma.CMAEvolutionStrategy(6 * [0.0], 0.7, options), -9.0
        for _ in range(12):
            asked = strategy.ask()
            pictures = PRIOR.render(torch.tensor(np.stack(asked)).float())
            scores = oracle.score(pictures, target.expand(len(asked)))
            strategy.tell(asked, (-scores).tolist())
            best = max(best, float(scores.max()))
        assert float(found.scores[row]) == pytest.approx(best, abs=1e-5)


def test_it_finds_what_is_hidden_and_counts() -> None:
    oracle = likeness()
    found = list(EvolutionStrategy(PRIOR, rounds=60, flip=False).search(oracle, TARGETS))
    assert [each.queries.tolist() for each in found] == [[9 * (k + 1)] * 2 for k in range(60)], "4 + 3 ln 6 in each"
    assert oracle.queries == int(found[-1].queries.sum())
    assert float(found[-1].scores.min()) > 0.99
    assert float((found[-1].latents - HIDDEN[TARGETS]).abs().max()) < 0.4
    *_, last = EvolutionStrategy(PRIOR, rounds=3, population=5).search(likeness(), TARGETS)
    assert last.queries.tolist() == [2 * 5 * 3] * 2, "mirror images are queries"


def test_it_leaves_other_peoples_numbers_alone() -> None:
    attack = EvolutionStrategy(PRIOR, rounds=4, flip=False)
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - whether that one is left alone is the question
    together, alone = attack(TARGETS, likeness()), attack(TARGETS[1:], likeness())
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert torch.allclose(together[1:], alone, atol=1e-4)


def test_it_ends_where_answers_end_or_are_enough() -> None:
    oracle = likeness()
    *_, limited = EvolutionStrategy(PRIOR, flip=False).search(QueryLimit(oracle, 40), TARGETS)
    assert oracle.queries == 2 * 40
    assert bool(limited.scores.isfinite().all())
    *_, early = EvolutionStrategy(PRIOR, flip=False, enough=0.9).search(likeness(), TARGETS)
    assert float(early.scores.min()) >= 0.9
    assert int(early.queries.max()) < 9 * 400


def test_without_the_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cma", None)
    with pytest.raises(MissingPackage, match=r"bauta\[evolution\]"):
        next(EvolutionStrategy(PRIOR).search(likeness(), TARGETS))
    for option in ({"rounds": 0}, {"axes": 1}, {"sigma": 0}, {"population": 3}):
        with pytest.raises(UsageError):
            EvolutionStrategy(PRIOR, **option)  # type: ignore[arg-type]
