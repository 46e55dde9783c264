"""The plain U-Net: its shapes, its size against the layers written out, and what its skips carry."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from bauta.errors import ShapeError, UsageError
from bauta.generators.maps import WIDTHS, MapUNet
from bauta.ops.seeds import seeded


@pytest.mark.parametrize("size", [(16, 16), (32, 28), (33, 50)])
def test_maps_come_out_as_large_as_they_went_in(size: tuple[int, int]) -> None:
    x = torch.rand(2, 6, *size)
    assert MapUNet(6, width=0.1)(x).shape == x.shape


def test_it_has_the_papers_layers() -> None:
    def pair(a: int, b: int) -> int:
        return 9 * a * b + b + 9 * b * b + b

    down = pair(192, 64) + sum(pair(a, b) for a, b in pairwise(WIDTHS))
    up = sum(9 * b * a + a + pair(2 * a, a) for a, b in pairwise(WIDTHS))
    count = sum(p.numel() for p in MapUNet(192).parameters())
    assert count == down + up + 64 * 192 + 192


def test_a_far_place_reaches_a_pixel_through_the_bottom_and_near_ones_by_the_skips() -> None:
    with seeded(0):
        network = MapUNet(3, width=0.25)
    x = torch.rand(1, 3, 64, 64, requires_grad=True)
    network(x)[0, :, 32, 32].sum().backward()
    assert x.grad is not None
    reached = x.grad[0].abs().sum(0) > 0
    assert reached[32 - 40 : 32].any() or reached[:8].any()
    assert reached[32, 32]


def test_what_it_refuses() -> None:
    with pytest.raises(UsageError, match="width"):
        MapUNet(3, width=0)
    with pytest.raises(ShapeError, match="maps"):
        MapUNet(3, width=0.1)(torch.rand(1, 4, 16, 16))
