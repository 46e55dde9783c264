"""ONNX files on their way to OpenCV, which reads them in native code and dies of some that are damaged."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bauta.errors import BadCheckpoint, MissingWeights
from bauta.zoo.digests import expected
from bauta.zoo.records import File

__all__ = ["vouched"]

MOST = 256 << 20  # bytes of a model; the largest that is read here has 3 MB


def vouched(path: Path, file: File, what: str, sha256: str | None = None) -> NDArray[np.uint8]:
    """The bytes of an ONNX file, if they have the digest `sha256`, or that of the record's `file` where it is None.

    OpenCV gets these very bytes and no path: what they name beside them is not looked for. what: the model's name, for
    sentences. Raises `MissingWeights`, `BadCheckpoint`.
    """
    try:
        with path.open("rb") as opened:
            content = opened.read(MOST + 1)
    except FileNotFoundError as error:
        raise MissingWeights(f"There is no {what} model at {path}; give the path of its ONNX file.") from error
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be read ({error.strerror}); give the path of an ONNX file.") from error
    wanted, came = sha256 or expected(file), hashlib.sha256(content).hexdigest()
    if len(content) > MOST or came != wanted:
        cause = "" if sha256 else f", or say sha256={came!r} if it is a model of your own that you trust"
        raise BadCheckpoint(
            f"{path} is not the {what} model expected (SHA-256 {wanted}, got {came}), and a hostile ONNX file can "
            f"break OpenCV; pull it again{cause}."
        )
    return np.frombuffer(content, np.uint8)
