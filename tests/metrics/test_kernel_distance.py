"""The kernel distance: against a plain loop, and against what it must say of one law and of two."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from bauta.errors import ShapeError
from bauta.metrics.kernel_distance import kernel_distance, squared_mmd


def rows(number: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    x = torch.randn(number, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x[:, 0] += shift
    return F.normalize(x)


def test_it_is_the_loop_of_the_paper() -> None:
    ours, theirs = rows(7, 1), rows(5, 2, 0.5)

    def kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a @ b + 1) ** 3)

    own = sum(kernel(a, b) for i, a in enumerate(ours) for j, b in enumerate(ours) if i != j) / (7 * 6)
    other = sum(kernel(a, b) for i, a in enumerate(theirs) for j, b in enumerate(theirs) if i != j) / (5 * 4)
    cross = sum(kernel(a, b) for a in ours for b in theirs) / 35
    assert squared_mmd(ours, theirs) == pytest.approx(own + other - 2 * cross, abs=1e-12)


def test_it_is_unbiased_for_one_law_and_grows_with_the_shift() -> None:
    same = [squared_mmd(rows(40, 2 * i), rows(40, 2 * i + 1)) for i in range(200)]
    spread = torch.tensor(same).std() / len(same) ** 0.5
    assert abs(torch.tensor(same).mean()) < 3 * spread
    near, far = (kernel_distance(rows(300, 1), rows(300, 2, shift), subsets=10, size=100) for shift in (0.5, 1.5))
    assert 0 < near.value < far.value
    assert near.low <= near.value <= near.high
    assert near.n == 300


def test_the_interval_is_of_the_choice_of_rows() -> None:
    """Its ends leave one of forty subsets below and one above; all rows of small sets are the whole estimate."""
    ours, theirs = rows(60, 1), rows(60, 2, 0.5)
    draw, each = torch.Generator().manual_seed(0), []
    for _ in range(41):
        some = [x[torch.randperm(60, generator=draw)[:20]] for x in (ours, theirs)]
        each.append(squared_mmd(*some))
    found = kernel_distance(ours, theirs, subsets=41, size=20)
    lowest, highest = sorted(each)[1], sorted(each)[-2]  # 2.5 % of the 40 steps between 41 numbers
    assert (found.low, found.high) == pytest.approx((lowest, highest), abs=1e-12)
    assert found.value == pytest.approx(sum(each) / 41, abs=1e-12)
    whole = kernel_distance(ours, theirs)
    assert whole.value == pytest.approx(squared_mmd(ours, theirs), abs=1e-9)
    assert whole.n == 60


def test_it_says_what_it_takes() -> None:
    assert kernel_distance(rows(2, 1), rows(2, 2)).n == 2
    for wrong in (rows(4, 1)[0], rows(4, 1)[None]):
        with pytest.raises(ShapeError, match="drawn"):
            kernel_distance(wrong, rows(5, 2))
        with pytest.raises(ShapeError, match="real"):
            kernel_distance(rows(5, 2), wrong)
    with pytest.raises(ShapeError, match="two sets"):
        kernel_distance(rows(1, 1), rows(5, 2))
    with pytest.raises(ShapeError, match="two sets"):
        kernel_distance(rows(4, 1), rows(5, 2)[:, :3])
