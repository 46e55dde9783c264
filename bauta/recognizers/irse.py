"""IR and IR-SE networks in the `model_irse` layout of face.evoLVe, InsightFace_Pytorch, RobFR and TFace.

The same plan as `iresnet`, in two dialects. face.evoLVe's (also InsightFace_Pytorch's and RobFR's) has no batch norm
between a unit's two convolutions. TFace's has one, makes its 152 and 200 of bottlenecks four times as wide, and ends in
a batch norm without weights. In both, a shortcut that only strides takes every second pixel instead of projecting.
IR-SE adds squeeze and excitation (Hu, Shen and Sun, CVPR 2018) to each unit. Upstream calls depth 100 "IR_101".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bauta.recognizers import iresnet
from bauta.recognizers.base import Preprocess, Recognizer
from bauta.recognizers.checkpoints import State, as_convolution, renamed

EVOLVE_UNITS = {50: iresnet.UNITS[50], 100: iresnet.UNITS[100], 152: (3, 8, 36, 3)}
TFACE_UNITS = dict(iresnet.UNITS)
BOTTLENECK_UNITS = {152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}
BOTTLENECK_WIDTHS = (256, 512, 1024, 2048)


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from all channels' means."""

    def __init__(self, width: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // reduction, 1, bias=False)
        self.fc2 = nn.Conv2d(width // reduction, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))))
        return x * gate


def lean(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """face.evoLVe's residual branch: no batch norm between the two convolutions."""
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
        nn.PReLU(outputs),
        nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
    )


def bottleneck(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """TFace's residual branch of the deepest networks: narrow, filter, widen; the last convolution strides."""
    width = outputs // 4
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.Conv2d(inputs, width, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.PReLU(width),
        nn.Conv2d(width, width, 3, 1, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.PReLU(width),
        nn.Conv2d(width, outputs, 1, stride, bias=False),
        nn.BatchNorm2d(outputs),
    )


def squeezed(residual: iresnet.Branch) -> iresnet.Branch:
    """`residual` with squeeze and excitation behind it."""

    def branch(inputs: int, outputs: int, stride: int) -> nn.Module:
        result = residual(inputs, outputs, stride)
        result.add_module("se", SqueezeExcite(outputs))
        return result

    return branch


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A projection only where the width changes; else every `stride`-th pixel."""
    if inputs != outputs:
        return iresnet.projection(inputs, outputs, stride)
    return nn.MaxPool2d(1, stride) if stride != 1 else nn.Identity()


class EvolveIR(Recognizer):
    """face.evoLVe's IR-50, 100 and 152: `units` is ``EVOLVE_UNITS[depth]``; ``squeezed(lean)`` makes it an IR-SE."""

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        units: Sequence[int] = EVOLVE_UNITS[50],
        residual: iresnet.Branch = lean,
        embedding: int = 512,
        cut: int | None = None,
        name: str = "EvolveIR",
    ) -> None:
        layers = iresnet.layers(preprocess, units, embedding, residual=residual, shortcut=shortcut)
        super().__init__(layers, cut=cut, name=name)


class TFaceIR(Recognizer):
    """TFace's IR-18, 34, 50 and 100; with `bottleneck` and `BOTTLENECK_WIDTHS`, its 152 and 200."""

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        units: Sequence[int] = TFACE_UNITS[50],
        residual: iresnet.Branch = iresnet.residual,
        widths: Sequence[int] = iresnet.WIDTHS,
        embedding: int = 512,
        cut: int | None = None,
        name: str = "TFaceIR",
    ) -> None:
        layers = iresnet.layers(preprocess, units, embedding, residual=residual, shortcut=shortcut, widths=widths)
        layers["embedding"] = nn.BatchNorm2d(embedding, affine=False)
        super().__init__(layers, cut=cut, name=name)


def from_irse(state: State, units: Sequence[int]) -> State:
    """Keys of `model_irse`, either dialect; units count through all stages, so `units` says where each one begins."""
    names = iresnet.unit_names(units)
    parts = ("conv", "bn", "act")

    def unit(m: re.Match[str]) -> str:
        return f"layers.{names[int(m[1])]}." if int(m[1]) < len(names) else m[0]

    inside = (
        (r"\.res_layer\.(se_block|\d+)\.(fc\d)\.", r".residual.se.\2."),
        (r"\.res_layer\.", ".residual."),
        (r"\.shortcut_layer\.", ".shortcut."),
    )
    outside = (
        (r"^body\.(\d+)\.", unit),
        (r"^input_layer\.(\d)\.", lambda m: f"layers.stem.{parts[int(m[1])]}."),
        (r"^output_layer\.0\.", "layers.norm."),
        (r"^output_layer\.3\.", "layers.linear."),
        (r"^output_layer\.4\.", "layers.embedding."),
    )
    return renamed(renamed(as_convolution(state, "output_layer.3.weight", iresnet.GRID), inside), outside)
