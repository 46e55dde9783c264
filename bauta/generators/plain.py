"""A plain decoder: four blocks of transposed convolutions, as most reconstruction attacks have it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bauta.generators.base import DEEPEST, Decoder
from bauta.types import Images

CHANNELS = (128, 96, 64, 48, 32)  # at the entrance and after each block


class PlainDecoder(Decoder):
    """Leaks (B, C, h, w) or (B, D) -> pictures (B, 3, H, W), not clipped: nothing goes down again, nothing is skipped.

    Four blocks, transposed convolution, batch norm and ReLU each, after the deconvolutions of DCGAN (Radford et al.,
    ICLR 2016) that NbNet (Mai et al., TPAMI 2019) and many after it turn templates into faces with. The last ones
    double height and width, as many as the leak needs to reach the picture's size; the ones before keep them. It has
    neither shortcuts nor residuals and another way of growing than `UNet`, so that noise which was made against one of
    the two meets a stranger in the other.

    inputs: the shape of one row of the leak. size: (H, W) of the pictures. width: a factor on all channels.
    """

    def __init__(self, inputs: Sequence[int], size: tuple[int, int], *, width: float = 1.0) -> None:
        super().__init__(inputs, size)
        channels = [max(8, round(width * c / 8) * 8) for c in CHANNELS]
        self.enter = self.entrance(channels[0])
        self.blocks = nn.ModuleList(
            block(channels[k], channels[k + 1], double=k >= DEEPEST - self.top) for k in range(DEEPEST)
        )
        self.out = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def forward(self, leak: Tensor) -> Images:
        x = self.enter(self.scaled(leak)).contiguous(memory_format=torch.channels_last)
        for k, each in zip(range(DEEPEST - 1, -1, -1), self.blocks, strict=True):
            height, width = self.grid(min(k, self.top))
            x = each(x)[..., :height, :width]
        picture: Tensor = self.out(x)
        return picture.float()


def block(inputs: int, outputs: int, *, double: bool) -> nn.Sequential:
    """One block; `double` makes the map twice as high and wide."""
    kernel, stride = (4, 2) if double else (3, 1)
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
