"""The parts that small Xceptions share (Chollet, CVPR 2017), with TensorFlow's padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import check_shape
from bauta.types import Images


def same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """(B, C, h, w) padded as TensorFlow's "SAME": to ceil(size / stride) steps, an odd pixel right and below."""
    ends = []
    for size in (x.shape[-1], x.shape[-2]):
        missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        ends += [missing // 2, missing - missing // 2]
    return F.pad(x, ends, value=value)


class Convolution(nn.Conv2d):
    """A square convolution with "SAME" padding."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(same(x, self.kernel_size[0], self.stride[0]))


class Separable(nn.Module):
    """A 3 x 3 filter for each channel, then a 1 x 1 convolution with bias."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = Convolution(inputs, inputs, 3, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        mapped: Tensor = self.pointwise(self.depthwise(x))
        return mapped


class Reduction(nn.Module):
    """Two separable convolutions and a maximum over 3 x 3 at every second pixel, beside a 1 x 1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.separable_conv0 = Separable(inputs, outputs)
        self.separable_conv1 = Separable(outputs, outputs)
        self.expansion_conv = nn.Conv2d(inputs, outputs, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.separable_conv1(self.separable_conv0(x.relu()).relu())
        y = F.max_pool2d(same(y, 3, 2, value=-torch.inf), 3, 2)
        sized: Tensor = y + self.expansion_conv(x)
        return sized


class Middle(nn.Module):
    """Three separable convolutions, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.separable_conv0 = Separable(channels, channels)
        self.separable_conv1 = Separable(channels, channels)
        self.separable_conv2 = Separable(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for part in (self.separable_conv0, self.separable_conv1, self.separable_conv2):
            y = part(y.relu())
        return x + y


def resized(images: Images, side: int) -> Images:
    """Pictures of any size as (B, 3, side, side), bilinear, smoothed where they shrink. Raises `ShapeError`."""
    check_shape(images, "B 3 H W", "images")
    if tuple(images.shape[-2:]) == (side, side):
        return images
    return F.interpolate(images, (side, side), mode="bilinear", align_corners=False, antialias=True)
