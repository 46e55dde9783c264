"""What a leaked block DCT says of a picture, as linear equations: columns that are channels, alone or under noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bauta.ops.dct import BLOCK, CHANNELS, PLANES, axis_matrices, planes_dct, planes_dct_adjoint

PLANE = BLOCK**2
FLOOR = 1e-5  # of the noise, in the units of a coefficient: what float32 leaves
USUAL = 2  # faces that a channel's own noise counts as, where that of one place is measured on a few


@dataclass(frozen=True)
class Noise:
    """What stands on the wire beside the channels: its mean and its variance, (columns, H, W) each."""

    mean: Tensor
    variance: Tensor

    @classmethod
    def heard(cls, total: Tensor, squares: Tensor, number: int) -> Noise:
        """From the sums over `number` faces. Each place leans on its channel, the more the fewer faces there are."""
        if number < 2:
            return cls(torch.zeros_like(total), squares.mean((1, 2), keepdim=True).expand_as(squares))
        mean = total / number
        variance = ((squares - number * mean.square()) / (number - 1)).clamp_min(FLOOR**2)
        # in logarithms: places of one channel differ by orders of magnitude, and the quiet ones are those that tell
        usual = variance.log().mean((1, 2), keepdim=True)
        variance = ((number * variance.log() + USUAL * usual) / (number + USUAL)).exp()
        chance = variance / number / mean.square().clamp_min(FLOOR**4)  # a mean that noise alone may have is none
        return cls(mean * (1 - chance).clamp_min(0), variance)


@dataclass(frozen=True)
class Equations:
    """Normal equations for what a picture has beyond the mean, in the planes' DCT, without the prior.

    apply: their matrix on (B, 3, H, W). right: their right side (B, 3, H, W). missed: (B,) the objective at the mean.
    diagonal: (3, H, W), of the matrix or near it. enough: the share of the squared residual at which it is solved.
    """

    apply: Callable[[Tensor], Tensor]
    right: Tensor
    missed: Tensor
    diagonal: Tensor
    enough: float


def exact(leak: Tensor, layout: Tensor, mean: Tensor) -> Equations:
    """Where the columns (B, columns, H, W) are these channels but for rounding, alike everywhere: eight products of
    small matrices stand for all channels."""
    into, across, rows, columns = along_axes(leak)
    start = into @ mean @ across.T
    right, missed = torch.zeros_like(start).repeat(len(leak), 1, 1, 1), leak.new_zeros(len(leak))
    table = leak.new_zeros(BLOCK, len(PLANES), BLOCK)  # u, plane, v: the weight of each channel
    weight = FLOOR**-2
    for column, channel in enumerate(layout.tolist()):
        plane, u, v = channel // PLANE, channel % PLANE // BLOCK, channel % BLOCK
        rest = leak[:, column] - rows[u] @ start[plane] @ columns[v].T
        right[:, plane] += weight * (rows[u].T @ rest @ columns[v])
        missed += weight * rest.square().sum((1, 2))
        table[u, plane, v] += weight
    left, beside, diagonal = products(rows, columns, table)

    def apply(x: Tensor) -> Tensor:
        result = torch.zeros_like(x)
        for u in range(BLOCK):
            result += left[u] @ x @ beside[u]
        return result

    return Equations(apply, right, missed, diagonal, enough=1e-20)


def noisy(leak: Tensor, layout: Tensor, mean: Tensor, noise: Noise) -> Equations:
    """Where each place of a column has noise of its own: through the front end and back, face by face."""
    weights, layout = noise.variance.to(leak).clamp_min(FLOOR**2).reciprocal(), layout.to(leak.device)
    rest = leak - noise.mean.to(leak) - planes_dct(mean[None])[:, layout]
    into, across, rows, columns = along_axes(leak)
    trusted = leak.new_zeros(CHANNELS, *leak.shape[-2:]).index_add_(0, layout, weights)

    def back(maps: Tensor) -> Tensor:
        return into @ planes_dct_adjoint(maps) @ across.T

    def apply(x: Tensor) -> Tensor:
        return torch.cat([back(planes_dct(into.T @ one @ across).mul_(trusted)) for one in torch.split(x, 1)])

    right = torch.cat([back(torch.zeros_like(trusted).index_add_(0, layout, weights * one)[None]) for one in rest])
    # a channel counts in the diagonal by what its places see of a picture: quiet ones see little
    high, wide = rows.square().sum(2), columns.square().sum(2)
    seen = torch.einsum("puvhw,uh,vw->upv", trusted.view(len(PLANES), BLOCK, BLOCK, *leak.shape[-2:]), high, wide)
    table = seen / (high.sum(1)[:, None, None] * wide.sum(1))
    *_, diagonal = products(rows, columns, table)
    missed = (weights * rest.square()).sum((1, 2, 3))
    return Equations(apply, right, missed, diagonal, enough=1e-12)  # what is left is nothing beside the noise


def along_axes(leak: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The planes' DCT along rows and along columns (n, n), and the front end on what it gives, (8, n, n) each."""
    into, across = (dct_basis(size).to(leak) for size in leak.shape[-2:])
    rows, columns = (axis_matrices(len(basis)).to(leak) @ basis.T for basis in (into, across))
    return into, across, rows, columns


def products(rows: Tensor, columns: Tensor, table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(8, H, H) and (8, 3, W, W), whose products are the normal matrix where channel (u, plane, v) has the weight
    table[u, plane, v]; and its diagonal (3, H, W)."""
    left = rows.transpose(1, 2) @ rows
    beside = torch.einsum("upv,vij->upij", table, columns.transpose(1, 2) @ columns)
    diagonals = left.diagonal(dim1=1, dim2=2), beside.diagonal(dim1=2, dim2=3)
    return left, beside, torch.einsum("ui,upj->pij", *diagonals)


def conjugate_gradients(
    normal: Callable[[Tensor], Tensor], right: Tensor, diagonal: Tensor, steps: int, enough: float
) -> Tensor:
    """x with normal(x) = right, by at most `steps` steps preconditioned with the diagonal; each plane on its own, all
    until the squared residual is at most `enough` of what it was."""

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum((-2, -1), keepdim=True)

    x, rest = torch.zeros_like(right), right.clone()
    direction = rest / diagonal
    power = first = dot(rest, direction)
    for _ in range(steps):
        if bool((power <= enough * first).all()):
            break
        moved = normal(direction)
        length = power / dot(direction, moved).clamp_min(1e-300)
        x, rest = x + length * direction, rest - length * moved
        scaled = rest / diagonal
        former, power = power, dot(rest, scaled)
        direction = scaled + power / former.clamp_min(1e-300) * direction
    return x


def dct_basis(size: int) -> Tensor:
    """(size, size) float64: the orthonormal DCT-II, in which a smooth picture's coefficients fall with frequency."""
    line = torch.arange(size, dtype=torch.float64)
    waves = torch.cos(math.pi * line[:, None] * (2 * line + 1) / (2 * size)) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return waves


def frequencies(like: Tensor) -> Tensor:
    """(H, W): 1 + i^2 + j^2 of a plane's DCT coefficient (i, j)."""
    height, width = like.shape[-2:]
    i, j = torch.arange(height).to(like), torch.arange(width).to(like)
    return 1 + i[:, None] ** 2 + j**2
