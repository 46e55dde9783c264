"""What all networks share that make a picture out of a leak: how a leak of any shape gets in, and at which size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor, channels_last, nn, ones, zeros
from torch.nn import functional as F

from bauta.errors import ShapeError
from bauta.types import Images

DEEPEST = 4  # how often a picture's sides are halved at most


class Decoder(nn.Module):
    """Base: leaks (B, C, h, w) or (B, D) -> pictures (B, 3, H, W), not clipped; a subclass lays its layers out.

    A map enters at the level of its own size, a vector at the deepest one. What a recognizer cropped from a picture's
    sides is padded back, so that places stay in place. The center and spread of each channel are learned by `adapt`
    and go with the weights.

    inputs: the shape of one row of the leak. size: (H, W) of the pictures.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, inputs: Sequence[int], size: tuple[int, int]) -> None:
        super().__init__()
        if len(inputs) not in (1, 3):
            raise ShapeError(f"A picture is made out of (C, h, w) or (D,) numbers, got rows of shape {tuple(inputs)}.")
        self.size, self.inputs = size, tuple(inputs)
        count, height, breadth = self.inputs if len(self.inputs) == 3 else (*self.inputs, 1, 1)
        self.flat = height * breadth == 1
        self.top = level(height, size[0])
        self.register_buffer("mean", zeros(1, count, 1, 1))
        self.register_buffer("spread", ones(1, count, 1, 1))

    def forward(self, leak: Tensor) -> Images:
        raise NotImplementedError(f"{type(self).__name__} does not say how it makes a picture.")

    def grid(self, k: int) -> tuple[int, int]:
        """Height and width after `k` halvings; odd sizes are rounded up, as a stride of two does."""
        height, width = self.size
        return -(-height // 2**k), -(-width // 2**k)

    def entrance(self, channels: int) -> nn.Module:
        """The layer from `scaled` to (B, channels, *grid(top)); every place from every number, for a vector."""
        count, grid = self.mean.shape[1], self.grid(self.top)
        if not self.flat:
            return nn.Conv2d(count, channels, 3, padding=1)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(count, channels * grid[0] * grid[1]), nn.Unflatten(1, (channels, *grid))
        )

    def adapt(self, leak: Tensor) -> Self:
        """Learn the center and spread of each channel from a part of the leak; returns self."""
        maps = leak.float().reshape(len(leak), self.mean.shape[1], -1)
        self.mean.copy_(maps.mean((0, 2)).view_as(self.mean))
        self.spread.copy_(maps.std((0, 2)).clamp_min(1e-6).view_as(self.spread))
        return self

    def scaled(self, leak: Tensor) -> Tensor:
        """The leak as the entrance takes it: centered, of unit spread and in place. Raises `ShapeError`."""
        if tuple(leak.shape[1:]) != self.inputs:
            raise ShapeError(
                f"This network was made for leaks of shape (B, {', '.join(map(str, self.inputs))}), "
                f"got {tuple(leak.shape)}; fit the attack at this stage and cut."
            )
        x = leak.reshape(len(leak), self.mean.shape[1], *(leak.shape[2:] or (1, 1)))
        x = (x.float() - self.mean) / self.spread
        return x if self.flat else self.placed(x).contiguous(memory_format=channels_last)

    def placed(self, x: Tensor) -> Tensor:
        """The map with the picture's proportions, at its level's size."""
        height, width = x.shape[-2:]
        across = max(width, round(height * self.size[1] / self.size[0]))
        if across > width:
            left = (across - width) // 2
            x = F.pad(x, (left, across - width - left, 0, 0), mode="replicate")
        grid = self.grid(self.top)
        return x if tuple(x.shape[-2:]) == grid else F.interpolate(x, grid, mode="bilinear", align_corners=False)


def level(height: int, whole: int) -> int:
    """How often a picture was halved to reach `height`, at most to the bottom."""
    halved = 0
    while halved < DEEPEST and whole / 2 ** (halved + 0.5) > height:
        halved += 1
    return halved
