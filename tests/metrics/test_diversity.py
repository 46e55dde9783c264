"""Diversity of a team's failures: against scikit-learn, plain loops and algebra."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import isnan

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from torch import Tensor

from bauta.errors import ShapeError, UsageError
from bauta.metrics.diversity import (
    DIVERSITY,
    GD,
    cohen_kappa,
    disagreement,
    fleiss_kappa,
    focal_diversity,
    generalized_diversity,
    kohavi_wolpert,
    q_statistic,
)


def drawn(members: int, samples: int, seed: int = 0, rate: float = 0.4) -> Tensor:
    """Failures that partly go together."""
    g = torch.Generator().manual_seed(seed)
    hard = torch.rand(samples, generator=g)
    return 0.5 * torch.rand(members, samples, generator=g) + 0.5 * hard < rate


MATRICES = st.builds(drawn, st.integers(2, 5), st.integers(1, 60), st.integers(0, 999), st.floats(0.1, 0.9))


def gd_by_loop(failures: Tensor) -> float:
    """Over pairs of different members drawn, and not over counts as ours."""
    table = failures.numpy()
    members, samples = table.shape
    one = sum(table[i, s] for i in range(members) for s in range(samples)) / (members * samples)
    pairs = [(i, j) for i in range(members) for j in range(members) if i != j]
    two = sum(table[i, s] and table[j, s] for i, j in pairs for s in range(samples)) / (len(pairs) * samples)
    return 1 - two / one


def disagreement_by_loop(failures: Tensor) -> float:
    return float(np.mean([np.mean(a != b) for a, b in combinations(failures.numpy(), 2)]))


def kappa_by_sklearn(failures: Tensor) -> float:
    return float(np.mean([cohen_kappa_score(a, b) for a, b in combinations(failures.numpy(), 2)]))


def q_by_loop(failures: Tensor) -> float:
    found = []
    for one, other in combinations(failures.tolist(), 2):
        cells = {(x, y): 0 for x in (True, False) for y in (True, False)}
        for outcome in zip(one, other, strict=True):
            cells[outcome] += 1
        odds = cells[True, True] * cells[False, False] / (cells[True, False] * cells[False, True])
        found.append((odds - 1) / (odds + 1))
    return float(np.mean(found))


def fleiss_by_table(failures: Tensor) -> float:
    """Fleiss's own form: two categories, one rating a member."""
    fails = failures.numpy().sum(0)
    table = np.stack([fails, len(failures) - fails], 1).astype(float)
    raters = len(failures)
    each = ((table**2).sum(1) - raters) / (raters * (raters - 1))
    chance = ((table.sum(0) / table.sum()) ** 2).sum()
    return float((each.mean() - chance) / (1 - chance))


def kw_by_variance(failures: Tensor) -> float:
    """The mean variance of a member drawn at random, over the samples."""
    return float(failures.numpy().astype(float).var(0).mean())


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (generalized_diversity, gd_by_loop),
        (disagreement, disagreement_by_loop),
        (cohen_kappa, kappa_by_sklearn),
        (q_statistic, q_by_loop),
        (fleiss_kappa, fleiss_by_table),
        (kohavi_wolpert, kw_by_variance),
    ],
)
@pytest.mark.parametrize("members", [2, 3, 5])
def test_each_score_is_that_of_other_code(
    ours: Callable[[Tensor], float], theirs: Callable[[Tensor], float], members: int
) -> None:
    for seed in range(3):
        failures = drawn(members, 80, seed)
        assert ours(failures) == pytest.approx(theirs(failures), abs=1e-12)


@given(MATRICES)
def test_the_scores_that_are_one_another(failures: Tensor) -> None:
    members = len(failures)
    kw = kohavi_wolpert(failures)
    assert kw == pytest.approx((members - 1) / (2 * members) * disagreement(failures))
    p = failures.double().mean().item()
    if 0 < p < 1:
        assert fleiss_kappa(failures) == pytest.approx(1 - members / (members - 1) * kw / (p * (1 - p)))
    if p > 0:
        assert generalized_diversity(failures) == pytest.approx(disagreement(failures) / (2 * p))


@given(MATRICES)
def test_the_ranges_and_the_order_of_members(failures: Tensor) -> None:
    members = len(failures)
    low = {"kappa": -1, "q": -1, "fleiss": -1 / (members - 1)}
    high = {"kw": 0.25}
    for score in DIVERSITY:
        value = score(failures)
        if not isnan(value):
            assert low.get(score.name, 0) - 1e-9 <= value <= high.get(score.name, 1) + 1e-9
            assert score(failures.flip(0)) == pytest.approx(value)


def test_members_that_are_alike_and_members_that_never_fail_together() -> None:
    own = drawn(2, 60)[0]
    alike, apart = own.expand(3, -1), torch.stack([own, ~own])
    assert [s(alike) for s in DIVERSITY] == pytest.approx([0, 0, 0, 1, 1, 1])
    assert generalized_diversity(apart) == disagreement(apart) == 1
    assert kohavi_wolpert(apart) == 0.25
    assert q_statistic(apart) == fleiss_kappa(apart.roll(1, 1)) == -1
    seldom = torch.eye(3, 9, dtype=torch.bool)
    assert generalized_diversity(seldom) == 1
    for score in DIVERSITY:
        more, less = (apart, alike) if score.diverse_when == "high" else (alike, apart)
        assert score(more) > score(less)


def test_what_has_no_answer_is_nan_and_stays_out_of_the_mean_over_pairs() -> None:
    never, always = torch.zeros(2, 5, dtype=torch.bool), torch.ones(2, 5, dtype=torch.bool)
    assert [isnan(s(never)) for s in DIVERSITY] == [True, False, False, True, True, True]
    assert [isnan(s(always)) for s in DIVERSITY] == [False, False, False, True, True, True]
    others = drawn(2, 50)
    with_a_constant = torch.cat([others, torch.ones(1, 50, dtype=torch.bool)])
    assert q_statistic(with_a_constant) == pytest.approx(q_statistic(others))
    assert cohen_kappa(with_a_constant) == pytest.approx(kappa_by_sklearn(with_a_constant))
    assert cohen_kappa(with_a_constant[1:]) == 0


def test_focal_diversity_by_hand() -> None:
    failures = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0]]).bool()
    found = focal_diversity(failures, generalized_diversity)
    # first: k = 2, 1, 1, 1 of 3, so p(1) = 5/12 and p(2) = 1/12; second: k = 2, 1, so p(1) = 1/2 and p(2) = 1/6
    assert found.members[:2] == pytest.approx((4 / 5, 2 / 3))
    assert found.value == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert (found.failures, found.left_out) == ((4, 2, 0), (2,))
    nobody = focal_diversity(torch.zeros(2, 4, dtype=torch.bool), generalized_diversity)
    assert isnan(nobody.value)
    assert nobody.left_out == (0, 1)


def test_on_one_members_failures_two_members_have_one_number_only() -> None:
    """With a share d of the failures the other member's too: all focal scores of a pair are functions of d."""
    failures = drawn(2, 90, 3)
    shared = (failures[0] & failures[1]).sum().item()
    apart = [1 - shared / own for own in failures.sum(1).tolist()]
    for score, of in (
        (generalized_diversity, lambda d: d / (2 - d)),
        (fleiss_kappa, lambda d: -d / (2 - d)),
        (disagreement, lambda d: d),
        (kohavi_wolpert, lambda d: d / 4),
    ):
        assert focal_diversity(failures, score).members == pytest.approx([of(d) for d in apart])
    assert focal_diversity(failures, cohen_kappa).members == (0, 0)
    assert focal_diversity(failures, q_statistic).left_out == (0, 1)
    assert [d.name for d in DIVERSITY if not d.focal] == ["kappa", "q"], "both say the same of whoever always fails"


def test_many_failures_are_drawn_from() -> None:
    failures = drawn(3, 2000, 5)
    seen: list[Tensor] = []

    def spy(negative: Tensor) -> float:
        seen.append(negative)
        return generalized_diversity(negative)

    found = focal_diversity(failures, spy, seed=1)
    assert [tuple(x.shape) for x in seen] == [(3, 100)] * 9
    assert all(x[i // 3].all() for i, x in enumerate(seen)), "each sample is a failure of the focal member"
    assert not torch.equal(seen[0], seen[1])
    by_hand = [np.mean([generalized_diversity(x) for x in seen[3 * i : 3 * i + 3]]) for i in range(3)]
    assert found.members == pytest.approx(by_hand)
    assert focal_diversity(failures, generalized_diversity, seed=1) == found
    assert focal_diversity(failures, generalized_diversity, seed=2) != found
    every = focal_diversity(failures, generalized_diversity, samples=2000)
    assert found.value == pytest.approx(every.value, abs=0.04)
    # no sample twice: as many draws as there are failures give them all
    assert focal_diversity(failures, spy, samples=int(failures.sum(1).max()) - 1).value == pytest.approx(
        every.value, abs=1e-3
    )


def test_teams_are_compared_on_the_same_failures_of_a_member() -> None:
    """A member's draws are its own: whoever is in the team with it, it is asked about the same samples."""
    failures = drawn(3, 800, 6)
    failures[2] = torch.arange(800) % 2 == 0
    own = failures[0].nonzero().flatten()
    chosen = own[torch.randperm(len(own), generator=torch.Generator().manual_seed(0))[:50]]
    for other in (1, 2):
        team, seen = failures[[0, other]], []

        def spy(negative: Tensor, seen: list[Tensor] = seen) -> float:
            seen.append(negative)
            return 0.0

        focal_diversity(team, spy, draws=1, samples=50)
        assert torch.equal(seen[0], team[:, chosen])


def test_unequal_members_look_diverse() -> None:
    """What the docstring warns of: a weak member that fails wherever the strong one does outdoes one of its kind."""
    samples = torch.arange(400)
    strong, like, weak = samples < 20, (samples >= 10) & (samples < 30), samples < 200
    unequal = focal_diversity(torch.stack([strong, weak]), GD, samples=400).value
    assert unequal == pytest.approx((0 + 0.9 / 1.1) / 2)
    assert focal_diversity(torch.stack([strong, like]), GD).value == pytest.approx(1 / 3)


def test_what_is_no_table_of_failures() -> None:
    for wrong in (torch.ones(2, 3), torch.ones(1, 3).bool(), torch.ones(2, 0).bool(), torch.ones(3).bool()):
        for score in DIVERSITY:
            with pytest.raises(ShapeError, match="bool"):
                score(wrong)
        with pytest.raises(ShapeError, match="bool"):
            focal_diversity(wrong, GD)
    with pytest.raises(UsageError, match="draws and samples"):
        focal_diversity(drawn(2, 9), GD, samples=0)
