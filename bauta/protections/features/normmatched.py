"""Gaussian noise as large as what another protection does: whether its direction matters, or its size alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from torch import Tensor

from bauta.errors import check_shape
from bauta.ops.noise import generators, normal, row_digests
from bauta.protections.base import FeatureProtection
from bauta.protections.features.noise import GaussianNoise
from bauta.recognizers.base import Recognizer
from bauta.spec import recipe
from bauta.types import Faces, Features


class NormMatchedNoise(FeatureProtection):
    """Features (B, C, h, w) plus Gaussian noise with the norm, row by row and channel by channel, of what `protection`
    would add to them.

    The control of `AdvFace` that its abstract asks for: whatever protects more than this does it by its direction.

    protection: of features, `GaussianNoise` if none is given; what it learns, this learns. seed: with a row's digest it
    fixes the draw, which is another than the protection's own.
    """

    needs = ("client layers", "public faces")

    def __init__(self, protection: FeatureProtection | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.protection: FeatureProtection = GaussianNoise() if protection is None else protection
        self.seed = seed

    __repr__ = recipe

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        self.protection.fit(faces, *recognizers)
        return self

    def rekeyed(self, seed: int) -> Self:
        """The same with another draw, and the protection rekeyed."""
        other = super().rekeyed(seed)
        other.protection = self.protection.rekeyed(seed)
        return other

    def learned(self) -> dict[str, Tensor]:
        """What the protection has learned."""
        return self.protection.learned()

    def restored(self, tensors: Mapping[str, Tensor], *recognizers: Recognizer) -> Self:
        other = super().rekeyed(self.seed)
        other.protection = self.protection.restored(tensors, *recognizers)
        return other

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        check_shape(x, "B C h w", "features")
        size = (self.protection(x, faces) - x).square().sum((2, 3), keepdim=True).sqrt()
        digests = row_digests(x) if faces is None else faces.digests()
        noise = normal(x.shape[1:], generators(self.seed, digests, "norm-matched noise"), x)
        scaled: Tensor = noise * (size / noise.square().sum((2, 3), keepdim=True).sqrt().clamp_min(1e-12))
        return x + scaled
