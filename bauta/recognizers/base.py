"""A face recognizer as a network that can be cut in two: the client's part and the server's."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import UsageError, check_shape
from bauta.types import Features, Images, Templates


class Preprocess(nn.Module):
    """RGB in [0, 1] -> what a network was trained on. It belongs to the recognizer's own first layer.

    mean, std: in units of [0, 1], one number or one a channel (in the network's own channel order).
    size: (height, width) to resize to, or None. columns: half-open range of columns to keep, or None.
    bgr: whether the network wants blue first.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: tuple[float, ...] = (0.5,),
        std: tuple[float, ...] = (0.5,),
        *,
        size: tuple[int, int] | None = None,
        columns: tuple[int, int] | None = None,
        bgr: bool = False,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.size, self.columns, self.bgr = size, columns, bgr

    def forward(self, images: Images) -> Tensor:
        x = images.flip(1) if self.bgr else images
        if self.size is not None and tuple(x.shape[-2:]) != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", align_corners=False, antialias=True)
        if self.columns is not None:
            x = x[..., self.columns[0] : self.columns[1]]
        return (x - self.mean) / self.std


def sequence(parts: Mapping[str, nn.Module]) -> nn.Sequential:
    """The parts in order, under their names."""
    return nn.Sequential(OrderedDict(parts))


class Recognizer(nn.Module):
    """A face recognizer: named layers in order, cut after the first `cut` of them.

    layers: name -> module; every layer maps (B, C, h, w) to (B, C', h', w'), and the last one gives
    (B, D, 1, 1), so that the network can be cut anywhere, also at the embedding. The first layer takes
    RGB images in [0, 1] and does its own normalization and cropping.
    cut: how many layers the client holds, 1 to len(layers); the default is the embedding.
    """

    def __init__(self, layers: Mapping[str, nn.Module], *, cut: int | None = None, name: str = "unnamed") -> None:
        super().__init__()
        self.layers = sequence(layers)
        self.name = name
        self.cut = self._checked(len(self.layers) if cut is None else cut)

    def _checked(self, cut: int) -> int:
        if not 1 <= cut <= len(self.layers):
            raise UsageError(
                f"{self.name} has {len(self.layers)} layers, so a cut must lie in 1..{len(self.layers)}; got {cut}."
            )
        return cut

    def features(self, images: Images) -> Features:
        """The client's part: images (B, 3, H, W) in [0, 1] -> features (B, C, h, w) at the cut."""
        check_shape(images, "B 3 H W", "images")
        for layer in list(self.layers)[: self.cut]:
            images = layer(images)
        return images

    def feature_maps(self, images: Images) -> list[Features]:
        """The output of each client layer, shallowest first; the last one is `features(images)`."""
        check_shape(images, "B 3 H W", "images")
        maps = [images]
        for layer in list(self.layers)[: self.cut]:
            maps.append(layer(maps[-1]))
        return maps[1:]

    def embedding(self, features: Features) -> Tensor:
        """The server's part before its rows are made unit: features at the cut -> (B, D), as a loss wants them."""
        check_shape(features, "B C h w", "features")
        for layer in list(self.layers)[self.cut :]:
            features = layer(features)
        return features.flatten(1)

    def templates(self, features: Features) -> Templates:
        """The server's part: features at the cut -> unit rows (B, D)."""
        return F.normalize(self.embedding(features))

    def embed(self, images: Images) -> Templates:
        """Images -> templates, through both parts."""
        return self.templates(self.features(images))

    def forward(self, images: Images) -> Templates:
        return self.embed(images)

    def at_cut(self, cut: int) -> Self:
        """The same weights (shared, not copied), cut after `cut` layers."""
        other = copy.copy(self)
        other.cut = self._checked(cut)
        return other

    def layer_names(self) -> list[str]:
        """Names of the layers, in order: `layer_names()[cut - 1]` is the last one the client holds."""
        return [name for name, _ in self.layers.named_children()]

    @property
    def columns(self) -> tuple[int, int] | None:
        """The half-open range of a picture's columns that the network looks at; None where it sees all."""
        return next((part.columns for part in self.layers.modules() if isinstance(part, Preprocess)), None)

    def frozen(self) -> Self:
        """Self, in evaluation mode and without gradients for its weights: how every attack and study uses it."""
        return self.eval().requires_grad_(False)
