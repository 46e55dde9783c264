"""Explicit randomness: a generator for every picture, made from a seed and the picture's own digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Generator, Tensor


def generators(seed: int, digests: Sequence[str], purpose: str) -> list[Generator]:
    """One generator a digest. It depends on `seed`, the digest and `purpose` alone, never on order or grouping."""
    return [_generator(f"{seed}:{purpose}:{digest}") for digest in digests]


def _generator(text: str) -> Generator:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    return Generator().manual_seed(number)


def row_digests(rows: Tensor) -> list[str]:
    """The SHA-256 of each row of (B, ...), as 32-bit floats: who is known by content alone, wherever the row stands."""
    return [hashlib.sha256(row.detach().cpu().float().contiguous().numpy().tobytes()).hexdigest() for row in rows]


def normal(shape: Sequence[int], draws: Sequence[Generator], like: Tensor) -> Tensor:
    """(len(draws), *shape) standard normal numbers, row i from generator i, on the device and of the type of `like`."""
    return torch.stack([torch.randn(tuple(shape), generator=g) for g in draws]).to(like)


def uniform(shape: Sequence[int], draws: Sequence[Generator], like: Tensor) -> Tensor:
    """(len(draws), *shape) numbers uniform in [0, 1), row i from generator i."""
    return torch.stack([torch.rand(tuple(shape), generator=g) for g in draws]).to(like)


def laplace(shape: Sequence[int], draws: Sequence[Generator], like: Tensor) -> Tensor:
    """(len(draws), *shape) Laplace numbers of scale 1 (standard deviation sqrt(2)), row i from generator i.

    The difference of two exponential numbers, which is never infinite.
    """
    pairs = (torch.empty(2, *shape).exponential_(generator=g) for g in draws)
    return torch.stack([first - second for first, second in pairs]).to(like)


def laplace_by_inverse(shape: Sequence[int], draws: Sequence[Generator], like: Tensor) -> Tensor:
    """As `laplace`, by one uniform number each, put through the inverse distribution: ten times as quick.

    For millions of numbers an image. None is larger than 24 ln 2 = 16.6, which 1 of 16 million would be.
    """
    drawn = torch.empty(len(draws), *shape)
    for row, draw in zip(drawn, draws, strict=True):
        # the middles of 2^24 equal steps of (-1/2, 1/2), so that none is at its end, where the logarithm is infinite
        torch.rand(row.shape, generator=draw, out=row).sub_(0.5).add_(2.0**-25)
        torch.copysign(row.abs().mul_(-2).log1p_().neg_(), row, out=row)
    return drawn.to(like)
