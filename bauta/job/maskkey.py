"""Whether a face carries a mask, and where exactly: correlation with the key.

Correlation is taken of what is left of a face and of a mask above a Gaussian's pass, divided by its local size, so that
neither the face's shading nor a few strong edges decide. How large it is by chance is told by the same face and the
mask at all other shifts and mirrored: its distance from their mean in their standard deviations is `z`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.align import SIZE, align
from bauta.faces.paste import MIDDLE, Place, Window, is_gray, window
from bauta.ops.filters import blur

CARRIED = 7.0
"""The `z` above which a face carries a mask: benchmarks/mask_keys.py measures how often that is wrong."""
NEAR = 8  # shifts by fewer pixels are no chance: a mask is like itself there
QUARTERS = (0.25, 0.5, 0.75, 1.0)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Carried:
    """Where a face carries a mask, how strongly (1 is the mask itself), and how far that is from chance; which of the
    key's masks it is, from 1."""

    place: Place
    strength: float
    z: float
    variant: int = 1


def fine(images: Tensor) -> Tensor:
    """(B, 3, H, W) without what a Gaussian of one pixel passes, divided by its local size; two levels are nothing."""
    high = images - blur(images, 1.0)
    local: Tensor = blur(high.square().mean(1, keepdim=True), 4.0).clamp_min(0).sqrt()
    return high / (local + 2 / 255)


def surface(face: Tensor, mask: Tensor) -> Tensor:
    """(..., 112, 112): correlation of fine (..., 3, 112, 112) at each circular shift."""
    product = torch.fft.rfft2(face) * torch.fft.rfft2(mask).conj()
    shifted: Tensor = torch.fft.irfft2(product.sum(-3), s=(SIZE, SIZE))
    return shifted


def chance(face: Tensor, mask: Tensor) -> float:
    """`z` of the aligned face (3, 112, 112) carrying the mask (3, 112, 112) where it is learned to lie."""
    a, b = fine(face[None])[0], fine(_as(mask, face)[None])[0]
    found = torch.stack([surface(a, b.flip(dims) if dims else b) for dims in ((), (-1,), (-2,), (-1, -2))])
    away = torch.minimum(torch.arange(SIZE), SIZE - torch.arange(SIZE))
    far = torch.maximum(away[:, None], away[None]) > NEAR
    null = found[:, far]
    return float((found[0, 0, 0] - null.mean()) / null.std().clamp_min(1e-12))


def in_place(face: Tensor, mask: Tensor) -> Carried:
    """Of an aligned face, which carries its mask nowhere else."""
    place = Place(MIDDLE, MIDDLE, MIDDLE, 0.0)
    return Carried(place, _strength(face, mask, place), chance(face, mask))


def sought(photo: Tensor, near: Place, mask: Tensor) -> Carried:
    """Of a photo (3, H, W) with a face that a detector found at `near`; where its finding is off by some pixels.

    The mask is shifted, turned and scaled on two grids, then by Gauss-Newton steps until the photo's fine detail is
    explained best. The result lies on the grid of places, so that it is usually the very place of the paste.
    """
    mask = _as(mask, window(photo, near).of(photo))
    place = near
    for step in (1.0, 0.25):
        place = _grid(photo, place, mask, step)
    place = _newton(photo, place, mask).on_grid()
    face = align(photo, place.landmarks)
    return Carried(place, _strength(photo, mask, place), chance(face, mask))


def _as(mask: Tensor, face: Tensor) -> Tensor:
    """What a mask is in such a face: in a gray one, all channels have the mean."""
    return mask.mean(0, keepdim=True).expand(3, -1, -1) if is_gray(face) else mask


def _grid(photo: Tensor, near: Place, mask: Tensor, step: float) -> Place:
    """The best of turns (by `step` degrees) and scales (by 1.5 % of it), at the best shift within NEAR pixels."""
    face = fine(align(photo, near.landmarks)[None])[0]
    high = (mask - blur(mask[None], 1.0)[0]).permute(1, 2, 0).contiguous().numpy()
    ways = range(-6, 7) if step >= 1 else range(-4, 5)
    tries = [(np.radians(step * turn), 1 + 0.015 * step * size) for turn in ways for size in ways]
    places = [Place(MIDDLE, MIDDLE, s * MIDDLE * np.cos(a), s * MIDDLE * np.sin(a)) for a, s in tries]
    warped = torch.stack(
        [torch.from_numpy(cv2.warpAffine(high, p.matrix, (SIZE, SIZE))).permute(2, 0, 1) for p in places]
    )
    found = surface(face, warped / warped.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None])
    reach = NEAR if step >= 1 else 2
    central = found.roll((reach, reach), (-2, -1))[:, : 2 * reach + 1, : 2 * reach + 1].flatten(1)
    best = int(central.max(1).values.argmax())
    down, right = divmod(int(central[best].argmax()), 2 * reach + 1)
    angle, size = tries[best]
    turn = complex(near.across, near.down) / MIDDLE
    moved = turn * complex(right - reach, down - reach)
    outward = turn * MIDDLE * size * complex(np.cos(angle), np.sin(angle))
    return Place(near.x + moved.real, near.y + moved.imag, outward.real, outward.imag)


def _newton(photo: Tensor, place: Place, mask: Tensor, rounds: int = 6) -> Place:
    """The place at which the mask explains most of the photo's fine detail."""
    small, part, block = _around(photo, place)
    origin = (part.left, part.top)
    ours = _smaller(place, origin, block)
    whole = Window(0, 0, small.shape[2], small.shape[1])
    sigma = max(1.0, ours.scale)
    y = _high(small, sigma)
    weight = _weight(small, y, sigma)
    pull = 0.125 * max(1.0, ours.scale)
    for _ in range(rounds):
        columns = [_high(whole.warped(mask, ours), sigma)]
        for way in ("x", "y", "across", "down"):
            ahead, back = (_high(whole.warped(mask, ours.moved(**{way: s})), sigma) for s in (pull, -pull))
            columns.append((ahead - back) / (2 * pull))
        system = np.stack([(weight * c).ravel() for c in columns], 1).astype(np.float64)
        solved = np.linalg.lstsq(system.T @ system, system.T @ (weight * y).ravel(), rcond=None)[0]
        if solved[0] <= 0.05:  # the mask is not there: nothing to follow
            break
        step = np.clip(solved[1:] / solved[0], -ours.scale, ours.scale)
        ours = ours.moved(*map(float, step))
    return _larger(ours, origin, block)


def _strength(photo: Tensor, mask: Tensor, place: Place) -> float:
    """How much of the mask there is, by least squares on fine detail."""
    small, part, block = _around(photo, place)
    ours = _smaller(place, (part.left, part.top), block)
    sigma = max(1.0, ours.scale)
    y = _high(small, sigma)
    there = _high(Window(0, 0, small.shape[2], small.shape[1]).warped(_as(mask, small), ours), sigma)
    weight = _weight(small, y, sigma) ** 2
    return float((weight * y * there).sum() / max(1e-12, float((weight * there * there).sum())))


def nearest_strength(found: float, usual: float) -> float:
    """The strength that was meant: the usual one, or the quarter nearest to what was found where that is far off.

    JPEG takes up to a third of the fine detail by which it was found.
    """
    return usual if 0.6 < found / usual < 1.3 else min(QUARTERS, key=lambda q: abs(q - found))


def _around(photo: Tensor, place: Place) -> tuple[Tensor, Window, int]:
    """The part of the photo round the face, in blocks of pixels so small that the mask is still finer sampled than
    it is; the part and the side of a block."""
    block = max(1, int(place.scale / 1.5))
    part = window(photo, place, margin=max(2, int(3 * place.scale)))
    height, width = ((part.bottom - part.top) // block * block, (part.right - part.left) // block * block)
    part = Window(part.left, part.top, part.left + max(block, width), part.top + max(block, height))
    cut = part.of(photo).detach().float().cpu()
    if block > 1:
        cut = torch.nn.functional.avg_pool2d(cut[None], block, ceil_mode=True)[0]
    return cut, part, block


def _smaller(place: Place, origin: tuple[int, int], block: int) -> Place:
    x, y = ((v - o + 0.5) / block - 0.5 for v, o in zip((place.x, place.y), origin, strict=True))
    return Place(x, y, place.across / block, place.down / block)


def _larger(place: Place, origin: tuple[int, int], block: int) -> Place:
    x, y = ((v + 0.5) * block - 0.5 + o for v, o in zip((place.x, place.y), origin, strict=True))
    return Place(x, y, place.across * block, place.down * block)


def _weight(image: Tensor, high: Floats, sigma: float) -> Floats:
    """(H, W, 3): how much a pixel's fine detail counts; nothing where clipping may have taken some of it."""
    local = np.sqrt(cv2.GaussianBlur((high**2).mean(2), (0, 0), 4 * sigma))[:, :, None]
    whole = ((image > 0.5 / 255) & (image < 254.5 / 255)).permute(1, 2, 0).numpy()
    return np.asarray(whole / (local + 2 / 255), np.float32)


def _high(image: Tensor, sigma: float) -> Floats:
    """(3, H, W) -> (H, W, 3) without what a Gaussian passes."""
    picture: Floats = image.permute(1, 2, 0).contiguous().numpy()
    return np.asarray(picture - cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
