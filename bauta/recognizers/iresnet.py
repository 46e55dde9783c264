"""IResNet: the residual networks of ArcFace (Deng, Guo, Xue and Zafeiriou, CVPR 2019) as InsightFace publishes them.

Layers, in order: ``stem``, ``stage1_block1`` .. ``stage4_blockN``, then ``norm``, ``linear`` and ``embedding``: 12 in
all for depth 18, 28 for depth 50. Images are 112 x 112; the published networks take RGB, (x - 0.5) / 0.5. Dropout,
which does nothing in evaluation, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from bauta.recognizers.base import Preprocess, Recognizer, sequence
from bauta.recognizers.checkpoints import State, as_convolution, renamed

UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}
WIDTHS = (64, 128, 256, 512)
GRID = 7

Branch = Callable[[int, int, int], nn.Module]  # (channels in, channels out, stride) -> module


class Unit(nn.Module):
    """A residual branch, added to a shortcut."""

    def __init__(self, residual: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.residual = residual
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.residual(x) + self.shortcut(x)
        return y


def residual(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Batch norm before, between and after two 3 x 3 convolutions; the second one strides."""
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.PReLU(outputs),
        nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
    )


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """A shortcut that changes the shape: 1 x 1 convolution and batch norm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A projection wherever the shape changes, also where only the stride does."""
    return projection(inputs, outputs, stride) if stride != 1 or inputs != outputs else nn.Identity()


def unit_names(units: Sequence[int]) -> list[str]:
    """Names of the units of all stages, in order: `units` says how many each stage has."""
    return [f"stage{s}_block{n}" for s, number in enumerate(units, 1) for n in range(1, number + 1)]


def layers(
    preprocess: Preprocess,
    units: Sequence[int],
    embedding: int,
    *,
    residual: Branch = residual,
    shortcut: Branch = shortcut,
    widths: Sequence[int] = WIDTHS,
) -> dict[str, nn.Module]:
    """All layers of an improved residual network: each stage halves the grid, 112 to 7; the head covers it."""
    stem: dict[str, nn.Module] = {
        "input": preprocess,
        "conv": nn.Conv2d(3, 64, 3, 1, 1, bias=False),
        "bn": nn.BatchNorm2d(64),
        "act": nn.PReLU(64),
    }
    shapes = [(width, 2 if n == 0 else 1) for width, number in zip(widths, units, strict=True) for n in range(number)]
    found: dict[str, nn.Module] = {"stem": sequence(stem)}
    inputs = 64
    for name, (outputs, stride) in zip(unit_names(units), shapes, strict=True):
        found[name] = Unit(residual(inputs, outputs, stride), shortcut(inputs, outputs, stride))
        inputs = outputs
    found["norm"] = nn.BatchNorm2d(inputs)
    found["linear"] = nn.Conv2d(inputs, embedding, GRID)
    found["embedding"] = nn.BatchNorm2d(embedding)
    return found


class IResNet(Recognizer):
    """InsightFace's IR-18, 34, 50 and 100, 512-d: `units` is ``UNITS[depth]``."""

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        units: Sequence[int] = UNITS[50],
        embedding: int = 512,
        cut: int | None = None,
        name: str = "IResNet",
    ) -> None:
        super().__init__(layers(preprocess, units, embedding), cut=cut, name=name)


# A unit's modules as InsightFace names them, in the order of `residual`.
PARTS = ("bn1", "conv1", "bn2", "prelu", "conv2", "bn3")


def from_insightface(state: State) -> State:
    """Keys of InsightFace's arcface_torch; its fully connected weight becomes a 7 x 7 convolution."""
    return renamed(
        as_convolution(state, "fc.weight", GRID),
        (
            (
                rf"^layer(\d)\.(\d+)\.({'|'.join(PARTS)})\.",
                lambda m: f"layers.stage{m[1]}_block{int(m[2]) + 1}.residual.{PARTS.index(m[3])}.",
            ),
            (r"^layer(\d)\.(\d+)\.downsample", lambda m: f"layers.stage{m[1]}_block{int(m[2]) + 1}.shortcut"),
            (r"^conv1\.", "layers.stem.conv."),
            (r"^bn1\.", "layers.stem.bn."),
            (r"^prelu\.", "layers.stem.act."),
            (r"^bn2\.", "layers.norm."),
            (r"^fc\.", "layers.linear."),
            (r"^features\.", "layers.embedding."),
        ),
    )
