"""Seven emotions by mini-Xception, published as a TensorFlow.js graph."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from bauta import zoo
from bauta.estimators.base import Estimator
from bauta.estimators.tfjs import convolution, depthwise, load_tensors, read_tfjs
from bauta.estimators.xception import Convolution, Reduction, resized
from bauta.faces.datasets.lfw import EMOTIONS
from bauta.types import Images

SIDE = 64
GRAY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV makes gray of color

# The graph's names for our weights: converters number them, and batch norms are folded into the convolutions.
GRAPH = "StatefulPartitionedCall/model_1/"
FOLDED = {
    "conv2d_1/Conv2D": "stem.conv1",
    "conv2d_2/Conv2D": "stem.conv2",
    "conv2d_3/Conv2D": "block2.expansion_conv",
    "conv2d_4/Conv2D": "block3.expansion_conv",
    "separable_conv2d_1/separable_conv2d": "block2.separable_conv0.pointwise",
    "separable_conv2d_2/separable_conv2d": "block2.separable_conv1.pointwise",
    "separable_conv2d_3/separable_conv2d": "block3.separable_conv0.pointwise",
    "separable_conv2d_4/separable_conv2d": "block3.separable_conv1.pointwise",
}
NAMES = {
    "unknown_9": "block2.separable_conv0.depthwise.weight",
    "unknown_15": "block2.separable_conv1.depthwise.weight",
    "unknown_26": "block3.separable_conv0.depthwise.weight",
    "unknown_32": "block3.separable_conv1.depthwise.weight",
    "unknown_43": "head.weight",
    "unknown_44": "head.bias",
    **{f"{GRAPH}{theirs}_weights": f"{ours}.weight" for theirs, ours in FOLDED.items()},
    **{f"{GRAPH}{theirs}_bn_offset": f"{ours}.bias" for theirs, ours in FOLDED.items()},
}
AXES = f"{GRAPH}global_average_pooling2d_1/Mean/reduction_indices"  # which axes the mean is over: no weight


class Emotion(Estimator):
    """Mini-Xception (Arriaga, Valdenegro-Toro and Ploeger, arXiv 1710.07557), trained on FER-2013: seven emotions.

    Pictures of any size and color are brought to gray 64 x 64 in [-1, 1]. Its seven classes are the first seven of
    LFW's labels, in the same order; contempt, the eighth, it does not know and never guesses.
    """

    name = "emotion"
    classes: ClassVar = {"emotion": EMOTIONS[:7]}
    paper = "Arriaga, Valdenegro-Toro and Ploeger, Real-time CNNs for emotion and gender, arXiv 1710.07557"

    gray: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleDict({"conv1": nn.Conv2d(1, 32, 3, stride=2), "conv2": nn.Conv2d(32, 64, 3)})
        self.block2 = Reduction(64, 128)
        self.block3 = Reduction(128, 256)
        self.head = Convolution(256, 7, 3)
        self.register_buffer("gray", torch.tensor(GRAY).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Images) -> dict[str, Tensor]:
        """(B, 3, H, W) -> emotion (B, 7)."""
        x = 2 * (resized(images, SIDE) * self.gray).sum(1, keepdim=True) - 1
        x = self.stem["conv2"](self.stem["conv1"](x).relu()).relu()
        return {"emotion": self.head(self.block3(self.block2(x))).mean((2, 3))}


def emotion() -> Emotion:
    """The network with its published weights, frozen. Raises `MissingWeights`, `BadFile`."""
    shard, manifest = (zoo.locate(file) for file in zoo.tool(Emotion.name).files)
    network = Emotion()
    found = read_tfjs(manifest, folder=shard.parent)
    load_tensors(network, dict(_ours(*item) for item in found.items() if item[0] != AXES), manifest)
    return network.frozen()


def _ours(name: str, value: Tensor) -> tuple[str, Tensor]:
    ours = NAMES.get(name, name)
    if value.ndim == 1:
        return ours, value
    return ours, depthwise(value) if "depthwise" in ours else convolution(value)
