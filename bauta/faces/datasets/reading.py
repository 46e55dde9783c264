"""Files -> aligned `Faces`: what every data set here shares."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.errors import BadFile, BadImage, MissingData
from bauta.faces.align import SIZE, align
from bauta.faces.datasets.store import Store
from bauta.faces.detect import Detector, central
from bauta.faces.images import Picture, decode
from bauta.types import Faces, Source

__all__ = ["Landmarks", "read_faces"]

Landmarks = Mapping[str, NDArray[np.float64]]


def read_faces(
    store: Store,
    names: Sequence[str],
    *,
    detector: Detector | None = None,
    landmarks: Landmarks | None = None,
) -> tuple[Faces, list[int]]:
    """The files called `names` as aligned `Faces` without labels, and which of `names` they are.

    A picture of 112 x 112 is taken for aligned. Others are aligned by `landmarks` (last part of the name -> (5, 2)), or
    else by the most central face that `detector` finds. Files that cannot be read and pictures without a face are left
    out with one warning that counts them. Raises `MissingData` when nothing is left.
    """
    crops: list[Tensor] = []
    sources: list[Source] = []
    kept: list[int] = []
    refused: list[str] = []
    grey = True
    for row, name in enumerate(names):
        try:
            picture = decode(store.read(name), name)
            face = crop(picture, name, detector, landmarks or {})
        except BadFile as error:
            refused.append(str(error))
            continue
        grey = grey and picture.grey
        crops.append(face[:1] if picture.grey else face)
        sources.append(picture.source)
        kept.append(row)
    if refused:
        warnings.warn(
            f"{len(refused)} of {len(names)} pictures in {store} are left out; the first: {refused[0]}", stacklevel=3
        )
    if not crops:
        raise MissingData(f"{store} gave no face; it must hold pictures of faces.")
    # a grey set keeps one channel in memory and shows it three times: all of LFW is 0.7 GB instead of 2
    images = torch.stack(crops if grey else [c.expand(3, -1, -1) for c in crops]).expand(-1, 3, -1, -1)
    return Faces(images, source=sources), kept


def crop(picture: Picture, name: str, detector: Detector | None, landmarks: Landmarks) -> Tensor:
    """The aligned face in one picture. Raises `BadImage`."""
    if picture.image.shape[1:] == (SIZE, SIZE):
        return picture.image
    points = landmarks.get(name.rsplit("/", 1)[-1])
    if points is not None:
        return align(picture.image, points)
    if detector is None:
        height, width = picture.image.shape[1:]
        raise BadImage(
            f"{name} is {width} x {height}, not an aligned face of {SIZE} x {SIZE}; give landmarks or a detector."
        )
    found = detector.detect(picture.image)
    if not found:
        raise BadImage(f"No face was found in {name}; the picture may be turned, dark, or show none.")
    height, width = picture.image.shape[1:]
    return align(picture.image, central(found, height, width).landmarks)
