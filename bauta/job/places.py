"""Where a job's pictures go: a folder of this machine, or one behind an fsspec URL such as s3://bucket/folder.

Files appear whole or not at all: renamed from a file beside on a disk, in one request in an object store.
"""

from __future__ import annotations

import hashlib
import posixpath
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bauta.errors import MissingPackage, UsageError
from bauta.faces.images import write_bytes

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

STORES = ("s3", "gs", "gcs", "az", "abfs", "memory")
"""Kinds of URLs that are opened. memory:// is for trying things: it lies in one process alone."""


class Folder(ABC):
    """A folder, wherever it lies. `address` is the same text for the same folder, `name` its last part."""

    address: str

    @property
    def name(self) -> str:
        """The folder's own name."""
        return posixpath.basename(self.address)

    def holds(self, address: str) -> bool:
        """Whether that address is this folder's, or of something in it."""
        return address == self.address or address.startswith(f"{self.address.rstrip('/')}/")

    @abstractmethod
    def at(self, name: str) -> Path | str:
        """The path or URL of a file in it."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A file's content. Raises `OSError`."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all, over one of the same name. Raises `OSError`."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Take a file away. Raises `OSError`."""

    @abstractmethod
    def among(self, names: Iterable[str]) -> set[str]:
        """Those of the names that something has here."""

    def digest(self, name: str) -> str:
        """The SHA-256 of a file; empty where it cannot be read."""
        try:
            return hashlib.sha256(self.read(name)).hexdigest()
        except OSError:
            return ""


@dataclass(frozen=True)
class Disk(Folder):
    """A folder of this machine, or one that all machines of a cluster share."""

    folder: Path

    @property
    def address(self) -> str:  # type: ignore[override]
        """The folder without links and dots."""
        return self.folder.resolve().as_posix()

    def at(self, name: str) -> Path:
        return self.folder / name

    def read(self, name: str) -> bytes:
        return self.at(name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        write_bytes(self.at(name), content)

    def remove(self, name: str) -> None:
        self.at(name).unlink()

    def among(self, names: Iterable[str]) -> set[str]:
        return {name for name in names if self.at(name).exists()}


@dataclass(frozen=True)
class Store(Folder):
    """A folder in an object store, or in memory; credentials come from the environment alone."""

    url: str

    @property
    def address(self) -> str:  # type: ignore[override]
        """The URL without a slash at its end."""
        return self.url.rstrip("/")

    def at(self, name: str) -> str:
        return f"{self.address}/{name}"

    def read(self, name: str) -> bytes:
        system, path = opened(self.at(name))
        return bytes(system.cat_file(path))

    def write(self, name: str, content: bytes) -> None:
        system, path = opened(self.at(name))
        system.pipe_file(path, content)

    def remove(self, name: str) -> None:
        system, path = opened(self.at(name))
        system.rm_file(path)

    def among(self, names: Iterable[str]) -> set[str]:
        system, root = opened(self.address)
        there = {posixpath.relpath(path, root) for path in system.find(root)}
        return there.intersection(names)


def is_url(text: str | Path) -> bool:
    """Whether something is called by an address and not by a path."""
    return isinstance(text, str) and "://" in text


def plain(text: str | Path) -> str | Path:
    """file:///a/b is the path /a/b; all else is as it was."""
    return Path(text.removeprefix("file://")) if isinstance(text, str) and text.startswith("file:///") else text


def folder_called(text: str | Path) -> Folder:
    """The folder called so: a path or an fsspec URL. Raises `UsageError` for other URLs, `MissingPackage`."""
    text = plain(text)
    if not is_url(text):
        return Disk(Path(text))
    opened(str(text))
    return Store(str(text))


def opened(url: str) -> tuple[AbstractFileSystem, str]:
    """The file system of an object store's URL and the path in it. Raises `UsageError`, `MissingPackage`."""
    kind, _, rest = url.partition("://")
    if kind not in STORES:
        raise UsageError(f"{kind}:// is no kind of address that is opened here; give a path, or {', '.join(STORES)}.")
    if "@" in rest.partition("/")[0]:
        raise UsageError(f"A {kind}:// address holds no user and no password here; put credentials in the environment.")
    try:
        import fsspec

        system: Any
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingPackage(
            f"{kind}:// needs a package that is not installed ({' '.join(str(error).split())}); fsspec comes with "
            "pip install 'bauta[scale]', and each object store has its own: s3fs, gcsfs, adlfs."
        ) from error
    return system, path
