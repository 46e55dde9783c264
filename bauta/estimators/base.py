"""What an attribute network promises: pictures in, a guess for each of its attributes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from bauta.types import Faces, Images

# For whoever prints a third party's figures: nobody here can rule it out.
MAY_HAVE_SEEN = "may have seen these faces"


class Estimator(nn.Module, ABC):
    """A network that reads attributes off a face.

    classes: attribute -> names of its values, in the order of the labels in `Faces.attributes`; no names for a quantity
    ("age", in years). paper: where it comes from. seen: what is known of the pictures that it was trained on, for the
    note beside its figures. It does its own resizing and normalization.
    """

    name: ClassVar[str]
    classes: ClassVar[Mapping[str, tuple[str, ...]]]
    paper: ClassVar[str]
    seen: ClassVar[str] = MAY_HAVE_SEEN

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that it reads, as `Faces.attributes` calls them."""
        return tuple(self.classes)

    @abstractmethod
    def forward(self, images: Images) -> dict[str, Tensor]:
        """(B, 3, H, W) in [0, 1] -> attribute -> logits (B, K), a column a class; (B, 1) for a quantity."""

    def learned(self, faces: Faces) -> Tensor:
        """(B,) bool: the faces that it is known to have learned from; of others' networks nobody knows (`seen`)."""
        return torch.zeros(len(faces), dtype=torch.bool)

    def frozen(self) -> Self:
        """Self, in evaluation mode and without gradients for its weights; those to the pictures stay."""
        return self.eval().requires_grad_(False)
