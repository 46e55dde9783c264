"""A file of a record -> a path on this machine: the package, the mirror, the cache, then its addresses.

Whatever is handed out has the digest of its record, or one that its user said yes to.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bauta.zoo.cache import absent, change_table, find, remedy, unwritable
from bauta.zoo.digests import digest, expected, remembered, require
from bauta.zoo.download import download
from bauta.zoo.records import File, Tool, Weights

Confirm = Callable[[str], bool]


def refuse(question: str) -> bool:
    """The answer of somebody who was not asked."""
    return False


def locate(file: File, confirm: Confirm = refuse) -> Path:
    """The file on this machine, with the digest of its record, downloaded if it is not here.

    confirm: is asked, with a sentence, before the first use of bytes whose digest nobody has seen; their digest is then
    pinned. Raises `MissingWeights` or `MissingData` (not here and not to be had), `BadFile` (the wrong digest).
    """
    path = find(file)
    if expected(file) is None:
        return first_use(file, path, confirm)
    if path is None:
        return download(file)
    require(file, path, remembered(path))
    return path


def here(record: Tool | Weights) -> list[Path]:
    """As `locate` for all files of what nobody has asked for by its name: what is not here is not downloaded."""
    for file in record.files:
        if find(file) is None:
            raise file.missing(
                f"{absent(file)}, and nothing is downloaded unasked; run `{file.command} {record.name}`, or set "
                "BAUTA_MIRROR to a folder that holds it."
            )
    return [locate(file) for file in record.files]


def verify(file: File) -> Path:
    """The file on this machine, read whole and compared with its digest; nothing is downloaded. Raises as `locate`."""
    path = find(file)
    if path is None:
        raise file.missing(f"{absent(file)}; {remedy(file)}")
    if expected(file) is None:
        raise file.missing(
            f"{path} cannot be verified: nobody has vouched for its SHA-256 {digest(path)} yet; `{file.command}` asks."
        )
    require(file, path, digest(path))
    return path


def first_use(file: File, path: Path | None, confirm: Confirm) -> Path:
    """Pin the digest of bytes that nobody has seen, after a yes. What has no address was put here by its user's own
    hand, which is a yes."""
    if path is None and not file.urls:
        raise file.missing(f"{absent(file)}; {remedy(file)}")
    if file.urls:
        source = f"{path} has SHA-256 {digest(path)}" if path else f"it would come from {file.urls[0]}"
        if not confirm(f"Nobody has vouched for {file.name} yet; {source}. Trust it, now and ever after?"):
            raise file.missing(
                f"{file.name} is not used: nobody has vouched for it yet, so `{file.command}` needs a yes."
            )
    path = path or download(file)
    came = remembered(path)
    try:
        change_table("pins", lambda pins: pins.update({file.name: came}))
    except OSError as error:
        raise file.missing(f"The digest of {path} could not be pinned: {unwritable(error)}") from error
    return path
