"""What is written down about weights, data sets and tools: where they come from, what they are, what they measured.

A record holds facts, never bytes. The facts themselves lie in `networks`, `datasets` and `tools`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bauta.errors import MissingData, MissingError, MissingWeights


@dataclass(frozen=True)
class File:
    """One file of a record.

    name: its path in a mirror and in the cache (an absolute path for what a user registered). urls: where its bytes
    live, best first; empty where no address gives exactly these bytes. sha256: their digest, or None for bytes that
    nobody here has seen yet: they are pinned at first use, after a yes. where: how to get the file by hand, a sentence.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None
    where: str = ""

    missing: ClassVar[type[MissingError]] = MissingWeights
    command: ClassVar[str] = "bauta models pull"


@dataclass(frozen=True)
class DataFile(File):
    """A file of a data set."""

    missing: ClassVar[type[MissingError]] = MissingData
    command: ClassVar[str] = "bauta datasets pull"


@dataclass(frozen=True)
class Input:
    """What a network was trained on, as `bauta.recognizers.Preprocess` takes it; mean and std in units of [0, 1]."""

    mean: tuple[float, ...] = (127.5 / 255,)
    std: tuple[float, ...] = (128 / 255,)
    size: tuple[int, int] | None = None
    columns: tuple[int, int] | None = None
    bgr: bool = False


@dataclass(frozen=True)
class Weights:
    """A recognizer's weights; the first file holds them.

    architecture: a key of `bauta.recognizers.ARCHITECTURES`. accuracy, deviation, threshold: LFW's 10-fold accuracy
    and its deviation over the folds (percent), and the mean best cosine threshold, measured by `bauta evaluate` on the
    gray aligned copy of LFW, one view; None where nobody measured them so. cut: the default deep cut (how many layers
    the client holds), chosen from the depth curve, or None where it was not measured. folds: how many of LFW's last
    folds the accuracy is of, where the network has learned from the people of the others.
    """

    name: str
    architecture: str
    files: tuple[File, ...]
    license: str
    input: Input
    embedding: int
    trained_on: str
    loss: str
    paper: str
    accuracy: float | None = None
    deviation: float | None = None
    threshold: float | None = None
    cut: int | None = None
    folds: int = 10


@dataclass(frozen=True)
class Dataset:
    """A set of faces.

    files: what can be fetched or lies in a mirror. where: what its user must do by hand, a sentence. path: the folder
    or zip that a user registered for it.
    """

    name: str
    what: str
    license: str
    paper: str
    files: tuple[File, ...] = ()
    where: str = ""
    path: Path | None = None


@dataclass(frozen=True)
class Tool:
    """A network that is no recognizer to be cut: a detector, a landmarker, an attribute network, a pack of ONNX files.

    takes: its input. gives: its output.
    """

    name: str
    kind: str
    files: tuple[File, ...]
    license: str
    paper: str
    takes: str
    gives: str
