"""Intervals: against algebra, scipy and repeated experiments."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import binomtest

from bauta.errors import ShapeError, UsageError
from bauta.metrics import AUC, COSINE, Interval, base, bootstrap, wilson


def test_wilson_is_scipys() -> None:
    for k, n in [(0, 10), (3, 10), (10, 10), (570, 600), (1, 1)]:
        theirs = binomtest(k, n).proportion_ci(method="wilson")
        ours = wilson(k, n)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        assert ours.value == k / n
        assert ours.n == n
    with pytest.raises(UsageError, match="5 of 4"):
        wilson(5, 4)
    with pytest.raises(UsageError, match="0 of 0"):
        wilson(0, 0)


def test_bootstrap_of_a_mean_is_the_normal_interval() -> None:
    values = torch.randn(400, generator=torch.Generator().manual_seed(0)).double()
    ours = bootstrap(torch.mean, values, draws=4000)
    half = 1.96 * values.std(correction=0).item() / 400**0.5
    assert ours.value == pytest.approx(values.mean().item())
    assert ours.high - ours.low == pytest.approx(2 * half, rel=0.06)
    assert ours.n == 400


def test_rows_of_one_person_are_not_independent() -> None:
    """Fifty people whose ten rows are all alike: the interval is that of fifty numbers, not of five hundred."""
    person = torch.randn(50, generator=torch.Generator().manual_seed(1))
    ids = torch.arange(50).repeat_interleave(10)
    clustered = bootstrap(torch.mean, person[ids], groups=ids)
    alone = bootstrap(torch.mean, person)
    assert (clustered.low, clustered.high) == pytest.approx((alone.low, alone.high), abs=1e-6)
    rows = bootstrap(torch.mean, person[ids])
    assert rows.high - rows.low < 0.5 * (clustered.high - clustered.low)


def test_comparisons_follow_both_people() -> None:
    """Each draw repeats a comparison as often as its two people multiply; checked by counting rows."""
    ids = torch.tensor([[7, 7], [7, 8], [8, 9], [9, 9]])
    seen = set()

    def spy(rows: torch.Tensor) -> torch.Tensor:
        seen.add(tuple(torch.bincount(rows, minlength=4).tolist()))
        return rows.double().mean()

    bootstrap(spy, torch.arange(4), groups=ids)
    assert len(seen) == 9  # ten ways to draw three people of three, of which the one with person 8 alone has no rows
    for once, a, b, c in seen - {(1, 1, 1, 1)}:
        assert once + c <= 3
        assert (a, b) == (once * (3 - once - c), (3 - once - c) * c)


def test_intervals_cover_the_truth() -> None:
    """200 experiments with two-person comparisons: the AUC of the population lies inside about 95 % of intervals."""
    g = torch.Generator().manual_seed(3)
    inside = 0
    for seed in range(200):
        same = torch.arange(200) % 2 == 0
        scores = torch.randn(200, generator=g) + same  # AUC of N(1, 1) against N(0, 1): Phi(1 / sqrt 2)
        found = AUC.interval(scores, same, draws=100, seed=seed)
        inside += found.low <= 0.7602 <= found.high
    assert 178 <= inside <= 198


def test_same_seed_same_interval() -> None:
    values = torch.arange(20.0).sqrt()
    assert bootstrap(torch.mean, values, seed=5) == bootstrap(torch.mean, values, seed=5)
    assert bootstrap(torch.mean, values, seed=5) != bootstrap(torch.mean, values, seed=6)
    before = torch.random.get_rng_state()
    bootstrap(torch.mean, values)
    assert torch.equal(before, torch.random.get_rng_state())
    scores, same = torch.randn(60, generator=torch.Generator().manual_seed(0)), torch.arange(60) < 30
    assert AUC.interval(scores, same) == bootstrap(AUC.score, scores, same, seed=0)  # what every table here says


def test_draws_do_not_depend_on_how_many_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.arange(30.0)
    whole = bootstrap(torch.mean, values, draws=100)
    parts = list(base.parted(torch.arange(30), 30, 100, 0))
    assert [part.shape for part in parts] == [(100, 30)]
    monkeypatch.setattr(base, "AT_ONCE", 30 * 7)
    few = list(base.parted(torch.arange(30), 30, 100, 0))
    assert [len(part) for part in few] == [7] * 14 + [2]
    assert torch.equal(torch.cat(few), parts[0])
    monkeypatch.setattr(base, "KEPT", 0)  # nor on whether they are kept
    base.kept.cache_clear()
    assert bootstrap(torch.mean, values, draws=100) == whole
    assert not base.kept.cache_info().currsize


def test_a_metric_is_called_for_its_score() -> None:
    a, b = torch.eye(4)[:3], torch.eye(4)[[0, 1, 3]]
    assert COSINE(a, b).tolist() == [1.0, 1.0, 0.0]


def test_draws_without_a_meaning_are_left_out_or_refused() -> None:
    scores, same = torch.tensor([0.9, 0.8, 0.3, 0.2]), torch.tensor([True, True, False, False])
    # person 0 has all mated pairs: 9 of 27 draws lack a class
    assert AUC.interval(scores, same, groups=torch.tensor([0, 0, 1, 2])) == Interval(1.0, 1.0, 1.0, 4)
    # the one mated pair needs both person 0 and person 1, which 41 % of the draws of ten people have
    others = torch.tensor([[i, j] for i in range(10) for j in range(i)])
    with pytest.raises(UsageError, match="measure more people"):
        AUC.interval(torch.arange(45.0), torch.arange(45) == 0, groups=others, draws=400)


def test_too_few_people_or_wrong_lengths() -> None:
    with pytest.raises(UsageError, match="at least two"):
        bootstrap(torch.mean, torch.ones(5), groups=torch.zeros(5))
    with pytest.raises(ShapeError, match="one length"):
        bootstrap(lambda a, b: a.mean(), torch.ones(5), torch.ones(4))
    with pytest.raises(ShapeError, match="groups"):
        bootstrap(torch.mean, torch.ones(5), groups=torch.ones(5, 3))
