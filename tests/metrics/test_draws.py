"""Statistics of many draws at once, against the plain ones of the repeated rows, draw by draw."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.metrics import auc, bootstrap, eer, tar_at_far
from bauta.metrics.attribute import balanced_accuracy, macro_auc
from bauta.metrics.base import KEPT, resampled
from bauta.metrics.draws import aucs, balanced_accuracies, eers, fold_means, macro_aucs, mean_interval, means, tars
from bauta.metrics.verification import mean_of_folds

N = 60
G = torch.Generator().manual_seed(4)
SAME = torch.arange(N) % 3 == 0
SCORES = ((torch.randn(N, generator=G) + SAME) * 5).round() / 5  # many ties
FOLD = torch.arange(N) % 7
RIGHT = (torch.rand(N, generator=G) > 0.4).double()
LABELS = torch.arange(N) % 4
LOGITS = torch.randn(N, 3, generator=G).round(decimals=1)  # and no column for the last class
INFINITE = torch.where(torch.arange(N) == 5, torch.inf, SCORES)

Plain = Callable[..., float]
BOTH: dict[str, tuple[Plain, Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "mean": (lambda v: float(v.double().mean()), means, (SCORES,)),
    "infinite": (lambda v: float(v.double().mean()), means, (INFINITE,)),
    "folds": (mean_of_folds, fold_means, (RIGHT, FOLD)),
    "auc": (auc, aucs, (SCORES, SAME)),
    "eer": (eer, eers, (SCORES, SAME)),
    "all alike": (eer, eers, (torch.zeros(N), SAME)),
    "tar": (lambda s, y: tar_at_far(s, y, 0.1), tars(0.1), (SCORES, SAME)),
    "tar of none": (lambda s, y: tar_at_far(s, y, 0.001), tars(0.001), (SCORES, SAME)),
    "balanced": (balanced_accuracy, balanced_accuracies, (LOGITS, LABELS)),
    "macro": (macro_auc, macro_aucs, (LOGITS, LABELS)),
}


def by_hand(plain: Plain, counts: Tensor, arrays: tuple[Tensor, ...]) -> float:
    """Every row as often as it was drawn, one after the other."""
    rows = [row for row, times in enumerate(counts.tolist()) for _ in range(times)]
    try:
        return plain(*(a[rows] for a in arrays))
    except UsageError:
        return torch.nan


@pytest.mark.parametrize("name", BOTH)
def test_each_draw_is_the_plain_statistic_of_its_rows(name: str) -> None:
    plain, at_once, arrays = BOTH[name]
    counts = torch.randint(3, (40, N), generator=torch.Generator().manual_seed(1))
    counts[0] = SAME  # mates alone
    counts[1] = ~SAME
    counts[2] = LABELS == 3
    counts[3] = torch.arange(N) == 7
    expected = torch.tensor([by_hand(plain, row, arrays) for row in counts], dtype=torch.float64)
    assert torch.allclose(at_once(counts, *arrays).double(), expected, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("name", [name for name in BOTH if name != "infinite"])
def test_intervals_are_the_same(name: str) -> None:
    plain, at_once, arrays = BOTH[name]
    people = torch.arange(N) // 2
    for groups in (None, people, torch.stack([people, (people + SAME.logical_not()) % 30], 1)):
        slow = bootstrap(plain, *arrays, groups=groups, draws=100)
        quick = bootstrap(plain, *arrays, groups=groups, draws=100, at_once=at_once)
        assert (quick.low, quick.high) == pytest.approx((slow.low, slow.high), abs=1e-9)
        assert (quick.value, quick.n) == (slow.value, slow.n)


def test_how_often_rows_are_drawn() -> None:
    """One person after the other is drawn with replacement, as often as there are people; parts change nothing."""
    owner = torch.tensor([[0, 0], [0, 1], [1, 2], [2, 2]])
    generator = torch.Generator().manual_seed(9)
    (counts,) = resampled(owner, 3, 50, 9)
    for row in counts.tolist():
        drawn = torch.randint(3, (3,), generator=generator).tolist()
        a, b, c = (drawn.count(person) for person in range(3))
        assert row == [a, a * b, b * c, c]
    many = torch.arange(4000)
    whole = torch.cat(list(resampled(many, 4000, KEPT // 4000, 2)))
    parts = list(resampled(many, 4000, KEPT // 4000 + 1, 2))
    assert len(parts) > 1
    assert torch.equal(torch.cat(parts)[:-1], whole)
    assert bool((whole.sum(1) == 4000).all())


def test_draws_without_a_meaning_are_left_out_here_too() -> None:
    others = torch.tensor([[i, j] for i in range(10) for j in range(i)])
    with pytest.raises(UsageError, match="measure more people"):
        bootstrap(auc, torch.arange(45.0), torch.arange(45) == 0, groups=others, draws=400, at_once=aucs)


def test_a_mean_and_its_interval_are_those_of_a_loop() -> None:
    """Of people with several rows, too; and in double precision, whatever comes in."""
    values = torch.rand(60, generator=torch.Generator().manual_seed(4))
    for groups in (None, torch.arange(60) // 3):
        found = mean_interval(values, groups)
        loop = bootstrap(lambda v: float(v.mean()), values.double(), groups=groups)
        assert (found.value, found.n) == (pytest.approx(float(values.double().mean())), 60)
        assert (found.low, found.high) == pytest.approx((loop.low, loop.high))
