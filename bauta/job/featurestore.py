"""Databases of features on disk, a row a face: .npy and .safetensors, read and written a few rows at a time.

Either kind is a header and then the rows, one after the other. So a protected database is its original with other bytes
for the rows: ids, names, the order and the header stay as they are. Rows are read and written as plain bytes of a file
and not through a memory map, whose pages would count as this process's memory for as long as it runs.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bauta.errors import BadFile, MissingData, ShapeError, UsageError

SUFFIXES = (".npy", ".safetensors")
KEY = "features"
MAGIC = b"\x93NUMPY"
PIECE = 1 << 20  # bytes that are copied at a time
DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}


@dataclass(frozen=True)
class Database:
    """Rows of features in a file. begin: the byte where the first row begins. shape: (N, C, h, w), or (N, D) for
    embeddings, whose rows are handed out as (D, 1, 1). dtype: little-endian float32 or float16."""

    path: Path
    begin: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def row(self) -> tuple[int, int, int]:
        """(C, h, w) of a row."""
        channels, height, width = self.shape[1:] if len(self.shape) == 4 else (self.shape[1], 1, 1)
        return channels, height, width

    @property
    def end(self) -> int:
        """The byte after the last row."""
        return self.begin + len(self) * self._bytes

    @property
    def _bytes(self) -> int:
        return math.prod(self.row) * self.dtype.itemsize

    def read(self, first: int, last: int) -> Tensor:
        """Rows `first` to `last` - 1 as 32-bit features (n, C, h, w). Raises `BadFile` where the file ends before."""
        with self.path.open("rb") as file:
            file.seek(self.begin + first * self._bytes)
            content = file.read((last - first) * self._bytes)
        if len(content) != (last - first) * self._bytes:
            raise BadFile(f"{self.path} ends before row {last - 1}; it was cut short since it was opened.")
        numbers: NDArray[np.float32] = np.frombuffer(content, self.dtype).astype(np.float32)
        return torch.from_numpy(numbers).view(last - first, *self.row)

    def write(self, first: int, rows: Tensor) -> None:
        """Put features (n, C, h, w) in the place of as many rows, on the disk when this returns. Raises `OSError`."""
        with self.path.open("r+b") as file:
            file.seek(self.begin + first * self._bytes)
            file.write(rows.detach().cpu().numpy().astype(self.dtype).tobytes())
            file.flush()
            os.fsync(file.fileno())

    def unsound(self, rows: Tensor) -> list[int]:
        """Which of (n, ...) are not finite, or too large for the file's type."""
        fits = rows.detach().flatten(1).abs().amax(1) <= float(np.finfo(self.dtype).max)
        return (~fits).nonzero().flatten().tolist()

    def emptied(self, path: Path) -> Self:
        """A copy of the whole file at `path`, with zeros for the rows. Raises `OSError`."""
        with self.path.open("rb") as source, path.open("wb") as target:
            _copy(source, target, self.begin)
            source.seek(self.end)
            target.truncate(self.end)
            target.seek(self.end)
            _copy(source, target, self.path.stat().st_size - self.end)
            target.flush()
            os.fsync(target.fileno())
        return replace(self, path=path)


def open_database(path: str | Path, key: str | None = None) -> Database:
    """The features in a .npy or .safetensors file. key: which tensor of the latter; without it the only one, or the one
    called "features".

    Raises `MissingData`, `UsageError` (another kind of file, several tensors), `ShapeError`, `BadFile`.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise UsageError(f"A database of features is a .npy or .safetensors file; got {path}.")
    if not path.is_file():
        raise MissingData(f"{path} is not there; give a database of features, as `bauta features` writes one.")
    if path.suffix == ".npy" and key is not None:
        raise UsageError(f"A .npy file holds one array without a name; leave the key {key!r} out.")
    try:
        found = _npy(path) if path.suffix == ".npy" else _safetensors(path, key)
    except (
        SafetensorError,
        TokenError,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        EOFError,
        RecursionError,
        OverflowError,
    ) as error:
        if isinstance(error, UsageError):
            raise
        raise BadFile(f"{path} is no whole {path.suffix} file of numbers ({error}); write it again.") from error
    if found.dtype not in DTYPES.values():
        raise ShapeError(f"{path} must hold little-endian float32 or float16, got {found.dtype}; convert it.")
    if len(found.shape) not in (2, 4) or not all(found.shape):
        raise ShapeError(f"{path} must hold features (N, C, h, w) or embeddings (N, D), got {found.shape}.")
    return found


def _npy(path: Path) -> Database:
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:  # NumPy would open zips too, and pickles
            raise ValueError("it does not begin like one")
    mapped = np.load(path, mmap_mode="r")
    if not mapped.flags.c_contiguous:
        raise ValueError("its rows do not lie one after the other, as in Fortran; np.ascontiguousarray mends that")
    return Database(path, mapped.offset, mapped.shape, mapped.dtype)


def _safetensors(path: Path, key: str | None) -> Database:
    with safe_open(path, "np") as file:  # checks the header and the length of the file
        names = sorted(file.keys())
    chosen = key or (names[0] if len(names) == 1 else KEY)
    if chosen not in names:
        said = f"no tensor called {chosen}" if key or not names else "several tensors"
        raise UsageError(f"{path} has {said}; name one of {', '.join(names) or 'none'} with --key.")
    with path.open("rb") as raw:
        length = int.from_bytes(raw.read(8), "little")
        about = json.loads(raw.read(length))[chosen]
    dtype = DTYPES.get(about["dtype"])
    if dtype is None:
        raise ShapeError(f"{chosen} in {path} must be F32 or F16, got {about['dtype']}; convert it.")
    return Database(path, 8 + length + about["data_offsets"][0], tuple(about["shape"]), dtype)


def create(path: Path, shape: tuple[int, ...], identity: Tensor | None, about: Mapping[str, str]) -> Database:
    """A new safetensors file for its owner's eyes (mode 0600), whose tensor "features" of 32-bit zeros is still to be
    written. identity: (N,) integers, kept beside as "identity". about: the file's metadata. Raises `OSError`."""
    size = 4 * math.prod(shape)
    header: dict[str, Any] = {
        "__metadata__": dict(about),
        KEY: {"dtype": "F32", "shape": list(shape), "data_offsets": [0, size]},
    }
    numbers = b"" if identity is None else identity.cpu().numpy().astype("<i8").tobytes()
    if numbers:
        offsets = [size, size + len(numbers)]
        header["identity"] = {"dtype": "I64", "shape": [shape[0]], "data_offsets": offsets}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + size)
        file.seek(8 + len(text) + size)
        file.write(numbers)
    return Database(path, 8 + len(text), shape, DTYPES["F32"])


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    """The next `count` bytes of one file to where the other stands."""
    while count:
        piece = source.read(min(count, PIECE))
        if not piece:
            raise BadFile("The database ends before its header says; it was cut short since it was opened.")
        target.write(piece)
        count -= len(piece)
