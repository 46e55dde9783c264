"""DCTDP: Laplace noise on DCT coefficients whose budget is spread by learning (Ji et al., ECCV 2022)."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.ops.dct import PLANES, block_dct
from bauta.ops.noise import generators, laplace_by_inverse
from bauta.protections.features.frequency import PLANE, DrawnProtection, in_all_planes
from bauta.protections.features.public import check_fitted, public_features
from bauta.recognizers.base import Recognizer
from bauta.spec import recipe
from bauta.types import Faces, Features


class DCTDP(DrawnProtection):
    """Coefficients (B, 192, h, w) -> (B, 189, h, w): no DC, and Laplace noise on every other coefficient.

    Coefficient i (a channel at a place) gets noise of scale ``(max_i - min_i) / epsilon_i``, its range over the public
    faces given to `fit` by its budget, and a learned offset. The budgets are ``softmax(rho) * epsilon * 189 h w``:
    training moves them between coefficients and never changes their sum. `rho_` and `locs_` start at zero and are
    trained with the server (`param_groups`: Adam at `rate`, which the paper divides by 10 at epochs 10, 18 and 22);
    the noise is a scale times a draw, so the gradient passes it. It is added in training and in use; the released code
    builds it, with a sensitivity of 1, and MAP2V's copy of it never adds it.

    What epsilon promises. **The privacy unit is one coefficient**: any two values of coefficient i give any output with
    probabilities at most e^epsilon_i apart, and epsilon is only the mean of these. A picture's coefficients are all
    sent, so by composition a whole picture has epsilon * 189 * h * w (`total_epsilon`), 1.2 million at the paper's 0.5
    and 112 x 112: no promise to a person. What hides a face is the size of the noise and not the guarantee.
    That little holds for values inside the range that was measured, so values are clipped to it first (ours: the paper
    does not say).

    floor: the least range of a coefficient, as what a change of one pixel by that many gray levels does to it, for
    those that never moved (Cb and Cr of gray pictures) and would have got no noise (ours). seed: with a face's digest
    it fixes the draw; the promise is against those who do not know it.
    """

    needs = ("public faces",)
    trains = "the server behind it, with its budgets"
    low_: Tensor
    high_: Tensor

    def __init__(self, epsilon: float = 0.5, *, floor: float = 1.0, rate: float = 0.1, seed: int = 0) -> None:
        super().__init__()
        if not 0 < epsilon < math.inf:
            raise UsageError(
                f"DCTDP's epsilon, the mean of the coefficients', is more than 0 and finite; got {epsilon}."
            )
        if not (floor > 0 and rate > 0):
            raise UsageError(f"DCTDP's floor and rate are more than 0; got floor={floor}, rate={rate}.")
        self.epsilon, self.floor, self.rate, self.seed = epsilon, floor, rate, seed
        self.rho_ = nn.Parameter(torch.empty(0))
        self.locs_ = nn.Parameter(torch.empty(0))
        self.register_buffer("low_", torch.empty(0))
        self.register_buffer("high_", torch.empty(0))

    __repr__ = recipe

    @property
    def channels(self) -> int:
        return len(self.kept)

    @property
    def kept(self) -> list[int]:
        return in_all_planes(range(1, PLANE))

    @property
    def total_epsilon(self) -> float:
        """Of a whole picture, by composition over its coefficients. Raises `UsageError` before `fit`."""
        if not self.rho_.numel():
            raise UsageError(
                "DCTDP's total depends on the size of the coefficients: call fit(faces, recognizer) first."
            )
        return self.epsilon * self.rho_.numel()

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Measure every coefficient's range on public faces; the budgets are equal again. One pass, nothing kept."""
        low = high = torch.empty(0)
        for _, x in public_features(self, faces, *recognizers):
            self.check(x)
            seen = x[:, self.kept]
            low = torch.minimum(low, seen.amin(0)) if low.numel() else seen.amin(0)
            high = torch.maximum(high, seen.amax(0)) if high.numel() else seen.amax(0)
        short = (self.floor * reached_by_a_pixel(low).to(low) - (high - low)).clamp_min(0) / 2
        self.low_, self.high_ = low - short, high + short
        self.rho_, self.locs_ = nn.Parameter(torch.zeros_like(low)), nn.Parameter(torch.zeros_like(low))
        return self

    def budgets(self) -> Tensor:
        """(189, h, w): epsilon of each coefficient."""
        shares = self.rho_.double().flatten().log_softmax(0)  # of millions, whose sum single precision loses
        return (self.epsilon * (shares + math.log(len(shares))).exp()).view_as(self.rho_).to(self.rho_.dtype)

    def scale(self) -> Tensor:
        """(189, h, w): of the Laplace noise, in the coefficients' units; the standard deviation is sqrt(2) times it."""
        return (self.high_ - self.low_) / self.budgets()

    def drawn(self, x: Features, digests: Sequence[str], identity: Tensor | None) -> Features:
        x = x[:, self.kept]
        check_fitted(self, x, tuple(self.low_.shape) if self.low_.ndim == 3 else ())
        noise = laplace_by_inverse(x.shape[1:], generators(self.seed, digests, "DCTDP"), x)
        return (x.clamp(self.low_, self.high_) + self.locs_).addcmul(self.scale(), noise)

    def param_groups(self) -> list[dict[str, object]]:
        """The spread of the budget and the offsets, for Adam. Empty before `fit`."""
        if not self.rho_.numel():
            return []
        return [{"params": [self.rho_, self.locs_], "lr": self.rate, "optimizer": "Adam"}]

    def restored(self, tensors: Mapping[str, Tensor], *recognizers: Recognizer) -> Self:
        """As the base has it; the parameters take the shape that comes, as buffers do."""
        other = copy.deepcopy(self)
        for name in ("rho_", "locs_"):
            if name in tensors and tensors[name].is_floating_point():
                setattr(other, name, nn.Parameter(torch.empty_like(tensors[name])))
        return super(DCTDP, other).restored(tensors, *recognizers)


def reached_by_a_pixel(like: Tensor) -> Tensor:
    """(189, h, w): how far one gray level of one pixel, the one that matters most, moves each coefficient.

    A coefficient sees 3 x 3 pixels at most, so of every third pixel in both directions it sees one.
    """
    black = torch.zeros(10, 3, *like.shape[-2:], dtype=torch.float64)
    for number in range(9):
        black[number, :, number // 3 :: 3, number % 3 :: 3] = 1 / 255
    found = block_dct(black)[:, 1:PLANE]
    return (found[:9] - found[9:]).abs().amax(0).repeat(len(PLANES), 1, 1)
