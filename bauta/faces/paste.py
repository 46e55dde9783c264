"""What is added to an aligned face, added to the face where it lies in its photo.

A change of the aligned 112 x 112 face is warped back through the inverse of the alignment and rounded to whole 8-bit
levels before it is added, so that subtracting the same change gives the photo back, bit for bit, but for pixels that
clipping took. Nothing outside the face is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from bauta.errors import check_shape
from bauta.faces.align import SIZE, TEMPLATE, Matrix, inverse, similarity, transform

__all__ = ["Place", "Window", "paste", "window"]

MIDDLE = (SIZE - 1) / 2


@dataclass(frozen=True)
class Place:
    """Where the aligned face lies in a photo, in the photo's pixels.

    x, y: its center. across, down: from the center to the middle of its right edge, so `across` and `down` say how
    large the face is and how it is turned.
    """

    x: float
    y: float
    across: float
    down: float

    @classmethod
    def of(cls, landmarks: ArrayLike) -> Self:
        """The place that `align` cuts out, on a grid of about half a pixel of the aligned face, which no recognizer
        minds: whoever looks for a pasted change need find it to a quarter only, and has it exactly. Raises
        `ShapeError`."""
        back = inverse(similarity(landmarks, TEMPLATE))
        x, y = transform(back, [[MIDDLE, MIDDLE]])[0]
        return cls(float(x), float(y), float(back[0, 0]) * MIDDLE, float(back[1, 0]) * MIDDLE).on_grid()

    def on_grid(self) -> Self:
        """The nearest place on the grid, whose steps are powers of two so that all of it is exact."""
        step = 2.0 ** np.floor(np.log2(self.scale)) / 2
        return type(self)(*(float(np.round(v / step) * step) for v in (self.x, self.y, self.across, self.down)))

    def moved(self, x: float = 0, y: float = 0, across: float = 0, down: float = 0) -> Self:
        """The place a little elsewhere."""
        return type(self)(self.x + x, self.y + y, self.across + across, self.down + down)

    @property
    def scale(self) -> float:
        """Pixels of the photo for one of the aligned face."""
        return float(np.hypot(self.across, self.down)) / MIDDLE

    @property
    def matrix(self) -> Matrix:
        """(2, 3), from the aligned face into the photo."""
        turn = np.array([[self.across, -self.down], [self.down, self.across]]) / MIDDLE
        return np.column_stack([turn, np.array([self.x, self.y]) - turn @ [MIDDLE, MIDDLE]])

    @property
    def landmarks(self) -> NDArray[np.float64]:
        """(5, 2) of the face that lies exactly here."""
        return transform(self.matrix, TEMPLATE)


@dataclass(frozen=True)
class Window:
    """A part of a photo: columns left to right and rows top to bottom, half-open."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, photo: Tensor) -> Tensor:
        """(..., H, W) -> a view of the part."""
        return photo[..., self.top : self.bottom, self.left : self.right]

    def warped(self, change: Tensor, place: Place) -> Tensor:
        """(3, 112, 112) -> (3, height, width): the change as it falls on this part of the photo, 0 elsewhere.

        Bilinear. Where the face is smaller than 112 pixels the change is averaged over areas first, so that fine
        detail does not fold into false patterns.
        """
        small, matrix = change.detach().float().cpu().permute(1, 2, 0).contiguous().numpy(), place.matrix
        side = min(SIZE, max(1, int(np.ceil(SIZE * place.scale))))
        if side < SIZE:
            small = cv2.resize(small, (side, side), interpolation=cv2.INTER_AREA)
            ratio = SIZE / side  # pixel i of `small` is centered on this pixel of the aligned face
            matrix = np.column_stack([matrix[:, :2] * ratio, transform(matrix, [[(ratio - 1) / 2] * 2])[0]])
        matrix[:, 2] -= [self.left, self.top]
        size = (self.right - self.left, self.bottom - self.top)
        there = cv2.warpAffine(small, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return torch.from_numpy(there).permute(2, 0, 1)


def window(photo: Tensor, place: Place, margin: int = 1) -> Window:
    """The part of (3, H, W) in which the face lies, and `margin` pixels more; never empty."""
    height, width = photo.shape[-2:]
    corners = transform(place.matrix, [[0, 0], [SIZE - 1, 0], [0, SIZE - 1], [SIZE - 1, SIZE - 1]])
    left, top = np.clip(np.floor(corners.min(0)) - margin, 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(0)) + margin + 1, [left + 1, top + 1], [width, height]).astype(int)
    return Window(int(left), int(top), int(right), int(bottom))


def paste(photo: Tensor, change: Tensor, *places: Place | ArrayLike) -> Tensor:
    """(3, H, W) in [0, 1] with `change` (3, 112, 112), in units of [0, 1], added to the face at each of `places`.

    A place is a `Place`, or five landmarks (x, y in pixels of the photo). Where the change is at least half a level,
    the result has 8 bits and is clipped; all other pixels are those of the photo, bit for bit. In a gray photo each
    channel gets the mean of the change's channels. Raises `ShapeError`.
    """
    check_shape(photo, "3 H W", "photo")
    check_shape(change, f"3 {SIZE} {SIZE}", "change")
    result = photo.clone()
    for given in places:
        place = given if isinstance(given, Place) else Place.of(given)
        part = window(photo, place)
        face = part.of(result)
        ours = change.mean(0, keepdim=True).expand(3, -1, -1) if is_gray(face) else change
        levels = (part.warped(ours, place) * 255).round().to(face)
        face.copy_(torch.where(levels == 0, face, ((face * 255).round() + levels).clamp(0, 255) / 255))
    return result


def is_gray(photo: Tensor) -> bool:
    """Whether all three channels of (3, H, W) are equal."""
    return bool((photo[0] == photo[1]).all() and (photo[0] == photo[2]).all())
