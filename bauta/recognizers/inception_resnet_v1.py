"""Inception-ResNet v1 (Szegedy, Ioffe, Vanhoucke and Alemi, AAAI 2017): FaceNet as facenet-pytorch publishes it.

Layers, in order: ``stem``, ``conv2`` .. ``conv6`` with ``pool3`` after the third, ``block35_1`` .. ``block35_5``,
``reduction_a``, ``block17_1`` .. ``block17_10``, ``reduction_b``, ``block8_1`` .. ``block8_6``, ``pool``, ``linear``
and ``embedding``: 33 in all. The published networks take RGB, 160 x 160, (x255 - 127.5) / 128, of a looser crop than
the 112 x 112 template; a `Preprocess` that resizes the template runs, but is not what they were trained on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bauta.recognizers.base import Preprocess, Recognizer, sequence
from bauta.recognizers.checkpoints import State, renamed

Size = int | tuple[int, int]


def conv(inputs: int, outputs: int, kernel: Size = 1, *, stride: int = 1, padding: Size = 0) -> nn.Sequential:
    """Convolution, batch norm (TensorFlow's eps) and ReLU."""
    parts: dict[str, nn.Module] = {
        "conv": nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        "bn": nn.BatchNorm2d(outputs, eps=1e-3),
        "act": nn.ReLU(),
    }
    return sequence(parts)


class Branches(nn.Module):
    """Parallel branches, their channels side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Residual(Branches):
    """Branches, mixed back to the input's width, scaled and added to it."""

    def __init__(self, *branches: nn.Module, mixed: int, width: int, scale: float, act: nn.Module) -> None:
        super().__init__(*branches)
        self.project = nn.Conv2d(mixed, width, 1)
        self.scale = scale
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.project(super().forward(x)) * self.scale + x)
        return y


def block35() -> Residual:
    """Inception-ResNet-A, at 35 x 35 in the paper."""
    return Residual(
        conv(256, 32),
        nn.Sequential(conv(256, 32), conv(32, 32, 3, padding=1)),
        nn.Sequential(conv(256, 32), conv(32, 32, 3, padding=1), conv(32, 32, 3, padding=1)),
        mixed=96, width=256, scale=0.17, act=nn.ReLU(),
    )  # fmt: skip


def block17() -> Residual:
    """Inception-ResNet-B, at 17 x 17 in the paper: a 7 x 7 filter in two strips."""
    strips = nn.Sequential(
        conv(896, 128), conv(128, 128, (1, 7), padding=(0, 3)), conv(128, 128, (7, 1), padding=(3, 0))
    )
    return Residual(conv(896, 128), strips, mixed=256, width=896, scale=0.1, act=nn.ReLU())


def block8(scale: float, act: nn.Module) -> Residual:
    """Inception-ResNet-C, at 8 x 8 in the paper: a 3 x 3 filter in two strips."""
    strips = nn.Sequential(
        conv(1792, 192), conv(192, 192, (1, 3), padding=(0, 1)), conv(192, 192, (3, 1), padding=(1, 0))
    )
    return Residual(conv(1792, 192), strips, mixed=384, width=1792, scale=scale, act=act)


def reduction_a() -> Branches:
    """256 channels to 896, on half the grid."""
    return Branches(
        conv(256, 384, 3, stride=2),
        nn.Sequential(conv(256, 192), conv(192, 192, 3, padding=1), conv(192, 256, 3, stride=2)),
        nn.MaxPool2d(3, 2),
    )


def reduction_b() -> Branches:
    """896 channels to 1792, on half the grid."""
    return Branches(
        nn.Sequential(conv(896, 256), conv(256, 384, 3, stride=2)),
        nn.Sequential(conv(896, 256), conv(256, 256, 3, stride=2)),
        nn.Sequential(conv(896, 256), conv(256, 256, 3, padding=1), conv(256, 256, 3, stride=2)),
        nn.MaxPool2d(3, 2),
    )


class InceptionResnetV1(Recognizer):
    """FaceNet as facenet-pytorch has it, 512-d; the classifier of its training is no part of it."""

    def __init__(
        self, preprocess: Preprocess, *, embedding: int = 512, cut: int | None = None, name: str = "InceptionResnetV1"
    ) -> None:
        layers: dict[str, nn.Module] = {
            "stem": sequence({"input": preprocess, **dict(conv(3, 32, 3, stride=2).named_children())}),
            "conv2": conv(32, 32, 3),
            "conv3": conv(32, 64, 3, padding=1),
            "pool3": nn.MaxPool2d(3, 2),
            "conv4": conv(64, 80),
            "conv5": conv(80, 192, 3),
            "conv6": conv(192, 256, 3, stride=2),
            **{f"block35_{n}": block35() for n in range(1, 6)},
            "reduction_a": reduction_a(),
            **{f"block17_{n}": block17() for n in range(1, 11)},
            "reduction_b": reduction_b(),
            **{f"block8_{n}": block8(0.2, nn.ReLU()) for n in range(1, 6)},
            "block8_6": block8(1.0, nn.Identity()),
            "pool": nn.AdaptiveAvgPool2d(1),
            "linear": nn.Conv2d(1792, embedding, 1, bias=False),
            "embedding": nn.BatchNorm2d(embedding, eps=1e-3),
        }
        super().__init__(layers, cut=cut, name=name)


STEM = {"1a": "stem", "2a": "conv2", "2b": "conv3", "3b": "conv4", "4a": "conv5", "4b": "conv6"}
REPEATS = {"1": "block35", "2": "block17", "3": "block8"}


def from_facenet_pytorch(state: State) -> State:
    """Keys of facenet-pytorch; the classifier is dropped, and the last linear weight becomes a 1 x 1 convolution."""
    kept = {
        k: v[:, :, None, None] if k == "last_linear.weight" else v
        for k, v in state.items()
        if not k.startswith("logits.")
    }
    inside = ((r"\.branch(\d)\.", r".branches.\1."), (r"(?<=\.)conv2d\.(weight|bias)$", r"project.\1"))
    outside = (
        (r"^conv2d_(1a|2a|2b|3b|4a|4b)\.", lambda m: f"layers.{STEM[m[1]]}."),
        (r"^repeat_([123])\.(\d+)\.", lambda m: f"layers.{REPEATS[m[1]]}_{int(m[2]) + 1}."),
        (r"^block8\.", "layers.block8_6."),
        (r"^mixed_6a\.", "layers.reduction_a."),
        (r"^mixed_7a\.", "layers.reduction_b."),
        (r"^last_linear\.", "layers.linear."),
        (r"^last_bn\.", "layers.embedding."),
    )
    return renamed(renamed(kept, inside), outside)
