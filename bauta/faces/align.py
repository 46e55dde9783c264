"""Five points -> an upright face of 112 x 112, as recognizers were trained.

Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991. The template is
the one that InsightFace and most networks since ArcFace use.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from bauta.errors import ShapeError, check_shape

__all__ = ["TEMPLATE", "align", "continued", "inverse", "similarity", "transform"]

TEMPLATE: NDArray[np.float64] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""(5, 2) x, y in the 112 x 112 picture: left eye, right eye, nose, left and right corner of the mouth, left as seen."""
SIZE = 112
EDGE = 2  # pixels, at which a photo's edge is mixed with black

Matrix = NDArray[np.float64]


def similarity(src: ArrayLike, dst: ArrayLike) -> Matrix:
    """The (2, 3) rotation, scale and shift, never a mirroring, that brings `src` (N, 2) nearest to `dst` (N, 2).

    Least squares in closed form (Umeyama's equations 38 to 43). Raises `ShapeError` for other shapes, values that are
    not finite, or points that all coincide.
    """
    a, b = np.asarray(src, np.float64), np.asarray(dst, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 2 or len(a) < 2:
        raise ShapeError(f"A similarity needs two lists of points (N, 2) with N >= 2, got {a.shape} and {b.shape}.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ShapeError("A similarity needs finite points, got NaN or infinity; look at the landmarks.")
    center_a, center_b = a.mean(0), b.mean(0)
    a, b = a - center_a, b - center_b
    spread = (a**2).sum()
    if spread < 1e-9:
        raise ShapeError("A similarity needs points that differ, got the same point again and again.")
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u * sign @ vt
    scaled = rotation * ((s * sign).sum() / spread)
    return np.column_stack([scaled, center_b - scaled @ center_a])


def transform(matrix: Matrix, points: ArrayLike) -> NDArray[np.float64]:
    """(N, 2) points moved by a (2, 3) matrix."""
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return moved


def inverse(matrix: Matrix) -> Matrix:
    """The (2, 3) matrix that undoes another: from the aligned face back into the photo."""
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack([back, -back @ matrix[:, 2]])


def align(image: Tensor, landmarks: ArrayLike, size: int = SIZE) -> Tensor:
    """Cut the face at five `landmarks` (x, y in pixels of `image`) out of (3, H, W): (3, size, size), in [0, 1].

    Sampled bilinearly; what lies outside the photo is black. A face that must shrink to half or less is averaged over
    whole blocks of pixels first, so that fine detail does not fold into false patterns. Raises `ShapeError`.
    """
    check_shape(image, "3 H W", "image")
    matrix = similarity(landmarks, TEMPLATE * (size / SIZE))
    block = max(1, int(1 / np.hypot(matrix[0, 0], matrix[1, 0])))
    # only the part of the photo that the face needs is touched, so a large photo costs no more than a small one
    corners = transform(inverse(matrix), [[0, 0], [size, 0], [0, size], [size, size]])
    width, height = image.shape[2], image.shape[1]
    left, top = np.clip(np.floor(corners.min(0)) - 2 * block, 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(0)) + 2 * block, [left + 1, top + 1], [width, height]).astype(int)
    cut = image[None, :, top:bottom, left:right].detach().float().cpu()
    small = F.avg_pool2d(cut, block, ceil_mode=True) if block > 1 else cut
    # pixel (i, j) of `small` is centered on this pixel of the photo
    origin = np.array([left, top]) + (block - 1) / 2
    moved = np.column_stack([matrix[:, :2] * block, transform(matrix, [origin])[0]])
    face = cv2.warpAffine(small[0].permute(1, 2, 0).contiguous().numpy(), moved, (size, size), flags=cv2.INTER_LINEAR)
    return torch.from_numpy(face).clamp(0, 1).permute(2, 0, 1).contiguous().to(image)


def continued(face: Tensor) -> Tensor:
    """An aligned face (3, H, W) of a narrow crop, with what `align` left black mirrored in across the photo's edge, and
    stretched to twice its size, so that a forehead is continued by a forehead and not by eyes.

    Black is what is zero and joined to the picture's border; a picture that is nearly all black stays as it is.
    """
    from scipy import ndimage  # late: few need it, and every command would load it

    check_shape(face, "3 H W", "face")
    _, height, width = face.shape
    parts, _ = ndimage.label(face.amax(0).numpy() == 0)
    ends = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    outside = ndimage.binary_dilation(np.isin(parts, ends[ends > 0]), iterations=EDGE)
    if not outside.any() or outside.mean() > 0.8:
        return face
    nearest = ndimage.distance_transform_edt(outside, return_distances=False, return_indices=True)
    here = np.indices(outside.shape)
    found = (n + (n - h) // 2 for n, h in zip(nearest, here, strict=True))
    rows, columns = (np.clip(place, 0, most - 1) for place, most in zip(found, (height, width), strict=True))
    lost = outside[rows, columns]  # mirrored out of the photo again: the edge itself
    rows, columns = np.where(lost, nearest[0], rows), np.where(lost, nearest[1], columns)
    return face[:, torch.from_numpy(rows), torch.from_numpy(columns)]
