"""What a feature protection learns from: the client's features of public faces."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from bauta.errors import ShapeError, UsageError
from bauta.ops.quantize import through_8bit
from bauta.protections.base import FeatureProtection
from bauta.recognizers.base import Recognizer
from bauta.recognizers.folding import folded_client
from bauta.types import Faces, Features

BATCH = 64


def public_features(
    protection: FeatureProtection, faces: Faces | None, *recognizers: Recognizer
) -> Iterator[tuple[Faces, Features]]:
    """Batches of faces with what the one recognizer's client makes of their 8-bit pictures.

    Raises `UsageError` without faces or with other than one recognizer.
    """
    name = type(protection).__name__
    if faces is None or not len(faces):
        raise UsageError(f"{name} learns from public faces; give some of people whom it will not protect.")
    if len(recognizers) != 1:
        raise UsageError(f"{name} learns the features of one recognizer; got {len(recognizers)}.")
    client = folded_client(recognizers[0])
    for batch in faces.batches(BATCH):
        with torch.no_grad():
            yield batch, client(through_8bit(batch.images))


def check_fitted(protection: FeatureProtection, x: Features, shape: tuple[int, ...]) -> None:
    """Raise unless rows of `x` have the `shape` that was fitted; () stands for nothing fitted yet."""
    name = type(protection).__name__
    if not shape:
        raise UsageError(f"{name} has learned nothing yet: call fit(faces, recognizer) first.")
    if tuple(x.shape[1 : 1 + len(shape)]) != shape:
        raise ShapeError(
            f"{name} was fitted at a cut with features {shape}, got {tuple(x.shape[1:])}; "
            "fit it for the recognizer as it is cut here."
        )
