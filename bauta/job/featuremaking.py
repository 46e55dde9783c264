"""Faces -> a database of their features, written as they are computed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch

from bauta.errors import BautaError, MissingData, UsageError
from bauta.job.featureprotecting import Told
from bauta.job.featurestore import create
from bauta.pipeline import Pipeline
from bauta.recognizers.base import Recognizer
from bauta.types import Faces


@torch.no_grad()
def make_database(faces: Faces, recognizer: Recognizer, out: Path, told: Told, batch: int = 32) -> tuple[int, ...]:
    """Write the unprotected features of `faces` at the recognizer's cut to `out`, a safetensors file, whole or not at
    all, with mode 0600; returns their shape.

    Its tensor "features" is (N, C, h, w); "identity" (N,) is beside it where the faces have one; "recognizer", "cut"
    and "files" (JSON) are metadata.

    Raises `MissingData` without faces, `UsageError` for another kind of file, `BautaError` where it cannot be written.
    """
    if out.suffix != ".safetensors":
        raise UsageError(f"Features are written to a .safetensors file, got {out}; call it something.safetensors.")
    if not len(faces):
        raise MissingData("There are no faces to compute features of; give a folder or a data set that has some.")
    device = next(recognizer.parameters()).device
    pipeline, part = Pipeline(recognizer), out.with_name(f".{out.name}.part")
    row = pipeline.features(faces[:1].to(device)).shape[1:]
    about = {"recognizer": recognizer.name, "cut": str(recognizer.cut)}
    if faces.source:
        about["files"] = json.dumps([source.file for source in faces.source])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        database = create(part, (len(faces), *row), faces.identity, about)
        done = 0
        for some in faces.batches(batch):
            database.write(done, pipeline.features(some.to(device)))
            done += len(some)
            told("computing", done, len(faces))
        os.replace(part, out)
    except OSError as error:
        raise BautaError(
            f"{out} cannot be written ({error.strerror or error}); make room, or choose another."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return database.shape
