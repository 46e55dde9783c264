"""The photos that a job is given, wherever they lie: listed once, cheaply, and read where the work is done.

A source is a folder, a photo, a tar or Parquet shard, a folder of shards, or any of these behind an fsspec URL. A
`Photo` is some words and knows how to read itself, so thousands of them travel to other processes for nothing.
"""

from __future__ import annotations

import posixpath
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bauta.errors import BadFile, BadImage, MissingData
from bauta.faces.images import MAX_BYTES, SUFFIXES, Picture, decode, read_bytes
from bauta.job.places import Folder, is_url, opened, plain

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


def photos_in(source: str | Path) -> list[Photo]:
    """The photos of a source, in the order of their names where it is a folder; at least one.

    A folder without pictures may hold shards (.tar, .parquet). Raises `MissingData`, `MissingPackage`, `UsageError`.
    """
    source = plain(source)
    files = list(_stored(source) if isinstance(source, str) and is_url(source) else _on_disk(Path(source)))
    found: list[Photo] = [file for file in files if _suffix(file) in SUFFIXES]
    if not found:
        shards = [file for file in files if _suffix(file) in SHARDS]
        found = [photo for shard in shards for photo in members(shard, alone=files == [shard])]
    if not found:
        raise MissingData(f"{source} holds no pictures ({', '.join(sorted(SUFFIXES))}) and no shards of them.")
    return found


def members(shard: Photo, *, alone: bool) -> Iterator[Photo]:
    """The photos in a tar or a Parquet file, under its name unless it is alone. A bad one is `Refused` among others.

    Raises `BadFile` for a bad one that is alone.
    """
    under = "" if alone else f"{PurePosixPath(shard.file).with_suffix('').as_posix()}/"
    try:
        yield from SHARDS[_suffix(shard)](shard, under)
    except BadFile as error:
        if alone:
            raise
        yield Refused(shard.file, str(error))


def _tar(shard: Photo, under: str) -> Iterator[Photo]:
    from bauta.job.tarshards import in_tar

    return in_tar(shard, under)


def _parquet(shard: Photo, under: str) -> Iterator[Photo]:
    from bauta.job.parquetshards import in_parquet

    return in_parquet(shard, under)


SHARDS = {".tar": _tar, ".parquet": _parquet}
"""Files that hold photos, by their ending."""


def _suffix(photo: Photo) -> str:
    return posixpath.splitext(photo.file)[1].lower()


def _on_disk(source: Path) -> Iterable[Photo]:
    if not source.exists():
        raise MissingData(f"{source} is not there; give a folder of photos, or one photo.")
    root = source if source.is_dir() else source.parent
    found = [source] if source.is_file() else sorted(source.rglob("*"))
    kept = [p for p in found if p.is_file() and p.name[0] != "."]
    return [FilePhoto(p.relative_to(root).as_posix(), p) for p in kept]


def _stored(source: str) -> Iterable[Photo]:
    system, root = opened(source)
    kind = source.partition("://")[0]
    try:
        found = system.find(root, detail=True)
    except OSError as error:
        raise MissingData(f"{source} cannot be listed: {error.strerror or error}.") from error
    if not found:
        raise MissingData(f"{source} is not there; give a folder of photos, or one photo.")
    one = list(found) == [root]
    root = posixpath.dirname(root) if one else root
    return [
        StoredPhoto(posixpath.relpath(path, root), f"{kind}://{path.lstrip('/')}", int(about["size"] or 0))
        for path, about in sorted(found.items())
        if posixpath.basename(path)[0] != "."
    ]


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
