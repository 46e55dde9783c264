"""Age, gender, race and emotion by the `deepface` package, where it is installed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.errors import MissingPackage, check_shape
from bauta.estimators.base import Estimator
from bauta.faces.datasets.lfw import EMOTIONS
from bauta.faces.datasets.utkface import RACES
from bauta.types import Images

# deepface's own names, in the order of our labels. Where it tells more apart than a label does, the shares add up.
THEIRS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "gender": (("Man",), ("Woman",)),
    "race": (("white",), ("black",), ("asian",), ("indian",), ("middle eastern", "latino hispanic")),
    "emotion": (("angry",), ("disgust",), ("fear",), ("happy",), ("sad",), ("surprise",), ("neutral",)),
}
SMALLEST = 1e-8  # of a share: its logarithm stays finite


class DeepFace(Estimator):
    """An adapter to the `deepface` package (Serengil and Ozpinar, ICEET 2021), PMT's estimator in Table VIII.

    Its networks run in TensorFlow, a picture a time: no gradient passes, and the package fetches its weights itself,
    past the zoo. Logits are logarithms of its shares. Pictures count as faces that are found and aligned already.
    Raises `MissingPackage` where the package is not installed or its answers are of another make.
    """

    name = "deepface"
    classes: ClassVar = {"age": (), "gender": ("male", "female"), "race": RACES, "emotion": EMOTIONS[:7]}
    paper = "Serengil and Ozpinar, HyperExtended LightFace, ICEET 2021"

    def __init__(self) -> None:
        super().__init__()
        try:
            self._analyze = importlib.import_module("deepface.DeepFace").analyze
        except ImportError as error:
            raise MissingPackage(
                "deepface is not installed; run `pip install deepface`, or use the estimators age-gender and emotion."
            ) from error

    def forward(self, images: Images) -> dict[str, Tensor]:
        """(B, 3, H, W) -> age (B, 1), gender (B, 2), race (B, 5), emotion (B, 7)."""
        check_shape(images, "B 3 H W", "images")
        # the package takes what OpenCV reads: blue first, 0 to 255
        pictures = (images.detach().cpu().clamp(0, 1) * 255).round().byte().flip(1).permute(0, 2, 3, 1).numpy()
        read = [self._read(np.ascontiguousarray(picture)) for picture in pictures]
        return {name: torch.stack([face[name] for face in read]).to(images) for name in self.classes}

    def _read(self, picture: NDArray[np.uint8]) -> dict[str, Tensor]:
        found = self._analyze(
            picture,
            actions=tuple(self.classes),
            detector_backend="skip",
            enforce_detection=False,
            align=False,
            silent=True,
        )
        try:
            shares = {
                name: torch.tensor([sum(found[0][name][word] for word in words) / 100 for words in values])
                for name, values in THEIRS.items()
            }
            age = torch.tensor([float(found[0]["age"])])
        except (KeyError, IndexError, TypeError) as error:
            raise MissingPackage(
                "The installed deepface answers otherwise than its releases 0.0.7x to 0.0.9x, a list of dictionaries "
                f"({type(error).__name__}: {error}); install one of those."
            ) from error
        return {"age": age, **{name: share.clamp_min(SMALLEST).log() for name, share in shares.items()}}
