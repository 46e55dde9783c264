"""Heads: what turns an embedding into logits over the training people. One class a paper, gone after the training.

A head takes embeddings as the network gives them (B, D), *not* unit rows, because SphereFace and AdaFace read their
length, and who they are (B,); it gives logits (B, K) for a cross-entropy. `sized` makes its weight, (K, D), once the
number of people is known. All of it runs in 32 bits, also under autocast: a margin is lost in bfloat16.
"""

from __future__ import annotations

import math
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import UsageError, check_shape
from bauta.spec import recipe
from bauta.types import Templates

__all__ = ["HEADS", "AdaFace", "ArcFace", "CosFace", "Head", "Softmax", "SphereFace"]

EPSILON = 1e-7  # keeps the derivative of an arc cosine finite


class Head(nn.Module):
    """Base: embeddings (B, D), identity (B,) -> logits (B, K). weight: (K, D), one row a person."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("weight", None)

    __repr__ = recipe

    def sized(self, embedding: int, classes: int, generator: torch.Generator) -> Self:
        """Self with a weight for `classes` people, drawn from N(0, 0.01²) as the published recipes have it."""
        self.weight = nn.Parameter(torch.empty(classes, embedding).normal_(0, 0.01, generator=generator))
        return self

    def forward(self, embeddings: Tensor, identity: Tensor) -> Tensor:
        check_shape(embeddings, "B D", "embeddings")
        if self.weight is None or embeddings.shape[1] != self.weight.shape[1]:
            came = "none" if self.weight is None else self.weight.shape[1]
            raise UsageError(f"{self!r} is made for embeddings of {came} numbers, got {embeddings.shape[1]}; size it.")
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.logits(embeddings.float(), identity)

    def logits(self, embeddings: Tensor, identity: Tensor) -> Tensor:
        """(B, D), (B,) -> (B, K), in 32 bits."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it scores.")


class Softmax(Head):
    """The plain linear classifier: W x + b."""

    bias: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("bias", None)

    def sized(self, embedding: int, classes: int, generator: torch.Generator) -> Self:
        """With a bias of zeros beside the weight."""
        self.bias = nn.Parameter(torch.zeros(classes))
        return super().sized(embedding, classes, generator)

    def logits(self, embeddings: Tensor, identity: Tensor) -> Tensor:
        return F.linear(embeddings, self.weight, self.bias)


class Angular(Head):
    """Base of the heads with a margin: cosines to the people, of which the right one is made harder, times a scale."""

    scale: float

    def logits(self, embeddings: Tensor, identity: Tensor) -> Tensor:
        length = embeddings.norm(dim=1, keepdim=True)
        cosines: Templates = F.linear(F.normalize(embeddings), F.normalize(self.weight)).clamp(-1, 1)
        rows = identity[:, None]
        right = self.harder(cosines.gather(1, rows), length)
        return cosines.scatter(1, rows, right) * self.scaled(length)

    def harder(self, cosine: Tensor, length: Tensor) -> Tensor:
        """The right person's cosine (B, 1) with the margin in it. length: (B, 1) of the embeddings."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its margin is.")

    def scaled(self, length: Tensor) -> Tensor | float:
        """What the cosines are multiplied with."""
        return self.scale


class SphereFace(Angular):
    """A-Softmax (Liu et al., SphereFace, CVPR 2017): |x| ψ(θ), ψ = (-1)^k cos(mθ) - 2k on the k-th of m parts of a
    half turn.

    The scale is the embedding's own length. As in the authors' training, cos θ and ψ are blended,
    (λ cos θ + ψ) / (1 + λ), and λ = max(lowest, highest / (1 + falling · step)) lets the margin in slowly; the numbers
    are those of their released configuration, since the paper gives none. margin: m, a whole number.
    """

    steps: Tensor

    def __init__(self, *, margin: int = 4, highest: float = 1000.0, lowest: float = 5.0, falling: float = 0.12) -> None:
        if margin < 1:
            raise UsageError(f"SphereFace's margin is a whole number from 1 on, got {margin}.")
        super().__init__()
        self.margin, self.highest, self.lowest, self.falling = margin, highest, lowest, falling
        self.register_buffer("steps", torch.zeros((), dtype=torch.float64))

    def harder(self, cosine: Tensor, length: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
        angle = cosine.clamp(EPSILON - 1, 1 - EPSILON).acos()
        part = (self.margin * angle.detach() / math.pi).floor()
        psi = (1 - 2 * (part % 2)) * (self.margin * angle).cos() - 2 * part
        share = (self.highest / (1 + self.falling * self.steps)).clamp_min(self.lowest).float()
        return (share * cosine + psi) / (1 + share)

    def scaled(self, length: Tensor) -> Tensor:
        return length


class CosFace(Angular):
    """Additive cosine margin (Wang et al., CosFace, CVPR 2018): s (cos θ - m)."""

    def __init__(self, *, scale: float = 64.0, margin: float = 0.35) -> None:
        super().__init__()
        self.scale, self.margin = scale, margin

    def harder(self, cosine: Tensor, length: Tensor) -> Tensor:
        return cosine - self.margin


class ArcFace(Angular):
    """Additive angular margin (Deng et al., ArcFace, CVPR 2019): s cos(θ + m).

    Beyond θ = π - m, where cos(θ + m) would rise again and the paper is silent, it goes on as cos θ - m sin m, as the
    authors' code does.
    """

    def __init__(self, *, scale: float = 64.0, margin: float = 0.5) -> None:
        super().__init__()
        self.scale, self.margin = scale, margin

    def harder(self, cosine: Tensor, length: Tensor) -> Tensor:
        sine = (1 - cosine.square()).clamp_min(EPSILON).sqrt()
        turned = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        return torch.where(cosine > -math.cos(self.margin), turned, cosine - self.margin * math.sin(self.margin))


class AdaFace(Angular):
    """Margin by quality (Kim, Jain and Liu, AdaFace, CVPR 2022): s (cos(θ - m z) - m z - m).

    z is the embedding's length, standardized over the batches so far (`mean`, `spread`), times `concentration` and cut
    to [-1, 1]; no gradient passes it. The averages move by 1 - momentum a batch: the paper's Eq. 14, read literally,
    would forget all but the present batch, and the authors' training moves by 0.01.
    """

    mean: Tensor
    spread: Tensor
    LENGTHS: ClassVar[tuple[float, float]] = (1e-3, 100.0)  # the authors' bounds on what is taken for a length

    def __init__(
        self, *, scale: float = 64.0, margin: float = 0.4, concentration: float = 0.333, momentum: float = 0.99
    ) -> None:
        super().__init__()
        self.scale, self.margin, self.concentration, self.momentum = scale, margin, concentration, momentum
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("spread", torch.tensor(100.0))

    def harder(self, cosine: Tensor, length: Tensor) -> Tensor:
        length = length.detach().clamp(*self.LENGTHS)
        if self.training and len(length) > 1:
            self.mean.lerp_(length.mean(), 1 - self.momentum)
            self.spread.lerp_(length.std(), 1 - self.momentum)
        z = ((length - self.mean) / (self.spread + 1e-3) * self.concentration).clamp(-1, 1)
        angle = cosine.clamp(EPSILON - 1, 1 - EPSILON).acos() - self.margin * z
        return angle.clamp(1e-3, math.pi - 1e-3).cos() - self.margin * z - self.margin


HEADS = (AdaFace, ArcFace, CosFace, Softmax, SphereFace)
"""All of them, by which a spec is read."""
