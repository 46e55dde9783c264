"""Age and gender by face-api.js: a small Xception, published as quantized TensorFlow.js weights."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from bauta import zoo
from bauta.estimators.base import Estimator
from bauta.estimators.tfjs import convolution, depthwise, load_tensors, read_tfjs
from bauta.estimators.xception import Convolution, Middle, Reduction, Separable, resized
from bauta.types import Images

SIDE = 112
MEAN = (122.782, 117.001, 104.298)  # of 255; the makers' own code divides by 256 after it, which changes nothing
ENDS = {"depthwise_filter": "depthwise.weight", "pointwise_filter": "pointwise.weight", "filters": "weight"}


class AgeGender(Estimator):
    """TinyXception of face-api.js (Mühler, 2019; weights from vladmandic/face-api): age in years and gender.

    Pictures of any size are brought to 112 x 112. It was trained on faces with much around them: on UTKFace's own
    chips it errs by 4.1 years and reads 91 % of the genders, on the same faces aligned tightly by 5.2 years and 87 %.
    """

    name = "age-gender"
    classes: ClassVar = {"age": (), "gender": ("male", "female")}
    paper = "none: justadudewhohacks/face-api.js 0.21, README"
    seen = "its makers trained on four fifths of UTKFace, and on other sets: may have seen these faces"

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.entry_flow = nn.ModuleDict(
            {
                "conv_in": Convolution(3, 32, 3, stride=2),
                "reduction_block_0": Reduction(32, 64),
                "reduction_block_1": Reduction(64, 128),
            }
        )
        self.middle_flow = nn.ModuleDict({"main_block_0": Middle(128), "main_block_1": Middle(128)})
        self.exit_flow = nn.ModuleDict({"reduction_block": Reduction(128, 256), "separable_conv": Separable(256, 512)})
        self.fc = nn.ModuleDict({"age": nn.Linear(512, 1), "gender": nn.Linear(512, 2)})
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) / 255, persistent=False)

    def forward(self, images: Images) -> dict[str, Tensor]:
        """(B, 3, H, W) -> age (B, 1) in years, gender (B, 2)."""
        x = self.entry_flow["conv_in"](resized(images, SIDE) - self.mean).relu()
        x = self.entry_flow["reduction_block_1"](self.entry_flow["reduction_block_0"](x))
        x = self.middle_flow["main_block_1"](self.middle_flow["main_block_0"](x))
        x = self.exit_flow["separable_conv"](self.exit_flow["reduction_block"](x))
        pooled = x.relu().mean((2, 3))
        return {name: head(pooled) for name, head in self.fc.items()}


def age_gender() -> AgeGender:
    """The network with its published weights, frozen. Raises `MissingWeights`, `BadFile`."""
    shard, manifest = (zoo.locate(file) for file in zoo.tool(AgeGender.name).files)
    network = AgeGender()
    state = dict(_ours(*item) for item in read_tfjs(manifest, folder=shard.parent).items())
    load_tensors(network, state, manifest)
    return network.frozen()


def _ours(name: str, value: Tensor) -> tuple[str, Tensor]:
    """``entry_flow/conv_in/filters`` -> ``entry_flow.conv_in.weight``, and the tensor in torch's layout."""
    *path, end = name.split("/")
    if end == "bias":
        end = "pointwise.bias" if path[-1].startswith("separable") else "bias"
    elif end == "depthwise_filter":
        value = depthwise(value)
    else:
        value = convolution(value)
    return ".".join((*path, ENDS.get(end, "weight" if end == "weights" else end))), value
