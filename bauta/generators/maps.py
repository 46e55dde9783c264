"""The plain U-Net (Ronneberger et al., MICCAI 2015) from maps to maps of the same shape."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from bauta.errors import UsageError, check_shape

WIDTHS = (64, 128, 256, 512, 1024)


class MapUNet(nn.Module):
    """(B, channels, h, w) -> the same shape. Five levels, two 3 x 3 convolutions with ReLU at each, no norm.

    Down by maximum pooling, up by 3 x 3 transposed convolutions of stride 2 whose output is joined to what the level
    had on the way down; a 1 x 1 convolution at the end. `WIDTHS` times `width` channels; h and w at least 16.
    """

    def __init__(self, channels: int, *, width: float = 1.0) -> None:
        super().__init__()
        if channels < 1 or not width > 0:
            raise UsageError(f"MapUNet needs channels and a width of more than 0; got {channels} and {width}.")
        widths = [max(4, round(width * w)) for w in WIDTHS]
        self.down = nn.ModuleList(twice(a, b) for a, b in pairwise([channels, *widths]))
        rising = list(pairwise(widths[::-1]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 3, stride=2, padding=1) for a, b in rising)
        self.join = nn.ModuleList(twice(2 * b, b) for _, b in rising)
        self.out = nn.Conv2d(widths[0], channels, 1)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)  # odd sides are rounded up, and cut again on the way back

    def forward(self, x: Tensor) -> Tensor:
        check_shape(x, f"B {self.out.out_channels} h w", "maps")
        levels: list[Tensor] = []
        for number, block in enumerate(self.down):
            x = block(self.pool(x) if number else x)
            levels.append(x)
        levels.pop()
        for up, join in zip(self.up, self.join, strict=True):
            level = levels.pop()
            x = join(torch.cat([up(x, output_size=level.shape[-2:]), level], 1))
        found: Tensor = self.out(x)
        return found


def twice(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each with ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU()
    )
