"""MobileFaceNet (Chen, Liu, Gao and Han, CCBR 2018) in the three forms in which its weights are published.

Layers, in order: ``stem``, ``depthwise`` (the depthwise stem), ``block1`` .. ``block15`` (inverted residuals), then
the head: three layers for the PReLU networks, four for the ReLU6 one (where the last linear map and its batch norm
are two).
"""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bauta.recognizers.base import Preprocess, Recognizer, sequence
from bauta.recognizers.checkpoints import State, mxnet_name, renamed

Activation = Callable[[int], nn.Module]

# (expansion, channels, number of blocks, stride of the first one)
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
BLOCKS = sum(stage[2] for stage in STAGES)


def relu(_: int) -> nn.Module:
    """ReLU, which needs no number of channels."""
    return nn.ReLU()


def relu6(_: int) -> nn.Module:
    """ReLU6, which needs no number of channels."""
    return nn.ReLU6()


def conv(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int] = 1,
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    act: Activation | None = None,
    eps: float = 1e-5,
) -> nn.Sequential:
    """Convolution, batch norm and, unless it is linear, the activation."""
    parts: dict[str, nn.Module] = {
        "conv": nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        "bn": nn.BatchNorm2d(outputs, eps=eps),
    }
    if act is not None:
        parts["act"] = act(outputs)
    return sequence(parts)


class Bottleneck(nn.Module):
    """Inverted residual: widen, filter each channel, narrow; added to the input where the shapes allow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, act: Activation, eps: float) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = conv(inputs, width, act=act, eps=eps)
        self.filter = conv(width, width, 3, stride=stride, padding=1, groups=width, act=act, eps=eps)
        self.project = conv(width, outputs, eps=eps)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.filter(self.expand(x)))
        return x + y if self.residual else y


def trunk(act: Activation, eps: float = 1e-5) -> dict[str, nn.Module]:
    """`block1` .. `block15`."""
    blocks: dict[str, nn.Module] = {}
    inputs = 64
    for expansion, outputs, number, first in STAGES:
        for n in range(number):
            blocks[f"block{len(blocks) + 1}"] = Bottleneck(inputs, outputs, expansion, first if n == 0 else 1, act, eps)
            inputs = outputs
    return blocks


class MobileFaceNet(Recognizer):
    """MobileFaceNet with PReLU, as MXNet-derived and ArcFace-trained checkpoints have it: 20 layers, 128-d.

    preprocess: the network's own input, also its size: a 112 x 96 one ends in a 7 x 6 filter.
    eps: of the batch norms (MXNet's default is 1e-3); head_eps: of the last one.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        embedding: int = 128,
        grid: tuple[int, int] = (7, 7),
        eps: float = 1e-5,
        head_eps: float = 1e-5,
        cut: int | None = None,
        name: str = "MobileFaceNet",
    ) -> None:
        layers = {
            "stem": sequence(
                {"input": preprocess, **named(conv(3, 64, 3, stride=2, padding=1, act=nn.PReLU, eps=eps))}
            ),
            "depthwise": conv(64, 64, 3, padding=1, groups=64, act=nn.PReLU, eps=eps),
            **trunk(nn.PReLU, eps),
            "widen": conv(128, 512, act=nn.PReLU, eps=eps),
            "pool": conv(512, 512, grid, groups=512, eps=eps),
            "embedding": conv(512, embedding, eps=head_eps),
        }
        super().__init__(layers, cut=cut, name=name)


class MobileFaceNetReLU6(Recognizer):
    """MobileFaceNet with ReLU6 (plain ReLU in the depthwise stem) and a biased linear map under its last batch norm.

    21 layers, 128-d.
    """

    def __init__(
        self, preprocess: Preprocess, *, embedding: int = 128, cut: int | None = None, name: str = "MobileFaceNetReLU6"
    ) -> None:
        layers = {
            "stem": sequence({"input": preprocess, **named(conv(3, 64, 3, stride=2, padding=1, act=relu6))}),
            "depthwise": nn.Sequential(
                conv(64, 64, 3, padding=1, groups=64, act=relu),
                conv(64, 64, act=relu),
            ),
            **trunk(relu6),
            "widen": conv(128, 512, act=relu6),
            "pool": conv(512, 512, 7, groups=512),
            "linear": nn.Conv2d(512, embedding, 1),
            "embedding": nn.BatchNorm2d(embedding),
        }
        super().__init__(layers, cut=cut, name=name)


def named(module: nn.Module) -> dict[str, nn.Module]:
    """A module's children by name."""
    return dict(module.named_children())


# Checkpoint layouts: their keys -> ours. A bottleneck's eight foreign modules, in order, are these of ours.
SEQUENCE = (
    "expand.conv",
    "expand.bn",
    "expand.act",
    "filter.conv",
    "filter.bn",
    "filter.act",
    "project.conv",
    "project.bn",
)


def from_xiaoccer(state: State) -> State:
    """Keys of Xiaoccer/MobileFaceNet_Pytorch, and of RobFR's MobileFace."""
    return renamed(
        state,
        (
            (r"^conv1\.prelu", "layers.stem.act"),
            (r"^conv1\.", "layers.stem."),
            (r"^dw_conv1\.prelu", "layers.depthwise.act"),
            (r"^dw_conv1\.", "layers.depthwise."),
            (r"^blocks\.(\d+)\.conv\.(\d)", lambda m: f"layers.block{int(m[1]) + 1}.{SEQUENCE[int(m[2])]}"),
            (r"^conv2\.prelu", "layers.widen.act"),
            (r"^conv2\.", "layers.widen."),
            (r"^linear7\.", "layers.pool."),
            (r"^linear1\.", "layers.embedding."),
        ),
    )


def from_foamliu(state: State) -> State:
    """Keys of foamliu/MobileFaceNet."""
    ours = ("conv", "bn")
    return renamed(
        state,
        (
            (r"^conv1\.(\d)", lambda m: f"layers.stem.{ours[int(m[1])]}"),
            (r"^dw_conv\.depthwise", "layers.depthwise.0.conv"),
            (r"^dw_conv\.bn1", "layers.depthwise.0.bn"),
            (r"^dw_conv\.pointwise", "layers.depthwise.1.conv"),
            (r"^dw_conv\.bn2", "layers.depthwise.1.bn"),
            (r"^features\.(\d+)\.conv\.0\.(\d)", lambda m: f"layers.block{int(m[1]) + 1}.expand.{ours[int(m[2])]}"),
            (r"^features\.(\d+)\.conv\.1\.(\d)", lambda m: f"layers.block{int(m[1]) + 1}.filter.{ours[int(m[2])]}"),
            (r"^features\.(\d+)\.conv\.([23])", lambda m: f"layers.block{int(m[1]) + 1}.project.{ours[int(m[2]) - 2]}"),
            (r"^conv2\.(\d)", lambda m: f"layers.widen.{ours[int(m[1])]}"),
            (r"^gdconv\.depthwise", "layers.pool.conv"),
            (r"^gdconv\.bn", "layers.pool.bn"),
            (r"^conv3\.", "layers.linear."),
            (r"^bn\.", "layers.embedding."),
        ),
    )


def from_insightface_y1(state: State) -> State:
    """Names of InsightFace's y1 network in MXNet; its fully connected weight becomes a 1 x 1 convolution."""
    starts = {"dconv_23": 1, "res_3_block": 2, "dconv_34": 6, "res_4_block": 7, "dconv_45": 13, "res_5_block": 14}
    parts = {"sep": "expand", "dw": "filter", "proj": "project"}
    kinds = {"conv2d": "conv", "batchnorm": "bn", "relu": "act"}

    def block(m: re.Match[str]) -> str:
        return f"layers.block{starts[m[1]] + int(m[2] or 0)}.{parts[m[3]]}.{kinds[m[4]]}."

    def layer(name: str) -> Callable[[re.Match[str]], str]:
        return lambda m: f"layers.{name}.{kinds[m[1]]}."

    result = renamed(
        {mxnet_name(k): v for k, v in state.items() if k != "fc1_weight"},
        (
            (r"^(dconv_\d+|res_\d_block)(\d*)_conv_(sep|dw|proj)_(conv2d|batchnorm|relu)_", block),
            (r"^conv_1_(conv2d|batchnorm|relu)_", layer("stem")),
            (r"^conv_2_dw_(conv2d|batchnorm|relu)_", layer("depthwise")),
            (r"^conv_6sep_(conv2d|batchnorm|relu)_", layer("widen")),
            (r"^conv_6dw7_7_(conv2d|batchnorm|relu)_", layer("pool")),
            (r"^fc1_", "layers.embedding.bn."),
        ),
    )
    # The graph calls the linear map's weight fc1_weight and the batch norm's gamma (fixed at 1) fc1_gamma. A bias under
    # a batch norm only moves its mean: Wx + b - mean = Wx - (mean - b).
    result["layers.embedding.conv.weight"] = state["fc1_weight"][:, :, None, None]
    result["layers.embedding.bn.weight"] = torch.ones_like(state["fc1_gamma"])
    result["layers.embedding.bn.running_mean"] = state["fc1_moving_mean"] - result.pop("pre_fc1_bias")
    return result
