"""Small recognizers for a CPU: dense 3 x 3 convolutions from a grid of 56 x 56 on, at most 1.5 million weights.

On a CPU depthwise convolutions spare multiplications and little time; the residual ones have none but in their head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.recognizers import iresnet, mobilenet, resnet_face
from bauta.recognizers.base import Preprocess, Recognizer, sequence

__all__ = ["compact_bottleneck", "compact_ir", "compact_mobilenet", "compact_plain", "compact_residual"]

MOST = 300  # units: three times the deepest network of the papers, as a recipe is anybody's file and may ask for any


class Residual(nn.Module):
    """Two 3 x 3 convolutions added to a shortcut, ReLU after the sum (He et al., CVPR 2016); the first one strides."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        parts: dict[str, nn.Module] = {
            "conv1": nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            "bn1": nn.BatchNorm2d(outputs),
            "act1": nn.ReLU(),
            "conv2": nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            "bn2": nn.BatchNorm2d(outputs),
        }
        self.residual = sequence(parts)
        self.shortcut = iresnet.shortcut(inputs, outputs, stride)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.residual(x) + self.shortcut(x))
        return y


def bottleneck(inputs: int, outputs: int, stride: int) -> nn.Module:
    """ResNet-50's unit, half as wide inside, without ReLU after the sum, which so keeps its sign."""
    branch = resnet_face.bottleneck(inputs, outputs // 2, outputs, stride)
    return iresnet.Unit(branch, iresnet.shortcut(inputs, outputs, stride))


def plain(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Two 3 x 3 convolutions, each with batch norm and PReLU; the first one strides."""
    return sequence(
        {
            "conv1": nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            "bn1": nn.BatchNorm2d(outputs),
            "act1": nn.PReLU(outputs),
            "conv2": nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            "bn2": nn.BatchNorm2d(outputs),
            "act2": nn.PReLU(outputs),
        }
    )


def improved(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A unit of `iresnet`."""
    return iresnet.Unit(iresnet.residual(inputs, outputs, stride), iresnet.shortcut(inputs, outputs, stride))


def pooled(inputs: int, embedding: int, halved: int) -> dict[str, nn.Module]:
    """The head: a filter over the whole grid for each channel, as MobileFaceNet has it, and a linear map. halved: how
    often the network halves its grid, from 112 x 112."""
    grid = -(-112 // 2**halved)
    return {
        "pool": sequence(
            {"conv": nn.Conv2d(inputs, inputs, grid, groups=inputs, bias=False), "bn": nn.BatchNorm2d(inputs)}
        ),
        "embedding": sequence(
            {"conv": nn.Conv2d(inputs, embedding, 1, bias=False), "bn": nn.BatchNorm2d(embedding)},
        ),
    }


def staged(
    unit: Callable[[int, int, int], nn.Module],
    act: Callable[[int], nn.Module],
    stem: int,
    widths: Sequence[int],
    units: Sequence[int],
    embedding: int,
) -> dict[str, nn.Module]:
    """A stem that halves the picture, and stages that each halve the grid. Raises `UsageError` beyond `MOST` units."""
    if len(units) > MOST or sum(map(abs, units)) > MOST:
        raise UsageError(
            f"A network has at most {MOST} units, got {max(len(units), sum(map(abs, units))):,}; ask for fewer."
        )
    first: dict[str, nn.Module] = {
        "input": Preprocess(),
        "conv": nn.Conv2d(3, stem, 3, 2, 1, bias=False),
        "bn": nn.BatchNorm2d(stem),
        "act": act(stem),
    }
    layers: dict[str, nn.Module] = {"stem": sequence(first)}
    names, inputs = iter(iresnet.unit_names(units)), stem
    for outputs, number in zip(widths, units, strict=True):
        for n in range(number):
            layers[next(names)] = unit(inputs, outputs, 2 if n == 0 else 1)
            inputs = outputs
    return layers | pooled(inputs, embedding, 1 + len(widths))


def compact_ir(
    *, widths: Sequence[int] = (48, 96, 144, 160), units: Sequence[int] = (1, 2, 2, 1), embedding: int = 128
) -> Recognizer:
    """An improved residual network (Duta et al., ICPR 2020; InsightFace's IR): 0.22 GMAC, 1.5 M weights."""
    return Recognizer(staged(improved, nn.PReLU, 32, widths, units, embedding), name="compact_ir")


def compact_residual(
    *, widths: Sequence[int] = (32, 64, 128, 192), units: Sequence[int] = (1, 2, 2, 1), embedding: int = 128
) -> Recognizer:
    """A plain residual network with ReLU (He et al., CVPR 2016): 0.1 GMAC, 1.3 M weights."""
    return Recognizer(staged(Residual, lambda _: nn.ReLU(), 32, widths, units, embedding), name="compact_residual")


def compact_bottleneck(
    *, widths: Sequence[int] = (48, 96, 192, 320), units: Sequence[int] = (1, 2, 2, 1), embedding: int = 128
) -> Recognizer:
    """A residual network of bottlenecks (He et al., CVPR 2016): 0.05 GMAC, 0.7 M weights."""
    layers = staged(bottleneck, lambda _: nn.ReLU(), 32, widths, units, embedding)
    return Recognizer(layers, name="compact_bottleneck")


def compact_plain(
    *, widths: Sequence[int] = (32, 64, 128, 192), units: Sequence[int] = (1, 2, 2, 1), embedding: int = 128
) -> Recognizer:
    """Convolutions one behind the other, without shortcuts (Simonyan and Zisserman, ICLR 2015), with batch norm and
    PReLU: 0.1 GMAC, 1.3 M weights."""
    return Recognizer(staged(plain, nn.PReLU, 32, widths, units, embedding), name="compact_plain")


def compact_mobilenet(*, width: float = 0.5, embedding: int = 128) -> Recognizer:
    """MobileNet (Howard et al., arXiv 1704.04861) with all channels times `width`: 0.04 GMAC, 0.9 M weights at a
    half."""
    stem = max(8, round(32 * width))
    first: dict[str, nn.Module] = {
        "input": Preprocess(),
        "conv": nn.Conv2d(3, stem, 3, 2, 1, bias=False),
        "bn": nn.BatchNorm2d(stem),
        "act": nn.ReLU(),
    }
    layers: dict[str, nn.Module] = {"stem": sequence(first)}
    inputs = stem
    for n, (channels, stride) in enumerate(mobilenet.BLOCKS, start=1):
        outputs = max(8, round(channels * width))
        layers[f"block{n}"] = mobilenet.separable(inputs, outputs, stride)
        inputs = outputs
    return Recognizer(layers | pooled(inputs, embedding, 5), name="compact_mobilenet")
