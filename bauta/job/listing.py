"""What a job is given, listed: the photos of a folder, of shards, or of an object store."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from bauta.errors import BadFile, MissingData
from bauta.faces.images import SUFFIXES
from bauta.job.parquetshards import in_parquet
from bauta.job.places import is_url, opened, plain
from bauta.job.sources import FilePhoto, Photo, Refused, StoredPhoto
from bauta.job.tarshards import in_tar


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


SHARDS = {".tar": in_tar, ".parquet": in_parquet}
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
