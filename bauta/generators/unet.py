"""A U-Net that can be entered at any depth: from a picture, from features of any cut, from a template."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.generators.base import DEEPEST, Decoder
from bauta.types import Images

# Channels at full resolution, at a half of it, and so on: cheap where there are many places.
CHANNELS = (24, 48, 96, 160, 224)


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm_second = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.norm_second(self.second(F.silu(self.norm(self.first(x)))))
        return x + change


class Up(nn.Module):
    """Twice the height and width: four times the channels, laid out as pixels (Shi et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.shuffle(F.silu(self.conv(x)))  # type: ignore[no-any-return]


class UNet(Decoder):
    """Leaks (B, C, h, w) or (B, D) -> pictures (B, 3, H, W), not clipped (Ronneberger et al., MICCAI 2015, modified).

    A map as large as the picture enters at the top; a smaller one at the level of its own size, goes down two levels
    and up again, with skip connections at the levels that it passes twice, and on to the full size without; a vector
    enters at the bottom. What a recognizer cropped from a picture's sides is padded back, so that places stay in place.

    inputs: the shape of one row of the leak. size: (H, W) of the pictures. width: a factor on all channels.
    """

    def __init__(self, inputs: Sequence[int], size: tuple[int, int], *, width: float = 1.0) -> None:
        super().__init__(inputs, size)
        channels = [max(8, round(width * c / 8) * 8) for c in CHANNELS]
        self.bottom = min(self.top + 2, DEEPEST)
        self.enter = self.entrance(channels[self.top])
        deeper = range(self.top, self.bottom)
        self.before = nn.ModuleList(Residual(channels[k]) for k in deeper)
        self.down = nn.ModuleList(nn.Conv2d(channels[k], channels[k + 1], 3, 2, padding=1) for k in deeper)
        self.middle = nn.Sequential(Residual(channels[self.bottom]), Residual(channels[self.bottom]))
        rising = range(self.bottom - 1, -1, -1)
        self.up = nn.ModuleList(Up(channels[k + 1], channels[k]) for k in rising)
        self.merge = nn.ModuleList(
            nn.Conv2d(2 * channels[k], channels[k], 1) if k >= self.top else nn.Identity() for k in rising
        )
        self.after = nn.ModuleList(Residual(channels[k]) for k in rising)
        self.out = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, leak: Tensor) -> Images:
        x = self.enter(self.scaled(leak))
        x = x.contiguous(memory_format=torch.channels_last)  # several times quicker on a CPU
        skips = []
        for before, down in zip(self.before, self.down, strict=True):
            x = before(x)
            skips.append(x)
            x = down(x)
        x = self.middle(x)
        for k, up, merge, after in zip(range(self.bottom - 1, -1, -1), self.up, self.merge, self.after, strict=True):
            height, width = self.grid(k)
            x = up(x)[..., :height, :width]
            if k >= self.top:
                x = merge(torch.cat([x, skips[k - self.top]], 1))
            x = after(x)
        picture: Tensor = self.out(x)
        return picture.float()
