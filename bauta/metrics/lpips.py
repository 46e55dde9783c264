"""LPIPS, the learned perceptual distance, in plain torch: its backbones and heads are zoo records."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bauta import zoo
from bauta.errors import BadCheckpoint, ShapeError, UsageError, check_shape
from bauta.metrics.base import Metric
from bauta.metrics.perceptual import apart
from bauta.recognizers.checkpoints import read_state
from bauta.types import Images

# Backbone -> its convolutions as (channels, kernel, stride, padding), "pool" between; the layers that LPIPS compares
# are those before each pool, and with AlexNet each convolution from the third on.
Layout = tuple[tuple[int, int, int, int] | str, ...]


def _blocks(*counts: tuple[int, int]) -> Layout:
    """VGG's blocks of 3 x 3 convolutions, (how many, channels) each."""
    found: list[tuple[int, int, int, int] | str] = []
    for number, channels in counts:
        found += [*([(channels, 3, 1, 1)] * number), "pool"]
    return tuple(found[:-1])


LAYOUTS: dict[str, Layout] = {
    "vgg": _blocks((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)),
    "alex": ((64, 11, 4, 2), "pool", (192, 5, 1, 2), "pool", (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1)),
}
POOLS = {"vgg": (2, 2), "alex": (3, 2)}
COMPARED = {"vgg": (3, 8, 15, 22, 29), "alex": (1, 4, 7, 9, 11)}
SMALLEST = {"vgg": 16, "alex": 31}  # pixels; below, nothing is left after the pools

# The mean and deviation of ImageNet, for pictures in [-1, 1].
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class LPIPS(nn.Module):
    """Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric (CVPR 2018), version 0.1.

    (B, 3, H, W) in [0, 1] twice -> (B,), 0 for equal pictures; differentiable. backbone: "vgg" (VGG16) or "alex"
    (AlexNet), numbered as torchvision does; heads: five linear ones. Weights are random until they are loaded:
    `lpips(backbone)` gives it with the published ones. Raises `ShapeError`, also below 16 pixels a side (AlexNet: 31).
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: str = "vgg") -> None:
        super().__init__()
        if backbone not in LAYOUTS:
            raise UsageError(f"LPIPS's backbone must be one of {', '.join(LAYOUTS)}; got {backbone!r}.")
        self.backbone = backbone
        self.features = nn.Sequential()
        channels = 3
        for part in LAYOUTS[backbone]:
            if isinstance(part, str):
                self.features.append(nn.MaxPool2d(*POOLS[backbone]))
            else:
                width, kernel, stride, padding = part
                self.features.append(nn.Conv2d(channels, width, kernel, stride, padding)).append(nn.ReLU())
                channels = width
        widths = [m.out_channels for m in self.features if isinstance(m, nn.Conv2d)]
        places = [i for i, m in enumerate(self.features) if isinstance(m, nn.ReLU)]
        by_place = dict(zip(places, widths, strict=True))
        self.heads = nn.ParameterList([torch.ones(1, by_place[i], 1, 1) for i in COMPARED[backbone]])
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1), persistent=False)

    def forward(self, guess: Images, truth: Images) -> Tensor:
        for name, images in (("guess", guess), ("truth", truth)):
            check_shape(images, "B 3 H W", name)
        if guess.shape != truth.shape:
            raise ShapeError(f"guess must have truth's shape {tuple(truth.shape)}, got {tuple(guess.shape)}.")
        least = SMALLEST[self.backbone]
        if min(guess.shape[-2:]) < least:
            raise ShapeError(
                f"LPIPS ({self.backbone}) needs pictures of at least {least} x {least}, got {tuple(guess.shape[-2:])}."
            )
        return apart(self._maps(guess), self._maps(truth), list(self.heads))

    def _maps(self, images: Images) -> list[Tensor]:
        x = (2 * images - 1 - self.shift) / self.scale
        maps = []
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place in COMPARED[self.backbone]:
                maps.append(x)
        return maps

    def load(self, backbone: Mapping[str, Tensor], heads: Mapping[str, Tensor], origin: str) -> LPIPS:
        """Take torchvision's backbone and the heads of the authors' package; returns self, frozen."""
        wanted = {f"features.{name}": value for name, value in self.features.state_dict().items()}
        wanted |= {f"lin{i}.model.1.weight": value for i, value in enumerate(self.heads)}
        came = {**backbone, **heads}
        for name, value in wanted.items():
            if name not in came or came[name].shape != value.shape:
                found = tuple(came[name].shape) if name in came else "nothing"
                raise BadCheckpoint(f"{origin} should hold {name} of shape {tuple(value.shape)}; it holds {found}.")
        with torch.no_grad():
            for name, value in wanted.items():
                value.copy_(came[name])
        return self.eval().requires_grad_(False)


def lpips(backbone: str = "vgg") -> Metric:
    """LPIPS with its published weights as a metric, high where pictures look different. Raises `MissingWeights`."""
    network = LPIPS(backbone)
    weights, heads = (zoo.locate(file) for file in zoo.tool(f"lpips-{backbone}").files)
    network.load(read_state(weights), read_state(heads), f"{weights} with {heads}")
    return Metric(f"LPIPS ({backbone})", lambda a, b: network.to(a.device)(a, b), private_when="high")
