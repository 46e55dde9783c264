"""ResNet-50, 101 and 152 (He, Zhang, Ren and Sun, CVPR 2016) with the face head of face.evoLVe, TFace and RobFR.

Layers, in order: ``stem`` (with its pooling), ``stage1_block1`` .. ``stage4_block3``, ``norm``, ``linear`` and
``embedding``: 20 in all for depth 50. Images are 112 x 112, so that the head covers a 4 x 4 grid.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bauta.recognizers.base import Preprocess, Recognizer, sequence
from bauta.recognizers.checkpoints import State, as_convolution, renamed
from bauta.recognizers.iresnet import projection, unit_names

UNITS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4
GRID = 4


def bottleneck(inputs: int, inner: int, outputs: int, stride: int) -> nn.Sequential:
    """1 x 1, 3 x 3, 1 x 1: narrow, filter, widen; the middle one strides, and none but the last is without ReLU."""
    return sequence(
        {
            "conv1": nn.Conv2d(inputs, inner, 1, bias=False),
            "bn1": nn.BatchNorm2d(inner),
            "act1": nn.ReLU(),
            "conv2": nn.Conv2d(inner, inner, 3, stride, 1, bias=False),
            "bn2": nn.BatchNorm2d(inner),
            "act2": nn.ReLU(),
            "conv3": nn.Conv2d(inner, outputs, 1, bias=False),
            "bn3": nn.BatchNorm2d(outputs),
        }
    )


class Bottleneck(nn.Module):
    """`bottleneck`, added to a shortcut; ReLU comes after the sum."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * EXPANSION
        self.residual = bottleneck(inputs, width, outputs, stride)
        self.shortcut = projection(inputs, outputs, stride) if stride != 1 or inputs != outputs else nn.Identity()
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.residual(x) + self.shortcut(x))
        return y


class ResNetFace(Recognizer):
    """ResNet of bottlenecks, 512-d: `units` is ``UNITS[depth]``."""

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        units: Sequence[int] = UNITS[50],
        embedding: int = 512,
        cut: int | None = None,
        name: str = "ResNetFace",
    ) -> None:
        stem: dict[str, nn.Module] = {
            "input": preprocess,
            "conv": nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            "bn": nn.BatchNorm2d(64),
            "act": nn.ReLU(),
            "pool": nn.MaxPool2d(3, 2, 1),
        }
        layers: dict[str, nn.Module] = {"stem": sequence(stem)}
        names = iter(unit_names(units))
        inputs = 64
        for stage, (width, number) in enumerate(zip(WIDTHS, units, strict=True)):
            for n in range(number):
                layers[next(names)] = Bottleneck(inputs, width, 2 if stage and n == 0 else 1)
                inputs = width * EXPANSION
        layers["norm"] = nn.BatchNorm2d(inputs)
        layers["linear"] = nn.Conv2d(inputs, embedding, GRID)
        layers["embedding"] = nn.BatchNorm2d(embedding)
        super().__init__(layers, cut=cut, name=name)


def from_model_resnet(state: State) -> State:
    """Keys of `model_resnet` (face.evoLVe, TFace, RobFR); its fully connected weight becomes a 4 x 4 convolution."""
    return renamed(
        as_convolution(state, "fc.weight", GRID),
        (
            (r"^layer(\d)\.(\d+)\.downsample", lambda m: f"layers.stage{m[1]}_block{int(m[2]) + 1}.shortcut"),
            (r"^layer(\d)\.(\d+)\.", lambda m: f"layers.stage{m[1]}_block{int(m[2]) + 1}.residual."),
            (r"^(conv|bn)1\.", r"layers.stem.\1."),
            (r"^bn_o1\.", "layers.norm."),
            (r"^fc\.", "layers.linear."),
            (r"^bn_o2\.", "layers.embedding."),
        ),
    )
