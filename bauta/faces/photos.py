"""An ordinary photo -> the aligned faces in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bauta.errors import BadImage
from bauta.faces.align import align
from bauta.faces.detect import Detector
from bauta.faces.images import MAX_PIXELS, Picture, read_picture
from bauta.types import Source

__all__ = ["Face", "faces_in", "faces_of"]


@dataclass(frozen=True)
class Face:
    """One face of a photo. image: (3, 112, 112) RGB in [0, 1], aligned. box (left, top, width, height) and landmarks
    (5, 2) are in pixels of the upright photo; score is the detector's. source is the photo, gray whether it has no
    color."""

    image: Tensor
    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float64]
    score: float
    source: Source
    gray: bool


def faces_in(path: str | Path, detector: Detector, *, max_pixels: int = MAX_PIXELS) -> list[Face]:
    """The faces in the photo at `path`, largest first, at least one. Raises `BadImage`, also when there is none."""
    return faces_of(read_picture(path, max_pixels=max_pixels), detector)


def faces_of(picture: Picture, detector: Detector) -> list[Face]:
    """The faces in a picture that was read, largest first, at least one. Raises `BadImage` where there is none."""
    found = detector.detect(picture.image)
    if not found:
        height, width = picture.image.shape[1:]
        raise BadImage(
            f"No face was found in {picture.source.file} ({width} x {height}); turn it upright, light it better or "
            "crop it closer."
        )
    return [
        Face(align(picture.image, f.landmarks), f.box, f.landmarks, f.score, picture.source, picture.gray)
        for f in found
    ]
