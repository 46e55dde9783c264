"""Slopes without gradients: from differences of a function's values along random directions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from bauta.ops.noise import normal


def sphere(number: int, shape: Sequence[int], draws: Sequence[Generator], like: Tensor) -> Tensor:
    """(len(draws), number, *shape) directions, uniform on the unit sphere of all numbers of one; row i from draw i."""
    directions = normal((number, *shape), draws, like)
    lengths = directions.flatten(2).norm(dim=2).view(len(draws), number, *[1] * len(shape))
    directions /= lengths.clamp_min(1e-12)
    return directions


def orthogonal(number: int, shape: Sequence[int], draws: Sequence[Generator], like: Tensor) -> Tensor:
    """The same, at right angles to each other within a row: uniform frames (Stiefel). number: at most prod(shape)."""
    frames = normal((number, *shape), draws, like).flatten(2).mT
    q, r = torch.linalg.qr(frames)
    turned: Tensor = q * r.diagonal(dim1=1, dim2=2).sign()[:, None]  # else the first axes are preferred
    return turned.mT.reshape(len(draws), number, *shape)


def forward_difference(here: Tensor, there: Tensor, directions: Tensor, mu: float) -> Tensor:
    """(L,) values at a point and (L, N) at point + mu directions (L, N, *shape) -> (L, *shape) slope.

    The mean over directions of dimension * (there - here) / mu * direction, where the dimension is the last one's
    length, as MAP2V has it: the slope of a smooth function, but for a factor in spaces of several rows such as W+.
    """
    return along((there - here[:, None]) / mu, directions)


def central_difference(ahead: Tensor, behind: Tensor, directions: Tensor, mu: float | Tensor) -> Tensor:
    """The same from (L, N) values at point + and - mu directions: antithetic pairs, whose curvature cancels.

    mu: one number, or (L, 1) one a row.
    """
    return along((ahead - behind) / (2 * mu), directions)


def along(rates: Tensor, directions: Tensor) -> Tensor:
    """(L, N) rates of change along directions -> slope (L, *shape)."""
    weights = rates.to(directions).view(*rates.shape, *[1] * (directions.ndim - 2))
    return directions.shape[-1] * (weights * directions).mean(1)
