"""A tar is read from front to back only, so it is copied once into a zip, whose files can be read in any order."""

from __future__ import annotations

import os
import secrets
import tarfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from bauta import zoo
from bauta.errors import BadFile, MissingData
from bauta.faces.images import MAX_BYTES
from bauta.zoo.cache import unwritable
from bauta.zoo.digests import remembered

__all__ = ["TARS", "as_zip"]

TARS = (".tgz", ".tar.gz", ".tar")
"""Names that are taken for tars."""


def as_zip(path: Path) -> Path:
    """The files of a tar as a zip in the home, made at its first use and again when the tar changes.

    Nothing is unpacked, so no name in the tar leads anywhere: plain files are copied under their names, links and
    devices are left out. Raises `BadFile` for a damaged tar, `MissingData` where the home cannot be written.
    """
    target = zoo.home() / "unpacked" / f"{path.name}-{remembered(path)[:16]}.zip"
    if target.is_file():
        return target
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w") as made:
            copy(path, made)
        os.replace(part, target)
    except OSError as error:
        raise MissingData(f"{path} could not be copied into a zip: {unwritable(error)}") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return target


def copy(path: Path, made: zipfile.ZipFile) -> None:
    """The plain files of a tar into a zip, one at a time. Raises `BadFile`, and the zip's `OSError`."""
    seen = set()
    try:
        with tarfile.open(path, "r|*") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if not member.isreg() or name in seen:
                    continue
                if member.size > MAX_BYTES:
                    raise BadFile(f"{name} in {path} unpacks to more than {MAX_BYTES:,} bytes; it is no face.")
                content = tar.extractfile(member)
                if content is not None:
                    seen.add(name)
                    made.writestr(name, content.read())
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise BadFile(f"{path} is damaged or cut short ({error}); copy it again from where it came.") from error
