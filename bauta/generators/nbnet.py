"""NbNet's decoder: neighborly de-convolution blocks, from a template to a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from bauta.generators.base import DEEPEST, Decoder
from bauta.types import Images

CHANNELS = (256, 128, 64, 32, 16)  # at a sixteenth of the picture's size, at an eighth, and so on
GROWTH = 8  # channels that a layer adds


class NbNetDecoder(Decoder):
    """Leaks (B, D) or (B, C, h, w) -> pictures (B, 3, H, W) in [0, 1] (Mai et al., TPAMI 2019, NbNet-B).

    A de-convolution spreads the template on the first grid. On each grid stands a *neighborly* block: layers of
    `GROWTH` channels each, where a layer reads the block's input and the layer before it alone; input and all layers
    together are the block's output, twice as many channels as came in. Between grids a transposed convolution (4 x 4,
    stride 2) doubles height and width and halves the channels that a block begins with. Batch norm and ReLU before
    every convolution, a 1 x 1 convolution and tanh at the end.

    The paper goes from 5 x 5 to 160 x 160 in six blocks of 32, 16, 8, 4, 2 and 1 layers. Here five, of 32 to 2, lead
    from 7 x 7 to 112 x 112 (or from a sixteenth to the whole of another size); a map enters at the grid of its own
    size and meets the blocks from there on.

    inputs: the shape of one row of the leak. size: (H, W) of the pictures. width: a factor on channels, and so on how
    many layers a block has.
    """

    def __init__(self, inputs: Sequence[int], size: tuple[int, int], *, width: float = 1.0) -> None:
        super().__init__(inputs, size)
        channels = [max(GROWTH, round(width * c / GROWTH) * GROWTH) for c in CHANNELS][DEEPEST - self.top :]
        self.enter = self.entrance(channels[0])
        self.blocks = nn.ModuleList(Neighborly(count) for count in channels)
        self.up = nn.ModuleList(
            active(2 * a, nn.ConvTranspose2d(2 * a, b, 4, 2, padding=1, bias=False)) for a, b in pairwise(channels)
        )
        self.out = active(2 * channels[-1], nn.Conv2d(2 * channels[-1], 3, 1))

    def forward(self, leak: Tensor) -> Images:
        x = self.enter(self.scaled(leak)).contiguous(memory_format=torch.channels_last)
        x = self.blocks[0](x)
        for k, up, block in zip(range(self.top - 1, -1, -1), self.up, self.blocks[1:], strict=True):
            height, width = self.grid(k)
            x = block(up(x)[..., :height, :width])
        picture: Tensor = self.out(x)
        return (picture.float().tanh() + 1) / 2


class Neighborly(nn.Module):
    """(B, channels, h, w) -> (B, 2 channels, h, w): as many layers of `GROWTH` channels as double the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        before = [0] + [GROWTH] * (channels // GROWTH - 1)  # the first layer has none before it
        self.layers = nn.ModuleList(
            active(channels + more, nn.Conv2d(channels + more, GROWTH, 3, padding=1, bias=False)) for more in before
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = [x]
        for layer in self.layers:
            parts.append(layer(x if len(parts) == 1 else torch.cat([x, parts[-1]], 1)))
        return torch.cat(parts, 1)


def active(channels: int, convolution: nn.Module) -> nn.Sequential:
    """Batch norm and ReLU before a convolution."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), convolution)
