"""Eight bits, against numpy and Python's own rounding."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from bauta.ops.quantize import through_8bit, to_8bit


@given(st.lists(st.floats(-1, 2), min_size=1, max_size=20))
def test_every_value_lands_on_the_nearest_level(values: list[float]) -> None:
    found = to_8bit(torch.tensor(values, dtype=torch.float64)).numpy()
    wanted = [round(min(max(v, 0.0), 1.0) * 255) / 255 for v in values]  # Python, too, rounds ties to even
    assert np.array_equal(found, wanted)


def test_ties_go_to_even() -> None:
    ties = torch.tensor([0.5, 1.5, 2.5, 126.5], dtype=torch.float64) / 255
    assert (to_8bit(ties) * 255).tolist() == [0, 2, 2, 126]


def test_all_levels_stay() -> None:
    levels = torch.arange(256, dtype=torch.float32) / 255
    assert torch.equal(to_8bit(levels), levels)
    assert torch.equal(through_8bit(levels), levels)


@given(st.lists(st.floats(-0.5, 1.5, width=32), min_size=1, max_size=20))
def test_the_gradient_passes_unchanged(values: list[float]) -> None:
    x = torch.tensor(values, requires_grad=True)
    weight = torch.arange(1.0, len(values) + 1)
    y = through_8bit(x)
    assert torch.allclose(y, to_8bit(x.detach()), atol=1e-6)
    (gradient,) = torch.autograd.grad((weight * y).sum(), x)
    assert torch.equal(gradient, weight)
