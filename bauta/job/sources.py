"""The photos that a job is given, wherever they lie: listed once, cheaply, and read where the work is done.

A source is a folder, a photo, a tar or Parquet shard, a folder of shards, or any of these behind an fsspec URL. A
`Photo` is some words and knows how to read itself, so thousands of them travel to other processes for nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from bauta.errors import BadFile, BadImage
from bauta.faces.images import MAX_BYTES, Picture, decode, read_bytes
from bauta.job.places import Folder, opened

LONGEST_NAME = 1024  # characters of a name in a shard
RESERVED = frozenset('<>:"|?*\\')  # not in names that some disks refuse or read as something else


@dataclass(frozen=True)
class Photo(ABC):
    """A photo that can be read. file: its name in the job, relative, with slashes."""

    file: str

    @property
    @abstractmethod
    def where(self) -> str:
        """What errors call it."""

    @abstractmethod
    def read(self) -> bytes:
        """The file's content, at most `MAX_BYTES`. Raises `BadFile`."""

    def inside(self, place: Folder) -> bool:
        """Whether it lies in that folder."""
        return place.holds(self.where)


@dataclass(frozen=True)
class FilePhoto(Photo):
    """A file of this machine."""

    path: Path

    @property
    def where(self) -> str:
        return str(self.path)

    def read(self) -> bytes:
        return read_bytes(self.path)

    def inside(self, place: Folder) -> bool:
        return place.holds(self.path.resolve().as_posix())


@dataclass(frozen=True)
class StoredPhoto(Photo):
    """A file in an object store. size: in bytes, as the store lists it."""

    url: str
    size: int

    @property
    def where(self) -> str:
        return self.url

    def read(self) -> bytes:
        if self.size > MAX_BYTES:
            raise BadImage(f"{self.url} has {self.size:,} bytes, more than the {MAX_BYTES:,} that are read.")
        system, path = opened(self.url)
        try:
            return bytes(system.cat_file(path, end=MAX_BYTES))
        except OSError as error:
            raise BadImage(f"{self.url} cannot be read: {error.strerror or error}.") from error


@dataclass(frozen=True)
class Refused(Photo):
    """Stands where something in a shard is no photo that can be used; reading it says why."""

    why: str

    @property
    def where(self) -> str:
        return self.file

    def read(self) -> bytes:
        raise BadFile(self.why)


def picture_of(photo: Photo, content: bytes) -> Picture:
    """The photo, decoded. Raises `BadImage`."""
    return decode(content, photo.where)


class Names:
    """Whether a name in a shard can be a file's: relative, within the shard, printable, and seen for the first time.

    Names that differ in case alone are the same, as they are on some disks.
    """

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def wrong(self, name: str) -> str:
        """Why a name cannot be used, as half a sentence; empty where it can."""
        parts = name.split("/")
        if not name or len(name) > LONGEST_NAME or not name.isprintable() or any(len(p.encode()) > 200 for p in parts):
            return "has a name that is empty, too long or not printable"
        if any(part in ("", ".", "..") for part in parts) or RESERVED & set(name):
            return "has a name that leads out of the folder, or that not every disk can hold"
        if name.casefold() in self.seen:
            return "has the name of another before it"
        self.seen.add(name.casefold())
        return ""
