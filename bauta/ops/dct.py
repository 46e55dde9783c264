"""The 8x block-DCT front end of the frequency family: DuetFace, DCTDP, PartialFace, MinusFace and PPFR-FD.

A picture goes through RGB -> YCbCr (JPEG, full range) - 128, 8x bilinear enlargement (corners aligned) and the
orthonormal DCT of each 8 x 8 block, so that a block is one source pixel with its neighborhood. Enlarging and
transforming are one linear map per plane, separable in rows and columns, and a coefficient sees at most 3 x 3 source
pixels: its map along one axis has three diagonals. So each axis is three products with shifted copies, and the
enlarged picture (64 times the source) is never made. Colors are mixed per pixel, so it does not matter when.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

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


def block_dct(images: Images) -> Features:
    """RGB images (B, 3, H, W) in [0, 1] -> DCT coefficients (B, 192, H, W) in their natural units.

    Channel 64 p + 8 u + v is plane p (Y, Cb, Cr) at vertical frequency u and horizontal v; at u = v = 0 it is eight
    times the block's mean, a plane lying in -128..127. Differentiable, twice too. Raises `UsageError`, `ShapeError`.
    """
    check_shape(images, "B 3 H W", "images")
    _check_dtype(images, "images")
    height, width = images.shape[-2:]
    mix, _, middle = _colors(images.dtype, images.device)
    with torch.autocast(images.device.type, enabled=False):
        planes = 255 * torch.einsum("pc,bchw->bphw", mix, images) - middle
        taps = (_forward_taps(n, images.dtype, images.device) for n in (height, width))
        maps: Tensor = _Spread.apply(planes.flatten(0, 1), *taps)  # type: ignore[no-untyped-call]
    return maps.view(len(images), CHANNELS, height, width)


def inverse_block_dct(coefficients: Features) -> Images:
    """DCT coefficients (B, 192, H, W) -> RGB images (B, 3, H, W), not clamped.

    The papers' decoder: inverse DCT of each block, 8x bilinear reduction (corners aligned), +128, YCbCr -> RGB. Affine.
    A pixel looks at its own block alone. As reduction interpolates between two samples around a source pixel, it gives
    a picture back within 3 % of its second differences, not exactly. Raises `UsageError`, `ShapeError`.
    """
    check_shape(coefficients, f"B {CHANNELS} H W", "coefficients")
    _check_dtype(coefficients, "coefficients")
    height, width = coefficients.shape[-2:]
    _, unmix, middle = _colors(coefficients.dtype, coefficients.device)
    taps = (_inverse_taps(n, coefficients.dtype, coefficients.device) for n in (height, width))
    with torch.autocast(coefficients.device.type, enabled=False):
        planes = _Gather.apply(coefficients.reshape(-1, BLOCK, BLOCK, height, width), *taps)  # type: ignore[no-untyped-call]
        planes = planes.view(len(coefficients), len(PLANES), height, width) + middle
        return torch.einsum("cp,bphw->bchw", unmix, planes) / 255


def _check_dtype(x: Tensor, what: str) -> None:
    if x.dtype not in (torch.float32, torch.float64):
        raise UsageError(
            f"Coefficients reach 1024 and matter below 1, so {what} must be float32 or float64, got {x.dtype}; "
            "convert them first."
        )


class _Spread(torch.autograd.Function):
    """Planes (N, H, W) -> maps (N, 8, 8, H, W): frequencies along the rows by one set of taps, then the columns."""

    @staticmethod
    def forward(ctx: Any, planes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.save_for_backward(rows, columns)
        reach = len(rows) // 2
        height, width = planes.shape[-2:]
        above = F.pad(planes, (0, 0, reach, reach))
        shifted = torch.stack([above[:, k : k + height] for k in range(len(rows))])
        beside = F.pad(torch.einsum("knhw,kuh->nuhw", shifted, rows), (reach, reach)).unsqueeze(2)
        maps = planes.new_empty(len(planes), BLOCK, BLOCK, height, width)
        for part in _parts(maps):
            for k, tap in enumerate(columns[:, :, None]):
                beside_k = beside[part, ..., k : k + width]
                if k == 0:
                    torch.mul(beside_k, tap, out=maps[part])
                else:
                    maps[part].addcmul_(beside_k, tap)
        return maps

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Gather.apply(gradient, *ctx.saved_tensors), None, None  # type: ignore[no-untyped-call]


class _Gather(torch.autograd.Function):
    """Maps (N, 8, 8, H, W) -> planes (N, H, W): the adjoint of `_Spread` with the same taps."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.save_for_backward(rows, columns)
        reach = len(rows) // 2
        height, width = maps.shape[-2:]
        beside = maps.new_zeros(len(maps), BLOCK, height, width + 2 * reach)
        for part in _parts(maps):
            for k, tap in enumerate(columns):
                for v in range(BLOCK):
                    beside[part, ..., k : k + width].addcmul_(maps[part, :, v], tap[v])
        halves = beside[..., reach : reach + width]
        above = maps.new_zeros(len(maps), height + 2 * reach, width)
        for k, tap in enumerate(rows):
            above[:, k : k + height] += (halves * tap[:, :, None]).sum(1)
        return above[:, reach : reach + height]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _Spread.apply(gradient, *ctx.saved_tensors), None, None  # type: ignore[no-untyped-call]


def _parts(maps: Tensor) -> list[slice]:
    """Slices of planes that are worked on together: one, which a core's cache holds, or all on an accelerator."""
    step = 1 if maps.device.type == "cpu" else max(1, len(maps))
    return [slice(n, n + step) for n in range(0, len(maps), step)]


@lru_cache
def _forward_taps(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(3, 8, size): what source pixel t + k - 1 gives to frequency u of block t along one axis."""
    with torch.inference_mode(False):
        places = torch.arange(BLOCK * size, dtype=torch.float64) * (size - 1) / (BLOCK * size - 1)
        distance = places.view(size, BLOCK, 1) - torch.arange(size)[:, None, None] - torch.tensor([-1, 0, 1])
        shares = (1 - distance.abs()).clamp(min=0)  # (block, sample, source pixel)
        return torch.einsum("us,tsk->kut", _cosines(), shares).to(device, dtype)


@lru_cache
def _inverse_taps(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(1, 8, size): what frequency u of block t gives to pixel t along one axis."""
    with torch.inference_mode(False):
        # pixel t lies at sample 8 t + 7 t / (size - 1), so between two samples of its own block
        places = torch.arange(size, dtype=torch.float64) * (BLOCK - 1) / max(1, size - 1)
        shares = (1 - (places[:, None] - torch.arange(BLOCK)).abs()).clamp(min=0)
        return torch.einsum("us,ts->ut", _cosines(), shares)[None].to(device, dtype)


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
