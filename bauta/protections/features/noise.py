"""Random noise on features: baseline of PMT's Table VI, disturbance of its Figure 9 (Pu et al., IEEE TDSC 2025)."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn

from bauta.errors import ShapeError, UsageError, check_shape
from bauta.ops.noise import generators, normal, row_digests
from bauta.ops.quantize import through_8bit
from bauta.protections.base import FeatureProtection, ImageProtection
from bauta.protections.images.pmt import PMT
from bauta.recognizers.base import Recognizer
from bauta.recognizers.folding import folded_client
from bauta.spec import recipe
from bauta.types import Faces, Features


class GaussianNoise(FeatureProtection):
    """Features (B, C, h, w) plus Gaussian noise of `sd` times the standard deviation of each face's own features.

    The paper adds 0 to 0.3 in units of features whose scale it does not give. That scale runs from 0.4 to 2.1 over the
    cuts of the CASIA MobileFaceNet, so an absolute number could not be carried from a cut to another; a relative one
    can, and says at once how much of the signal is left. seed: with a face's digest it fixes the draw, or with the
    features' own where no faces are given (a provider's database), so that a row's place never matters.
    """

    def __init__(self, sd: float = 0.1, *, seed: int = 0) -> None:
        super().__init__()
        if not sd >= 0:
            raise UsageError(f"GaussianNoise's sd is a share of the features' own, 0 or more; got {sd}.")
        self.sd, self.seed = sd, seed

    __repr__ = recipe

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        check_shape(x, "B C h w", "features")
        digests = row_digests(x) if faces is None else faces.digests()
        noise = normal(x.shape[1:], generators(self.seed, digests, "feature noise"), x)
        return x + self.sd * x.std((1, 2, 3), keepdim=True, correction=0) * noise


class MatchedNoise(FeatureProtection):
    """Clean features plus what `protection` does to them, in random order: noise "of the same amplitude" (section 6.3).

    Each face's perturbation, features of its protected picture less features of the picture, is shuffled over all
    channels and places: mean, variance and every other moment are the protection's own, and only where it acts is lost.
    What protects more than this does it by its direction and not by its size.

    protection: of pictures, PMT at its defaults if none is given. `fit(faces, recognizer)` takes the client's layers,
    and fits the protection for the same recognizer. The pictures are read off `faces`. seed: with a face's digest it
    fixes the order.
    """

    needs = ("client layers",)

    def __init__(self, protection: ImageProtection | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.protection = PMT() if protection is None else protection
        self.seed = seed
        self.client_: nn.Module | None = None

    __repr__ = recipe

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Take the client's layers of the one recognizer whose features are disturbed."""
        if len(recognizers) != 1:
            raise UsageError(f"MatchedNoise disturbs the features of one recognizer; got {len(recognizers)}.")
        self.protection.fit(faces, *recognizers)
        self.client_ = folded_client(recognizers[0])
        return self

    def rekeyed(self, seed: int) -> Self:
        """The same with another order, and the protection rekeyed."""
        other = super().rekeyed(seed)
        other.protection = self.protection.rekeyed(seed)
        return other

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        check_shape(x, "B C h w", "features")
        if self.client_ is None:
            raise UsageError("MatchedNoise does not know the client's layers: call fit(faces, recognizer) first.")
        if faces is None or len(faces) != len(x):
            came = "none" if faces is None else len(faces)
            raise UsageError(
                f"MatchedNoise needs the pictures behind {len(x)} rows of features, got {came}; give faces=."
            )
        with torch.no_grad():
            original = through_8bit(faces.images)
            change = self.client_(through_8bit(self.protection(original, faces))) - self.client_(original)
        if change.shape != x.shape:
            raise ShapeError(
                f"MatchedNoise was fitted at a cut with features {tuple(change.shape[1:])}, got {tuple(x.shape[1:])}; "
                "fit it for the recognizer as it is cut here."
            )
        draws = generators(self.seed, faces.digests(), "matched noise")
        orders = [torch.randperm(change[0].numel(), generator=g).to(x.device) for g in draws]
        return x + torch.stack([c.flatten()[o].view_as(c) for c, o in zip(change, orders, strict=True)])
