"""Eigenfaces: the principal components of aligned faces, as a prior that is fitted in seconds."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Generator, Tensor

from bauta.errors import ShapeError, UsageError
from bauta.generators.prior import FacePrior
from bauta.spec import recipe
from bauta.types import Faces, Images


class Eigenfaces(FacePrior):
    """Mean face plus principal components, each weighted by a standard normal number (Turk and Pentland, 1991).

    Z is whitened: component k of a picture is z_k times its standard deviation over the faces that were fitted, so that
    the public faces' own codes have mean 0 and variance 1 in every number. Pictures are soft where faces differ, and
    every one of them is a combination of the faces that were fitted. Randomized SVD (Halko et al., 2011).

    components: how many; no more than faces less one. seed: of the randomized SVD. After `fit`: mean_ (P,),
    components_ (components, P) with unit rows, deviations_ (components,), over the P numbers of a picture.

    256 components of 4,000 faces take ten seconds of one core.
    """

    mean_: Tensor
    components_: Tensor
    deviations_: Tensor

    def __init__(self, *, components: int = 256, seed: int = 0) -> None:
        super().__init__()
        if components < 1:
            raise UsageError(f"Eigenfaces needs at least one component, got {components}.")
        self.components, self.seed = components, seed
        for name in ("mean_", "components_", "deviations_"):
            self.register_buffer(name, torch.empty(0))

    __repr__ = recipe

    @property
    def z_shape(self) -> tuple[int, ...]:
        return (self.components,)

    @property
    def ready(self) -> bool:
        return bool(self.mean_.numel())

    @property
    def side(self) -> int:  # type: ignore[override]
        """Height and width of the faces that were fitted."""
        return math.isqrt(self.mean_.numel() // 3)

    def fit(self, faces: Faces) -> Self:
        """Learn from faces, square and more of them than components. Raises `UsageError`, `ShapeError`."""
        if faces.images.shape[-1] != faces.images.shape[-2]:
            raise ShapeError(f"Eigenfaces takes square pictures, got {tuple(faces.images.shape)}.")
        if len(faces) <= self.components:
            raise UsageError(
                f"{self!r} needs more than {self.components} faces, got {len(faces)}; ask for fewer components."
            )
        from sklearn.utils.extmath import randomized_svd  # late: with SciPy it takes as long to load as PyTorch

        rows = faces.images.detach().float().flatten(1)
        mean = rows.mean(0)
        _, spread, components = randomized_svd(
            (rows - mean).cpu().numpy(), self.components, n_iter=4, random_state=self.seed
        )
        self.mean_ = mean
        self.components_ = torch.from_numpy(components.copy()).to(mean)
        self.deviations_ = torch.from_numpy(spread.copy()).to(mean) / (len(rows) - 1) ** 0.5
        return self

    def axes(self, number: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """The first components; they are the principal axes already, and whitened."""
        return self.mean_.new_zeros(self.components), torch.eye(self.components)[:number].to(self.mean_)

    def synthesize(self, latents: Tensor) -> Images:
        rows = self.mean_ + (latents * self.deviations_) @ self.components_
        return rows.view(-1, 3, self.side, self.side)

    def encode(self, images: Images) -> Tensor:
        """(n, 3, side, side) -> (n, components): the codes whose pictures are nearest in squared error."""
        if not self.ready or tuple(images.shape[1:]) != (3, self.side, self.side):
            raise ShapeError(f"{self!r} encodes pictures like those that it was fitted to, got {tuple(images.shape)}.")
        return (images.flatten(1) - self.mean_) @ self.components_.T / self.deviations_.clamp_min(1e-12)
