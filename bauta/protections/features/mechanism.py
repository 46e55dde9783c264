"""Differential privacy for one feature tensor: the Laplace mechanism (Dwork et al., TCC 2006) and the analytic Gaussian
mechanism (Balle and Wang, ICML 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor

from bauta.errors import UsageError, check_shape
from bauta.ops.noise import generators, laplace, normal, row_digests
from bauta.protections.base import FeatureProtection
from bauta.protections.features.public import check_fitted, public_features
from bauta.recognizers.base import Recognizer
from bauta.spec import recipe
from bauta.types import Faces, Features


class Mechanism(FeatureProtection):
    """Base of mechanisms that add noise to features (B, C, h, w) so that *any two faces* are hard to tell apart.

    The privacy unit is one whole feature tensor, without a trusted collector (local differential privacy): neighbors
    are any two faces, so whoever sees an output, whatever else he knows, can hardly say which of two faces it was. That
    needs a bound on how far two tensors can be apart, and real features have none. So each one's difference from the
    public mean is scaled down to the norm `bound_` where it is longer; two of them are then at most 2 `bound_` apart,
    and the noise is drawn for that. Mean and bound are learned from public faces, on whom nothing is promised.

    epsilon: for the whole tensor. Papers often state it for one coefficient, where it looks harmless: of n coefficients
    with a budget each, the tensor's is n times as much. quantile: of the public norms, which share is not shortened.
    seed: with a face's digest (or the features' own) it fixes the draw, so that asking again teaches nothing more. It
    must stay secret: the promise is against those who do not know it. Rounding is not hardened (Mironov, CCS 2012).

    **A guarantee that means something leaves no face to recognize**, and where recognition works the epsilon says
    nothing: noise must cover every difference that a face could have, in each of thousands of dimensions. Mean cosine
    with the clean template, and accuracy on 600 LFW pairs of which one side is protected (clean: 0.982), for the CASIA
    MobileFaceNet, 200 public faces, quantile 0.9, delta 1e-5:

    ==========  =======================  =======================  =======================  =======================
    epsilon     Laplace, 128 x 14 x 12   Gauss, 128 x 14 x 12     Laplace, 64 x 28 x 24    Gauss, 64 x 28 x 24
    ==========  =======================  =======================  =======================  =======================
    8           0.02, 0.527              0.02, 0.493              not measured             0.00, 0.488
    10,000      0.18, 0.648              0.57, 0.910              -0.02, 0.472             -0.01, 0.513
    100,000     0.97, 0.983              0.94, 0.973              0.83, 0.962              0.81, 0.958
    1,000,000   1.00, 0.982              0.99, 0.982              1.00, 0.982              0.99, 0.978
    ==========  =======================  =======================  =======================  =======================

    100,000 for a tensor of 128 x 14 x 12 is 4.7 for one of its coefficients, which sounds like a guarantee. It says
    that no output is e^100,000 times as likely for one face as for another. The default keeps the promise.
    """

    needs = ("client layers", "public faces")
    order: ClassVar[float]
    epsilon: float
    quantile: float
    seed: int
    mean_: Tensor
    bound_: Tensor

    def __init__(self, *, epsilon: float, quantile: float, seed: int) -> None:
        super().__init__()
        name = type(self).__name__
        if not 0 < epsilon < math.inf:
            raise UsageError(f"{name}'s epsilon is more than 0 and finite; got {epsilon}.")
        if not 0 < quantile <= 1:
            raise UsageError(f"{name}'s quantile of the public norms lies in (0, 1]; got {quantile}.")
        self.epsilon, self.quantile, self.seed = epsilon, quantile, seed
        self.register_buffer("mean_", torch.empty(0))
        self.register_buffer("bound_", torch.empty(0))

    __repr__ = recipe

    def scale(self) -> float:
        """What unit noise is multiplied by, in the features' own units."""
        raise NotImplementedError(f"{type(self).__name__} does not say how large its noise is.")

    def noise(self, shape: Sequence[int], draws: Sequence[Generator], like: Tensor) -> Tensor:
        """Unit noise of the mechanism's kind."""
        raise NotImplementedError(f"{type(self).__name__} does not say which noise it adds.")

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Learn the mean and the bound from public faces and the one recognizer. Two passes, no tensor kept."""
        total, count = torch.zeros(()), 0
        for batch, x in public_features(self, faces, *recognizers):
            total, count = total + x.double().sum(0), count + len(batch)
        self.mean_ = (total / count).float()
        norms = [self._norm(x - self.mean_) for _, x in public_features(self, faces, *recognizers)]
        self.bound_ = torch.cat(norms).flatten().quantile(self.quantile)
        return self

    def sensitivity(self) -> float:
        """How far apart two faces' tensors can be, in the mechanism's norm."""
        return 2 * float(self.bound_)

    def clipped(self, x: Features) -> Features:
        """The features, none further from the public mean than the bound."""
        away = x - self.mean_
        kept: Tensor = self.mean_ + away * (self.bound_ / self._norm(away).clamp_min(1e-12)).clamp_max(1)
        return kept

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        check_shape(x, "B C h w", "features")
        check_fitted(self, x, tuple(self.mean_.shape) if self.mean_.ndim == 3 else ())
        digests = row_digests(x) if faces is None else faces.digests()
        noise = self.noise(x.shape[1:], generators(self.seed, digests, type(self).__name__), x)
        return self.clipped(x) + self.scale() * noise

    def _norm(self, away: Tensor) -> Tensor:
        norm: Tensor = torch.linalg.vector_norm(away, self.order, (1, 2, 3), keepdim=True)
        return norm


class LaplaceMechanism(Mechanism):
    """Laplace noise of scale 2 `bound_` / epsilon, bound in the L1 norm: epsilon-differential privacy of a face.

    Else as `Mechanism`, which says what epsilon is and is not.
    """

    order = 1

    def __init__(self, epsilon: float = 8.0, *, quantile: float = 0.9, seed: int = 0) -> None:
        super().__init__(epsilon=epsilon, quantile=quantile, seed=seed)

    def scale(self) -> float:
        return self.sensitivity() / self.epsilon

    def noise(self, shape: Sequence[int], draws: Sequence[Generator], like: Tensor) -> Tensor:
        return laplace(shape, draws, like)


class GaussianMechanism(Mechanism):
    """Gaussian noise, bound in the L2 norm: (epsilon, delta)-differential privacy of a face.

    Its standard deviation is the least that gives the promise exactly (`gaussian_deviation`), also for an epsilon above
    1, where the well-known sqrt(2 ln(1.25 / delta)) / epsilon proves nothing. delta: the probability that the promise
    of epsilon fails. Else as `Mechanism`.
    """

    order = 2

    def __init__(self, epsilon: float = 8.0, *, delta: float = 1e-5, quantile: float = 0.9, seed: int = 0) -> None:
        super().__init__(epsilon=epsilon, quantile=quantile, seed=seed)
        if not 0 < delta < 1:
            raise UsageError(f"GaussianMechanism's delta is a probability between 0 and 1; got {delta}.")
        self.delta = delta

    def scale(self) -> float:
        return self.sensitivity() * gaussian_deviation(self.epsilon, self.delta)

    def noise(self, shape: Sequence[int], draws: Sequence[Generator], like: Tensor) -> Tensor:
        return normal(shape, draws, like)


def gaussian_delta(epsilon: float, deviation: float) -> float:
    """The delta of Gaussian noise at sensitivity 1 (Balle and Wang, Theorem 8), by logarithms: e^epsilon overflows."""
    near, far = 1 / (2 * deviation) - epsilon * deviation, -1 / (2 * deviation) - epsilon * deviation
    first, second = torch.special.log_ndtr(torch.tensor([near, far], dtype=torch.float64)).tolist()
    return math.exp(first) - math.exp(min(epsilon + second, first))


def gaussian_deviation(epsilon: float, delta: float) -> float:
    """The least standard deviation that gives (epsilon, delta) at sensitivity 1, by bisection in its logarithm."""
    low, high = -40.0, 40.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if gaussian_delta(epsilon, math.exp(middle)) > delta else (low, middle)
    return math.exp(high)
