"""Photos in tar shards, as webdataset writes them: listed by their headers, then read from where they lie.

Nothing is unpacked and no name in a tar leads anywhere. A header's size is compared with the file's before anything is
read.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from bauta.errors import BadFile, BadImage
from bauta.faces.images import MAX_BYTES, SUFFIXES
from bauta.job.places import opened
from bauta.job.sources import FilePhoto, Names, Photo, Refused, StoredPhoto


@dataclass(frozen=True)
class TarPhoto(Photo):
    """A plain file in a tar that is not compressed. offset, size: in bytes, within the tar."""

    shard: Photo
    name: str
    offset: int
    size: int

    @property
    def where(self) -> str:
        return f"{self.name} in {self.shard.where}"

    def read(self) -> bytes:
        try:
            with opened_shard(self.shard) as file:
                file.seek(self.offset)
                content: bytes = file.read(self.size)
        except OSError as error:
            raise BadImage(f"{self.where} cannot be read: {error.strerror or error}.") from error
        if len(content) != self.size:
            raise BadImage(f"{self.where} is cut short; copy the shard again from where it came.")
        return content


def opened_shard(shard: Photo) -> IO[bytes] | Any:
    """A shard's file, to be read anywhere in it. Raises `OSError`."""
    if isinstance(shard, FilePhoto):
        return shard.path.open("rb")
    assert isinstance(shard, StoredPhoto)
    system, path = opened(shard.url)
    return system.open(path, "rb")


def in_tar(shard: Photo, under: str) -> Iterator[Photo]:
    """The pictures in a tar, by their names below `under`; what cannot be used stands there as `Refused`.

    Files of other endings (labels, captions) are no pictures and are left out, as in a folder. Raises `BadFile` for
    what is no tar, or a compressed one.
    """
    names = Names()
    number = 0
    try:
        with opened_shard(shard) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            end = file.seek(0, 2)
            while (member := tar.next()) is not None:
                number += 1
                tar.members = []  # type: ignore[attr-defined]  # else it keeps all of its headers
                if posixpath.splitext(member.name)[1].lower() in SUFFIXES:
                    yield listed(shard, under, member, number, end, names)
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError) as error:
        why = f"{shard.where} is damaged or no plain tar ({error}); unpack a compressed one, or copy it again."
        if not number:
            raise BadFile(why) from error
        yield Refused(f"{under}#{number + 1}", f"After file {number}, {why}")


def listed(shard: Photo, under: str, member: tarfile.TarInfo, number: int, end: int, names: Names) -> Photo:
    """A member as a photo, or why it cannot be one."""
    name = member.name.removeprefix("./")
    why = names.wrong(name)
    if not member.isreg() or member.sparse:
        why = "is a link, a device or a file with holes"
    elif member.size > MAX_BYTES:
        why = f"has {member.size:,} bytes, more than the {MAX_BYTES:,} that are read"
    elif not 0 <= member.offset_data <= member.offset_data + member.size <= end:
        why = "is larger than the shard that it lies in"
    if why:
        return Refused(f"{under}#{number}", f"File {number} of {shard.where} ({name[:200]!r}) {why}; it is left out.")
    return TarPhoto(f"{under}{name}", shard, name, member.offset_data, member.size)
