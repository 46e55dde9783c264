"""MobileFace V3 (becauseofAI/MobileFace): a small plain residual network, PReLU and no batch norm in its trunk.

Seventeen convolutions, 256-d. Layers, in order: ``stem``, then ``down`` and ``residual`` of four stages, then
``embedding``: ten in all.
"""

from __future__ import annotations

import re

from torch import Tensor, nn

from bauta.recognizers.base import Preprocess, Recognizer, sequence
from bauta.recognizers.checkpoints import State, mxnet_name

WIDTHS = (32, 32, 64, 128)


class Residual(nn.Module):
    """Two depthwise convolutions, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, 1, 1, groups=width, bias=False)
        self.act1 = nn.PReLU(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, groups=width, bias=False)
        self.act2 = nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act2(self.conv2(self.act1(self.conv1(x))))
        return x + y


def down(inputs: int, width: int) -> nn.Sequential:
    """Pointwise, then strided depthwise convolution: halves the grid."""
    parts: dict[str, nn.Module] = {
        "pointwise": nn.Conv2d(inputs, width, 1, bias=False),
        "depthwise": nn.Conv2d(width, width, 3, 2, 1, groups=width, bias=False),
        "act": nn.PReLU(width),
    }
    return sequence(parts)


class MobileFaceV3(Recognizer):
    """MobileFace Identification V3, on 112 x 112 images."""

    def __init__(
        self, preprocess: Preprocess, *, embedding: int = 256, cut: int | None = None, name: str = "MobileFaceV3"
    ) -> None:
        stem: dict[str, nn.Module] = {
            "input": preprocess,
            "conv": nn.Conv2d(3, WIDTHS[0], 3, 2, 1, bias=False),
            "act": nn.PReLU(WIDTHS[0]),
        }
        layers: dict[str, nn.Module] = {"stem": sequence(stem)}
        inputs = WIDTHS[0]
        for stage, width in enumerate(WIDTHS, start=1):
            layers[f"stage{stage}_down"] = down(inputs, width)
            layers[f"stage{stage}_residual"] = Residual(width)
            inputs = width
        head: dict[str, nn.Module] = {
            "linear": nn.Conv2d(inputs, embedding, 4, bias=False),
            "bn": nn.BatchNorm2d(embedding, eps=1e-3),
        }
        layers["embedding"] = sequence(head)
        super().__init__(layers, cut=cut, name=name)


def from_mxnet_v3(state: State) -> State:
    """Names of the published MXNet graph; its fully connected weight becomes a 4 x 4 convolution."""
    ours = {
        "conv0_0": "down.pointwise",
        "conv0_1": "down.depthwise",
        "prelu0": "down.act",
        "conv1": "residual.conv1",
        "prelu1": "residual.act1",
        "conv2": "residual.conv2",
        "prelu2": "residual.act2",
    }
    result: State = {}
    for name, value in state.items():
        key = mxnet_name(name)
        unit = re.match(r"stage(\d)_unit1_(\w+?)_weight$", key)
        if unit:
            key = f"layers.stage{unit[1]}_{ours[unit[2]]}.weight"
        elif key == "fc5_weight":
            key, value = "layers.embedding.linear.weight", value.view(len(value), -1, 4, 4)
        else:
            key = re.sub(r"^conv1_", "layers.stem.conv.", key)
            key = re.sub(r"^prelu1_", "layers.stem.act.", key)
            key = re.sub(r"^batchnorm0_", "layers.embedding.bn.", key)
        result[key] = value
    return result
