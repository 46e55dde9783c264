"""The 8x block-DCT front end of the frequency family: DuetFace, DCTDP, PartialFace, MinusFace and PPFR-FD.

A picture goes through RGB -> YCbCr (JPEG, full range) - 128, 8x bilinear enlargement (corners aligned) and the
orthonormal DCT of each 8 x 8 block, so that a block is one source pixel with its neighborhood. Enlarging and
transforming are one linear map per plane, separable in rows and columns, and a coefficient sees at most 3 x 3 source
pixels: along one axis it is a matrix of three diagonals. So each axis is a few products with shifted copies, and the
enlarged picture (64 times the source) is never made. Colors mix pixel by pixel, so before as well as after enlarging.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import UsageError, check_shape
from bauta.types import Features, Images

BLOCK = 8
PLANES = ("Y", "Cb", "Cr")
CHANNELS = len(PLANES) * BLOCK**2

_RED, _BLUE = 0.299, 0.114  # their shares of luma (ITU-R BT.601, which JPEG takes)
_MIDDLE = 128.0
# Bytes of coefficients that are worked on at once: it bounds the temporaries (3/8 of it), and leaves every operation
# large enough to be shared by cores that others use too.
_AT_ONCE = 2**26


def block_dct(images: Images) -> Features:
    """RGB images (B, 3, H, W) in [0, 1] -> DCT coefficients (B, 192, H, W) in their natural units.

    Channel 64 p + 8 u + v is plane p (Y, Cb, Cr) at vertical frequency u and horizontal v; at u = v = 0 it is eight
    times the block's mean, a plane lying in -128..127. Differentiable, twice too. Raises `UsageError`, `ShapeError`.
    """
    check_shape(images, "B 3 H W", "images")
    _check_dtype(images, "images")
    with torch.autocast(images.device.type, enabled=False):
        return planes_dct(to_planes(images))


def planes_dct(planes: Tensor) -> Features:
    """Of planes (B, 3, H, W) as `to_planes` makes them: `block_dct` without its colors, and linear."""
    height, width = planes.shape[-2:]
    rows, columns = (_forward_taps(n, planes.dtype, planes.device) for n in (height, width))
    halves = _Spread.apply(planes.transpose(2, 3).flatten(0, 1), rows)  # type: ignore[no-untyped-call]
    maps = _Spread.apply(halves.transpose(2, 3).flatten(0, 1), columns)  # type: ignore[no-untyped-call]
    return cast(Tensor, maps).view(len(planes), CHANNELS, height, width)


def planes_dct_adjoint(maps: Features) -> Tensor:
    """The adjoint of `planes_dct`: (B, 192, H, W) -> (B, 3, H, W)."""
    height, width = maps.shape[-2:]
    rows, columns = (_forward_taps(n, maps.dtype, maps.device) for n in (height, width))
    return _gathered(maps, rows, columns)


def inverse_block_dct(coefficients: Features) -> Images:
    """DCT coefficients (B, 192, H, W) -> RGB images (B, 3, H, W), not clamped.

    The papers' decoder: inverse DCT of each block, 8x bilinear reduction (corners aligned), +128, YCbCr -> RGB. Affine.
    A pixel looks at its own block alone. As reduction interpolates between two samples around a source pixel, it gives
    a picture back within 3 % of its second differences, not exactly. Raises `UsageError`, `ShapeError`.
    """
    check_shape(coefficients, f"B {CHANNELS} H W", "coefficients")
    _check_dtype(coefficients, "coefficients")
    height, width = coefficients.shape[-2:]
    rows, columns = (_inverse_taps(n, coefficients.dtype, coefficients.device) for n in (height, width))
    with torch.autocast(coefficients.device.type, enabled=False):
        return to_images(_gathered(coefficients, rows, columns))


def to_planes(images: Images) -> Tensor:
    """RGB (B, 3, H, W) in [0, 1] -> the planes Y - 128, Cb and Cr in -128..128, JPEG's full range."""
    mix, _, middle = _colors(images.dtype, images.device)
    return 255 * torch.einsum("pc,bchw->bphw", mix, images) - middle


def to_images(planes: Tensor) -> Images:
    """The inverse of `to_planes`, not clamped."""
    _, unmix, middle = _colors(planes.dtype, planes.device)
    return torch.einsum("cp,bphw->bchw", unmix, planes + middle) / 255


def axis_matrices(size: int) -> Tensor:
    """(8, size, size) float64: what `block_dct` is along one axis: channel 8 u + v of a plane x is M[u] x M[v]^T."""
    center, before, after = _forward_taps(size, torch.float64, torch.device("cpu"))
    assert before is not None
    assert after is not None
    own = -before - after
    own[: len(center)] += center
    above, below = before[:, 1:].diag_embed(-1), after[:, :-1].diag_embed(1)
    return own.diag_embed() + above + below


def _gathered(maps: Tensor, rows: _Taps, columns: _Taps) -> Tensor:
    """(B, 192, H, W) -> planes (B, 3, H, W): along the columns, then along the rows."""
    height, width = maps.shape[-2:]
    lines = maps.reshape(-1, BLOCK, height, width)
    halves = _Gather.apply(lines, columns).view(-1, BLOCK, height, width)  # type: ignore[no-untyped-call]
    planes = _Gather.apply(halves.transpose(2, 3), rows)  # type: ignore[no-untyped-call]
    return cast(Tensor, planes).view(len(maps), len(PLANES), width, height).transpose(2, 3)


def _check_dtype(x: Tensor, what: str) -> None:
    if x.dtype not in (torch.float32, torch.float64):
        raise UsageError(
            f"Coefficients reach 1024 and matter below 1, so {what} must be float32 or float64, got {x.dtype}; "
            "convert them first."
        )


class _Taps(NamedTuple):
    """What source pixels give to a block's frequencies along one axis of `size` pixels.

    A frequency is `center` times the block's own pixel plus `before` and `after` times what its neighbors *differ* from
    it: above frequency zero these are all there is, so that float32 resolves coefficients a millionth of the largest.
    center: (8, size), or (1, size) where it reaches frequency zero alone. before, after: (8, size) each.
    """

    center: Tensor
    before: Tensor | None = None
    after: Tensor | None = None


class _Spread(torch.autograd.Function):
    """Lines (N, A, size) -> (N, 8, A, size): the frequencies of each block along the last axis."""

    @staticmethod
    def forward(ctx: Any, lines: Tensor, taps: _Taps) -> Tensor:
        ctx.taps = taps
        result = lines.new_empty(len(lines), BLOCK, *lines.shape[1:])
        for part in _parts(result):
            own, out = lines[part, None], result[part]
            if taps.before is None or taps.after is None:
                torch.mul(own, taps.center[:, None], out=out)
            else:
                beside = F.pad(own, (1, 1))
                torch.mul(beside[..., :-2] - own, taps.before[:, None], out=out)
                out.addcmul_(beside[..., 2:] - own, taps.after[:, None])
                out[:, : len(taps.center)].addcmul_(own, taps.center[:, None])
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Gather.apply(gradient, ctx.taps), None  # type: ignore[no-untyped-call]


class _Gather(torch.autograd.Function):
    """(N, 8, A, size) -> lines (N, A, size): the adjoint of `_Spread` with the same taps."""

    @staticmethod
    def forward(ctx: Any, frequencies: Tensor, taps: _Taps) -> Tensor:
        ctx.taps = taps
        result = frequencies.new_zeros(len(frequencies), *frequencies.shape[2:])
        for part in _parts(frequencies):
            own = _weighted(frequencies[part], taps.center)
            if taps.before is not None and taps.after is not None:
                before, after = (_weighted(frequencies[part], tap) for tap in (taps.before, taps.after))
                own -= before + after
                own[..., :-1] += before[..., 1:]
                own[..., 1:] += after[..., :-1]
            result[part] = own
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Spread.apply(gradient, ctx.taps), None  # type: ignore[no-untyped-call]


def _weighted(frequencies: Tensor, tap: Tensor) -> Tensor:
    """(N, 8, A, size) times (F, size) -> (N, A, size): the sum over the first F frequencies."""
    total = frequencies[:, 0] * tap[0]
    for u in range(1, len(tap)):
        total.addcmul_(frequencies[:, u], tap[u])
    return total


def _parts(frequencies: Tensor) -> list[slice]:
    """Slices of the first axis that are worked on together; all of it on an accelerator."""
    each = frequencies[0].numel() * frequencies.element_size() if len(frequencies) else 1
    step = max(1, _AT_ONCE // each) if frequencies.device.type == "cpu" else max(1, len(frequencies))
    return [slice(n, n + step) for n in range(0, len(frequencies), step)]


@lru_cache
def _forward_taps(size: int, dtype: torch.dtype, device: torch.device) -> _Taps:
    """Enlarging 8 times with corners aligned, then the DCT of each block."""
    with torch.inference_mode(False):
        places = torch.arange(BLOCK * size, dtype=torch.float64) * (size - 1) / (BLOCK * size - 1)
        beyond = places.view(size, BLOCK) - torch.arange(size)[:, None]  # of each sample, from its block's own pixel
        before, after = (_cosines() @ side.clamp(min=0).T for side in (-beyond, beyond))
        center = torch.full((1, size), math.sqrt(BLOCK), dtype=torch.float64)
        return _Taps(*(tap.to(device, dtype) for tap in (center, before, after)))


@lru_cache
def _inverse_taps(size: int, dtype: torch.dtype, device: torch.device) -> _Taps:
    """The inverse DCT of each block, then reducing 8 times with corners aligned, transposed."""
    with torch.inference_mode(False):
        # pixel t lies at sample 8 t + 7 t / (size - 1), so between two samples of its own block
        places = torch.arange(size, dtype=torch.float64) * (BLOCK - 1) / max(1, size - 1)
        shares = (1 - (places[:, None] - torch.arange(BLOCK)).abs()).clamp(min=0)
        return _Taps((_cosines() @ shares.T).to(device, dtype))


def _cosines() -> Tensor:
    """(8, 8): the orthonormal DCT-II, frequency by sample."""
    line = torch.arange(BLOCK, dtype=torch.float64)
    waves = torch.cos(math.pi * line[:, None] * (2 * line + 1) / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    waves[0] /= math.sqrt(2)
    return waves


@lru_cache
def _colors(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """RGB -> YCbCr (3, 3), its inverse, and what is subtracted from each plane (3, 1, 1)."""
    with torch.inference_mode(False):
        luma = torch.tensor([_RED, 1 - _RED - _BLUE, _BLUE], dtype=torch.float64)
        red, _, blue = torch.eye(3, dtype=torch.float64)
        mix = torch.stack([luma, (blue - luma) / (2 - 2 * _BLUE), (red - luma) / (2 - 2 * _RED)])
        middle = torch.tensor([_MIDDLE, 0, 0]).view(3, 1, 1)
        return mix.to(device, dtype), mix.inverse().to(device, dtype), middle.to(device, dtype)
