"""The plain decoder at every entrance, beside the U-Net on the same pairs."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import nn

from bauta.generators import DECODERS, PlainDecoder
from bauta.generators.training import train
from bauta.metrics import PSNR

SHAPES = [(3, 112, 112), (64, 56, 48), (64, 28, 24), (128, 14, 12), (512, 7, 6), (128, 1, 1), (128,), (5, 30, 30)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_leak_becomes_a_picture(shape: tuple[int, ...]) -> None:
    network = PlainDecoder(shape, (112, 112), width=0.25).eval()
    leak = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert network(leak).shape == (2, 3, 112, 112)
        assert PlainDecoder(shape, (45, 39), width=0.25).eval()(leak).shape == (2, 3, 45, 39)


def test_four_blocks_double_as_often_as_the_leak_was_halved() -> None:
    for side, doublings in ((112, 0), (56, 1), (28, 2), (14, 3), (7, 4), (1, 4)):
        network = PlainDecoder((5, side, side), (112, 112), width=0.25)
        convolutions = [m for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
        assert len(convolutions) == 4
        assert [c.stride[0] for c in convolutions] == [1] * (4 - doublings) + [2] * doublings


def test_a_place_of_the_map_is_a_place_of_the_picture() -> None:
    """What reaches a pixel comes from around it: nothing is turned or shifted on the way."""
    network = PlainDecoder((1, 8, 8), (32, 32), width=0.25).eval()
    leak = torch.zeros(1, 1, 8, 8, requires_grad=True)
    for row, column in ((4, 20), (20, 12)):
        (found,) = torch.autograd.grad(network(leak)[0, :, row, column].sum(), leak, retain_graph=True)
        rows, columns = (found[0, 0].abs() > 0).nonzero(as_tuple=True)
        assert abs(float(rows.float().mean()) - row / 4) <= 2
        assert abs(float(columns.float().mean()) - column / 4) <= 2


@pytest.mark.parametrize("name", DECODERS)
def test_every_named_decoder_learns_its_pairs(name: str) -> None:
    truth = tiny.pictures(8, seed=5)
    leaks = nn.functional.avg_pool2d(truth, 2).flip(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = DECODERS[name]((3, 16, 16), (32, 32), width=0.5).adapt(leaks)
    draws = torch.Generator().manual_seed(0)
    trained = train(network, leaks, truth, steps=80, batch_size=8, generator=draws)
    mean = truth.mean(0).expand_as(truth)
    assert PSNR(trained(leaks).clamp(0, 1), truth).mean() > PSNR(mean, truth).mean() + 4
