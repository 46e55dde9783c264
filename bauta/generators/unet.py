"""A U-Net that can be entered at any depth: from a picture, from features of any cut, from a template."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import ShapeError
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


class UNet(nn.Module):
    """Leaks (B, C, h, w) or (B, D) -> pictures (B, 3, H, W), not clipped (Ronneberger et al., MICCAI 2015, modified).

    A map as large as the picture enters at the top; a smaller one at the level of its own size, goes down two levels
    and up again, with skip connections at the levels that it passes twice, and on to the full size without; a vector
    enters at the bottom. What a recognizer cropped from a picture's sides is padded back, so that places stay in place.

    inputs: the shape of one row of the leak. size: (H, W) of the pictures. width: a factor on all channels.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, inputs: Sequence[int], size: tuple[int, int], *, width: float = 1.0) -> None:
        super().__init__()
        if len(inputs) not in (1, 3):
            raise ShapeError(f"A picture is made out of (C, h, w) or (D,) numbers, got rows of shape {tuple(inputs)}.")
        channels = [max(8, round(width * c / 8) * 8) for c in CHANNELS]
        self.size, self.inputs = size, tuple(inputs)
        count, height, breadth = self.inputs if len(self.inputs) == 3 else (*self.inputs, 1, 1)
        self.flat = height * breadth == 1
        self.top = level(height, size[0])
        self.bottom = min(self.top + 2, len(CHANNELS) - 1)
        self.register_buffer("mean", torch.zeros(1, count, 1, 1))
        self.register_buffer("spread", torch.ones(1, count, 1, 1))

        grid = self.grid(self.top)
        entered = channels[self.top]
        self.enter: nn.Module = (
            nn.Sequential(
                nn.Flatten(), nn.Linear(count, entered * grid[0] * grid[1]), nn.Unflatten(1, (entered, *grid))
            )
            if self.flat
            else nn.Conv2d(count, entered, 3, padding=1)
        )
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

    def grid(self, k: int) -> tuple[int, int]:
        """Height and width at a level; odd sizes are rounded up, as a stride of two does."""
        height, width = self.size
        return -(-height // 2**k), -(-width // 2**k)

    def adapt(self, leak: Tensor) -> UNet:
        """Learn the center and spread of each channel from a part of the leak; returns self."""
        maps = leak.float().reshape(len(leak), self.mean.shape[1], -1)
        self.mean.copy_(maps.mean((0, 2)).view_as(self.mean))
        self.spread.copy_(maps.std((0, 2)).clamp_min(1e-6).view_as(self.spread))
        return self

    def forward(self, leak: Tensor) -> Images:
        if tuple(leak.shape[1:]) != self.inputs:
            raise ShapeError(
                f"This network was made for leaks of shape (B, {', '.join(map(str, self.inputs))}), "
                f"got {tuple(leak.shape)}; fit the attack at this stage and cut."
            )
        x = leak.reshape(len(leak), self.mean.shape[1], *(leak.shape[2:] or (1, 1)))
        x = (x.float() - self.mean) / self.spread
        x = self.enter(x if self.flat else self.placed(x).contiguous(memory_format=torch.channels_last))
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

    def placed(self, x: Tensor) -> Tensor:
        """The map with the picture's proportions, at its level's size."""
        height, width = x.shape[-2:]
        across = max(width, round(height * self.size[1] / self.size[0]))
        if across > width:
            left = (across - width) // 2
            x = F.pad(x, (left, across - width - left, 0, 0), mode="replicate")
        grid = self.grid(self.top)
        return x if tuple(x.shape[-2:]) == grid else F.interpolate(x, grid, mode="bilinear", align_corners=False)


def spread(numbers: int, channels: int, grid: tuple[int, int]) -> nn.Module:
    """(B, numbers, 1, 1) -> (B, channels, *grid), every place from every number."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(numbers, channels * grid[0] * grid[1]), nn.Unflatten(1, (channels, *grid))
    )


def level(height: int, whole: int) -> int:
    """How often a picture was halved to reach `height`, at most to the bottom."""
    halved = 0
    while halved < len(CHANNELS) - 1 and whole / 2 ** (halved + 0.5) > height:
        halved += 1
    return halved
