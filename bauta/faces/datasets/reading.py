"""Files -> aligned `Faces`: what every data set here shares."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.errors import BadFile, BadImage, MissingData
from bauta.faces import detect
from bauta.faces.align import SIZE, align
from bauta.faces.datasets.store import base
from bauta.faces.images import decode
from bauta.types import Faces, Source

__all__ = ["Landmarks", "Reader", "numbered"]

Landmarks = Mapping[str, NDArray[np.float64]]


class Files(Protocol):
    """Whatever gives the content of a file by name: a folder, a zip, a pack."""

    def read(self, name: str) -> bytes:
        """The content. Raises `BadFile`."""
        ...


class Reader:
    """Turns pictures into aligned faces.

    A picture of 112 x 112 is taken for aligned. Others are aligned by `landmarks` (last part of the name -> (5, 2)), or
    else by the most central face that `detector` finds: the best one on this machine where None is given, looked for
    only when it is needed.
    """

    def __init__(self, *, detector: detect.Detector | None = None, landmarks: Landmarks | None = None) -> None:
        self.detector = detector
        self.landmarks = landmarks or {}

    def face(self, data: bytes, name: str) -> tuple[Tensor, Source]:
        """The aligned face in one file: (3, 112, 112), or one channel where it is gray. Raises `BadImage`."""
        picture = decode(data, name)
        image = picture.image
        if image.shape[1:] != (SIZE, SIZE):
            image = align(image, self.points(image, name))
        # a view of one channel would keep all three in memory
        return image[:1].clone() if picture.gray else image, picture.source

    def points(self, image: Tensor, name: str) -> NDArray[np.float64]:
        """The five landmarks of the face that a picture is of. Raises `BadImage` where there is none."""
        known = self.landmarks.get(base(name))
        if known is not None:
            return known
        self.detector = self.detector or detect.detector()
        found = self.detector.detect(image)
        if not found:
            raise BadImage(f"No face was found in {name}; the picture may be turned, dark, or show none.")
        return detect.central(found, *image.shape[1:]).landmarks

    def read(self, store: Files, names: Sequence[str]) -> tuple[Faces, list[int]]:
        """The files called `names` as `Faces` without labels, and which of `names` they are.

        Files that cannot be read and pictures without a face are left out, with one warning that counts them. Raises
        `MissingData` when nothing is left.
        """
        crops, sources, kept, refused = [], [], [], []
        for row, name in enumerate(names):
            try:
                image, source = self.face(store.read(name), name)
            except BadFile as error:
                refused.append(str(error))
                continue
            crops.append(image)
            sources.append(source)
            kept.append(row)
        if refused:
            warnings.warn(
                f"{len(refused)} of {len(names)} pictures in {store} are left out; the first: {refused[0]}",
                stacklevel=3,
            )
        if not crops:
            raise MissingData(
                f"{store} gave no face out of {len(names)} pictures; give a folder with pictures of faces."
            )
        return Faces(stack(crops), source=sources), kept


def stack(crops: Sequence[Tensor]) -> Tensor:
    """(1 or 3, H, W) each -> (B, 3, H, W). A set that is gray throughout keeps one channel in memory, seen three times:
    all of LFW is 0.7 GB and not 2."""
    if all(len(crop) == 1 for crop in crops):
        return torch.stack(list(crops)).expand(-1, 3, -1, -1)
    return torch.stack([crop.expand(3, -1, -1) for crop in crops])


def numbered(words: Sequence[str], among: Sequence[str]) -> Tensor:
    """(N,) the place of each word among the sorted distinct words of `among`."""
    place = {word: i for i, word in enumerate(sorted(set(among)))}
    return torch.tensor([place[word] for word in words], dtype=torch.long)
