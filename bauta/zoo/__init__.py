"""Where weights and data come from: records of facts, and the files behind them. Free of torch."""

from __future__ import annotations

import os
from pathlib import Path

from bauta.errors import MissingWeights, UsageError
from bauta.zoo.records import WEIGHTS, File, Input, Weights

__all__ = ["WEIGHTS", "File", "Input", "Weights", "locate", "weights"]


def weights(name: str) -> Weights:
    """The record called `name`. Raises `UsageError` with the names there are."""
    for record in WEIGHTS:
        if record.name == name:
            return record
    raise UsageError(f"No recognizer is called {name!r}; there are {', '.join(r.name for r in WEIGHTS)}.")


def locate(file: File) -> Path:
    """The file on this machine: from BAUTA_MIRROR. Raises `MissingWeights`."""
    mirror = os.environ.get("BAUTA_MIRROR")
    if mirror and (Path(mirror) / file.name).is_file():
        return Path(mirror) / file.name
    raise MissingWeights(f"{file.name} is not here; set BAUTA_MIRROR to a folder that holds it.")
