"""The digest that a file has, and the one that it must have."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from bauta.errors import BadFile
from bauta.zoo.cache import change_table, place, read_table
from bauta.zoo.records import File


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def known_digest(path: Path) -> str | None:
    """The SHA-256 that was computed of this very file before, None where it was not: nothing is read."""
    stat = path.stat()
    with suppress(BadFile):  # a memory that is damaged is no memory
        known = read_table("digests").get(str(path.resolve()))
        if isinstance(known, list) and known[:2] == [stat.st_size, stat.st_mtime_ns]:
            return str(known[2])
    return None


def remembered(path: Path) -> str:
    """The SHA-256 of a file, computed once for each size and time of change, so that no start pays for it again."""
    if (known := known_digest(path)) is not None:
        return known
    stat = path.stat()
    stamp, key = [stat.st_size, stat.st_mtime_ns], str(path.resolve())
    came = digest(path)
    with suppress(OSError, BadFile):  # a home that cannot be written costs time and nothing else
        change_table("digests", lambda table: table.update({key: [*stamp, came]}))
    return came


def expected(file: File) -> str | None:
    """The digest that a file must have: its record's, or the one pinned at first use."""
    pinned = None if file.sha256 else read_table("pins").get(file.name)
    return file.sha256 or pinned


def require(file: File, path: Path, came: str) -> None:
    """Raise `BadFile` unless `came` is the digest that `file` must have."""
    if came == expected(file):
        return
    cures = {
        "package": "install bauta again",
        "registered": "register it again if you changed it",
        "mirror": "replace it in the mirror",
        "cache": f"delete it and run `{file.command}` again",
    }
    cure = cures[place(file) or "cache"]
    raise BadFile(f"{path} is not what its record names (SHA-256 {expected(file)} expected, {came} came); {cure}.")
