"""NbNet's decoder at every entrance, and its block against the paper's words."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bauta.generators import NbNetDecoder
from bauta.generators.nbnet import Neighborly

SHAPES = [(128,), (128, 1, 1), (512, 7, 6), (128, 14, 12), (64, 28, 24), (3, 112, 112), (5, 30, 30)]


def random(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_leak_becomes_a_picture(shape: tuple[int, ...]) -> None:
    leak = random(2, *shape)
    for size in ((112, 112), (45, 39)):
        network = NbNetDecoder(shape, size, width=0.125).eval()
        with torch.no_grad():
            picture = network(leak)
        assert picture.shape == (2, 3, *size)
        assert 0 <= picture.min() <= picture.max() <= 1


def test_it_has_the_sizes_of_the_paper() -> None:
    """But for the last block, which is of one layer at 160 x 160, and the first grid of 7 and not 5."""
    network = NbNetDecoder((128,), (112, 112))
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    blocks = [list(block.layers) for block in network.blocks]  # type: ignore[union-attr, arg-type]
    assert [len(layers) for layers in blocks] == [32, 16, 8, 4, 2]
    seen = [[layer[2].in_channels for layer in layers] for layers in blocks]
    assert [each[0] for each in seen] == [256, 128, 64, 32, 16], "the first layer reads the block's input"
    assert all(set(each[1:]) == {each[0] + 8} for each in seen), "the others that, and the eight channels before"
    assert {c.out_channels for c in convolutions} == {8, 3}
    assert [up[2].in_channels for up in network.up] == [512, 256, 128, 64]  # type: ignore[index]
    assert [up[2].out_channels for up in network.up] == [128, 64, 32, 16]  # type: ignore[index]
    grids = []
    hooks = [block.register_forward_hook(lambda m, i, o: grids.append(o.shape[1:])) for block in network.blocks]
    with torch.no_grad():
        network.eval()(random(1, 128))
    assert grids == [(512, 7, 7), (256, 14, 14), (128, 28, 28), (64, 56, 56), (32, 112, 112)]
    assert len(hooks) == 5


def test_a_layer_reads_the_input_and_the_one_before_it() -> None:
    block = Neighborly(24).double().eval()
    x = random(2, 24, 5, 4).double()
    outs: list[torch.Tensor] = []
    for number, (norm, _, conv) in enumerate(block.layers):  # type: ignore[misc]
        seen = x if number == 0 else torch.cat([x, outs[-1]], 1)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        seen = (seen - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]
        outs.append(F.conv2d(seen.clamp_min(0), conv.weight, padding=1))
    assert len(outs) == 3
    assert torch.allclose(block(x), torch.cat([x, *outs], 1), atol=1e-12)


def test_the_gradient_reaches_every_weight() -> None:
    network = NbNetDecoder((16,), (32, 32), width=0.25).train()
    leak = random(4, 16).requires_grad_(True)
    (network(leak) - 0.3).square().mean().backward()
    assert float(leak.grad.abs().max()) > 0  # type: ignore[union-attr]
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().max()) > 0, name
