"""A whole photo around each aligned face, so that a mask is pasted and a face is found as it is in use."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from bauta.faces.align import align
from bauta.faces.detect import Detector, central
from bauta.faces.paste import MIDDLE, Place, paste
from bauta.types import Images

SIDE = 480  # of a photo, pixels
LARGEST, SMALLEST, TURN, ASIDE = 2.5, 1.0, 0.25, 40  # size of the face in aligned ones; radians; pixels from the middle


def photographed(faces: Images, change: Tensor | None, detector: Detector, seed: int) -> Images:
    """(B, 3, 112, 112) -> the same faces after a way through photos of 480 x 480.

    Each lies in its photo enlarged and turned by a draw of the seed, the same with and without a change. It is found
    there, `change` (B, 3, 112, 112) is pasted where it was found, the photo is rounded to 8 bits, and whoever reads it
    finds the face again and cuts it out. A face that is not found is read from where it was put.
    """
    draws = Generator().manual_seed(seed)
    read = []
    for number, face in enumerate(faces):
        place = drawn(draws)
        photo = around(face, place)
        if change is not None:
            photo = paste(photo, change[number], Place.of(seen(photo, place, detector)))
        read.append((align(photo, seen(photo, place, detector)) * 255).round() / 255)
    return torch.stack(read) if read else faces


def drawn(draws: Generator) -> Place:
    """Somewhere near the middle, somewhat larger than an aligned face, somewhat turned."""
    x, y, size, turn = torch.rand(4, generator=draws).tolist()
    scale, angle = SMALLEST + (LARGEST - SMALLEST) * size, TURN * (2 * turn - 1)
    x, y = (SIDE / 2 + ASIDE * (2 * share - 1) for share in (x, y))
    return Place(x, y, MIDDLE * scale * math.cos(angle), MIDDLE * scale * math.sin(angle))


def around(face: Tensor, place: Place) -> Tensor:
    """(3, 112, 112) -> (3, 480, 480): its border goes on to the photo's; 8 bits."""
    pixels = face.detach().float().cpu().permute(1, 2, 0).contiguous().numpy()
    photo = cv2.warpAffine(pixels, place.matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return ((torch.from_numpy(photo) * 255).round() / 255).permute(2, 0, 1).to(face)


def seen(photo: Tensor, place: Place, detector: Detector) -> NDArray[np.float64]:
    """The landmarks of the face in the middle, or those that it was put to."""
    found = detector.detect(photo)
    return central(found, SIDE, SIDE).landmarks if found else place.landmarks
