"""MobileNet (Howard et al., arXiv 1704.04861) with the face head of RobFR: a depthwise filter over the last grid.

Layers, in order: ``stem``, ``block1`` .. ``block13`` (depthwise separable convolutions), ``pool`` and ``embedding``: 16
in all. Images are 112 x 112.
"""

from __future__ import annotations

from torch import nn

from bauta.recognizers.base import Preprocess, Recognizer, sequence
from bauta.recognizers.checkpoints import State, renamed

# (channels, stride) of each block
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


def separable(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Filter each channel, then mix them: both with batch norm and ReLU."""
    parts: dict[str, nn.Module] = {
        "depthwise": nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        "bn1": nn.BatchNorm2d(inputs),
        "act1": nn.ReLU(),
        "pointwise": nn.Conv2d(inputs, outputs, 1, bias=False),
        "bn2": nn.BatchNorm2d(outputs),
        "act2": nn.ReLU(),
    }
    return sequence(parts)


class MobileNet(Recognizer):
    """MobileNet of width 1, 512-d. stride: of the stem; 2 ends in a 4 x 4 grid, 1 (slower, better) in 7 x 7."""

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        stride: int = 2,
        embedding: int = 512,
        cut: int | None = None,
        name: str = "MobileNet",
    ) -> None:
        stem: dict[str, nn.Module] = {
            "input": preprocess,
            "conv": nn.Conv2d(3, 32, 3, stride, 1, bias=False),
            "bn": nn.BatchNorm2d(32),
            "act": nn.ReLU(),
        }
        layers: dict[str, nn.Module] = {"stem": sequence(stem)}
        inputs = 32
        for n, (outputs, step) in enumerate(BLOCKS, start=1):
            layers[f"block{n}"] = separable(inputs, outputs, step)
            inputs = outputs
        grid = -(-112 // (16 * stride))
        layers["pool"] = nn.Conv2d(inputs, inputs, grid, groups=inputs, bias=False)
        layers["embedding"] = nn.Conv2d(inputs, embedding, 1)
        super().__init__(layers, cut=cut, name=name)


def from_robfr(state: State) -> State:
    """Keys of RobFR's Mobilenet; its fully connected weight becomes a 1 x 1 convolution."""
    stem = {"0": "conv", "1": "bn"}
    parts = {"0": "depthwise", "1": "bn1", "3": "pointwise", "4": "bn2"}
    state = {k: v[:, :, None, None] if k == "fc.weight" else v for k, v in state.items()}
    return renamed(
        state,
        (
            (r"^model\.0\.([01])\.", lambda m: f"layers.stem.{stem[m[1]]}."),
            (r"^model\.([1-9]\d*)\.([0134])\.", lambda m: f"layers.block{m[1]}.{parts[m[2]]}."),
            (r"^linear7\.", "layers.pool."),
            (r"^fc\.", "layers.embedding."),
        ),
    )
