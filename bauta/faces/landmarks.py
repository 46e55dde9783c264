"""Many landmarks of an aligned face, and the part of the picture that they enclose.

`PFLD` is Guo et al., "PFLD: a practical facial landmark detector", arXiv 1902.10859, in the weights of
cunjian/pytorch_face_landmark, run by OpenCV.
"""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any, Protocol, Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bauta import zoo
from bauta.errors import BadCheckpoint, MissingWeights, ShapeError, check_shape
from bauta.faces.models import vouched
from bauta.types import Images

__all__ = ["PFLD", "Landmarker", "TemplateLandmarks", "hulls", "landmarker"]

FILE = zoo.tool("pfld68").files[0]
POINTS = 68
SIZE = 112  # of the pictures that PFLD takes and that HULL is measured on

# fmt: off
HULL = (
    (98, 56), (97, 66), (95, 77), (93, 87), (89, 96), (82, 104), (74, 110), (65, 115), (56, 116), (46, 114), (37, 110),
    (29, 103), (23, 94), (20, 84), (18, 73), (17, 63), (17, 52), (30, 42), (37, 41), (77, 42), (84, 43), (89, 47),
)
# fmt: on
"""x, y of the convex hull of each landmark's median over 600 LFW faces in the 112 x 112 template, found by PFLD."""


class Landmarker(Protocol):
    """Anything that finds a face's landmarks."""

    def landmarks(self, images: Images) -> NDArray[np.float64]:
        """Aligned faces (B, 3, H, W) -> (B, N, 2): x, y of N landmarks in pixels, which may lie outside."""
        ...


class PFLD:
    """68 landmarks by PFLD, of aligned faces of any size (it looks at them in 112 x 112). 10 ms a face on a core.

    sha256: the digest of a `model` that is another than the record's. Raises `MissingWeights` when the model is not on
    this machine, `BadCheckpoint` when it is another or OpenCV cannot run it.
    """

    def __init__(self, model: str | Path | None = None, *, sha256: str | None = None) -> None:
        self.model = model
        path = Path(model) if model is not None else zoo.locate(FILE)
        content = vouched(path, FILE, "PFLD", sha256)
        try:
            self.network: Any = cv2.dnn.readNetFromONNX(content)
        except cv2.error as error:
            raise BadCheckpoint(f"{path} is no PFLD model that OpenCV can open; pull it again.") from error
        self.lock = threading.Lock()

    def __repr__(self) -> str:
        return "PFLD()" if self.model is None else f"PFLD({str(self.model)!r})"

    def __deepcopy__(self, memo: object) -> Self:
        return self  # OpenCV's network cannot be copied, and never changes

    def landmarks(self, images: Images) -> NDArray[np.float64]:
        """(B, 68, 2) in pixels: 0-16 the jaw, 17-26 the brows, 27-35 the nose, 36-47 the eyes, 48-67 the mouth."""
        check_shape(images, "B 3 H W", "images")
        if not len(images):
            return np.zeros((0, POINTS, 2))
        height, width = images.shape[-2:]
        small = images.detach().float().cpu()
        if (height, width) != (SIZE, SIZE):
            small = F.interpolate(small, (SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True)
        with self.lock:  # the input is a state of the network
            try:
                self.network.setInput(np.ascontiguousarray(small.numpy()))
                found = np.asarray(self.network.forward(), np.float64)
            except cv2.error as error:
                raise BadCheckpoint("OpenCV opened the PFLD model and cannot run it; pull it again.") from error
        if found.shape != (len(images), 2 * POINTS):
            raise BadCheckpoint(f"A PFLD model gives 136 numbers a face, this one gives {found.shape}; pull it again.")
        return found.reshape(len(images), POINTS, 2) * [width, height]


class TemplateLandmarks:
    """The outline of the median face for every picture: for aligned faces only, and blind to how the head is turned.

    Its hull and PFLD's own have 0.82 of their area in common on 600 LFW faces, and 0.81 on 200 of celebrities.
    """

    def __repr__(self) -> str:
        return "TemplateLandmarks()"

    def landmarks(self, images: Images) -> NDArray[np.float64]:
        """(B, 22, 2) in pixels, the same for all."""
        check_shape(images, "B 3 H W", "images")
        height, width = images.shape[-2:]
        points = np.array(HULL) * [width / SIZE, height / SIZE]
        return np.repeat(points[None], len(images), 0)


def landmarker() -> Landmarker:
    """PFLD, or the template with a warning where its model is not on this machine; nothing is downloaded unasked."""
    try:
        zoo.here(zoo.tool("pfld68"))
        return PFLD()
    except MissingWeights as missing:
        warnings.warn(f"Every face gets the outline of the median face: {missing}", stacklevel=2)
        return TemplateLandmarks()


def hulls(points: NDArray[np.float64], size: tuple[int, int]) -> Tensor:
    """Landmarks (B, N, 2), x and y in pixels -> (B, 1, *size): 1 in each face's convex hull, its border too, else 0."""
    if points.ndim != 3 or points.shape[1] < 3 or points.shape[2] != 2 or not np.isfinite(points).all():
        raise ShapeError(
            f"A hull needs at least three finite points (B, N, 2), got {points.shape}; look at the landmarks."
        )
    masks = np.zeros((len(points), 1, *size), np.uint8)
    for mask, face in zip(masks, points, strict=True):
        near = np.rint(face.clip(-(2**15), 2**15)).astype(np.int32)
        cv2.fillConvexPoly(mask[0], cv2.convexHull(near), 1)
    return torch.from_numpy(masks).float()
