"""Padding as TensorFlow has it, against windows laid by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from bauta.errors import ShapeError
from bauta.estimators.xception import Convolution, Reduction, resized, same


@pytest.mark.parametrize("size", [7, 8, 15, 29, 56])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 2), (5, 3)])
def test_same_padding_gives_the_promised_size_and_the_odd_pixel_last(size: int, kernel: int, stride: int) -> None:
    x = torch.ones(1, 1, size, size + 1)
    padded = same(x, kernel, stride)
    for axis, length in ((2, size), (3, size + 1)):
        assert (padded.shape[axis] - kernel) // stride + 1 == math.ceil(length / stride)
        row = padded[0, 0].amax(3 - axis)
        before, after = int(row.argmax()), int(row.flip(0).argmax())
        assert after - before in (0, 1)


def test_a_strided_convolution_on_an_even_size_begins_at_the_first_pixel() -> None:
    """The documented case in which torch's symmetric padding of one gives another answer."""
    x = torch.arange(16.0).view(1, 1, 4, 4)
    conv = Convolution(1, 1, 3, stride=2, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.arange(9.0).view(1, 1, 3, 3))
        wanted = torch.zeros(2, 2)
        for i in range(2):
            for j in range(2):
                for a in range(3):
                    for b in range(3):
                        if 2 * i + a < 4 and 2 * j + b < 4:
                            wanted[i, j] += x[0, 0, 2 * i + a, 2 * j + b] * (3 * a + b)
        assert torch.equal(conv(x)[0, 0], wanted)
        assert not torch.equal(F.conv2d(x, conv.weight, stride=2, padding=1)[0, 0], wanted)


def test_the_maximum_does_not_see_the_padding() -> None:
    block = Reduction(2, 3)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
        block.separable_conv1.pointwise.bias.fill_(-1)
        assert (block(torch.rand(1, 2, 8, 8)) == -1).all(), "a border of zeros would be the larger number"


def test_pictures_of_any_size_are_brought_to_one() -> None:
    x = torch.rand(2, 3, 30, 50)
    assert resized(x, 16).shape == (2, 3, 16, 16)
    assert resized(x[..., :30], 30) is not None
    assert torch.equal(resized(x[..., :30], 30), x[..., :30])
    with pytest.raises(ShapeError):
        resized(torch.zeros(1, 1, 30, 30), 16)
