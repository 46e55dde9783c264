"""A file of a record -> a path on this machine: the mirror, then the cache, then its addresses.

Whatever is handed out has the digest of its record. Downloads go into ``NAME.part``, go on where they stopped, and
become ``NAME`` in one step, after their digest was checked.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from bauta.errors import BadFile, MissingError
from bauta.zoo.cache import change_table, find, home, lock, mirror, place, read_table, write_whole
from bauta.zoo.records import File

Confirm = Callable[[str], bool]
Report = Callable[[int, int | None], None]

TIMEOUT = 30  # seconds without an answer or a byte
ATTEMPTS = 5  # at one address, as long as each brings something
CHUNK = 1 << 18


class Unreachable(Exception):
    """One address did not give the file; the message says why."""


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


def expected(file: File) -> str | None:
    """The digest that a file must have: its record's, or the one pinned at first use."""
    pinned = None if file.sha256 else read_table("pins").get(file.name)
    return file.sha256 or pinned


def require(file: File, path: Path, came: str) -> None:
    """Raise `BadFile` unless `came` is the digest that `file` must have."""
    if came == expected(file):
        return
    cures = {
        "registered": "register it again if you changed it",
        "mirror": "replace it in the mirror",
        "cache": f"delete it and run `{file.command}` again",
    }
    cure = cures[place(file) or "cache"]
    raise BadFile(f"{path} is not what its record names (SHA-256 {expected(file)} expected, {came} came); {cure}.")


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


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def remembered(path: Path) -> str:
    """The SHA-256 of a file, computed once for each size and time of change, so that no start pays for it again."""
    stat = path.stat()
    stamp = [stat.st_size, stat.st_mtime_ns]
    key = str(path.resolve())
    with suppress(BadFile):  # a memory that is damaged is no memory
        known = read_table("digests").get(key)
        if isinstance(known, list) and known[:2] == stamp:
            return str(known[2])
    came = digest(path)
    with suppress(OSError, BadFile):  # a home that cannot be written costs time and nothing else
        change_table("digests", lambda table: table.update({key: [*stamp, came]}))
    return came


def absent(file: File) -> str:
    """Where a file is not, as half a sentence."""
    folder = mirror()
    if Path(file.name).is_absolute():
        return f"{file.name} is not here"
    if folder is None:
        return f"{file.name} is not in {home()}, and BAUTA_MIRROR is not set"
    broken = "" if folder.is_dir() else ", which is no folder"
    return f"{file.name} is neither in BAUTA_MIRROR ({folder}{broken}) nor in {home()}"


def remedy(file: File) -> str:
    """What to do about a file that is not here, as the other half."""
    if Path(file.name).is_absolute():
        return "put it back, or register it again where it is now."
    if file.urls:
        return f"run `{file.command}`, or set BAUTA_MIRROR to a folder that holds it."
    return f"put it there, or set BAUTA_MIRROR to a folder that holds it. {file.where}".rstrip()


def unwritable(error: OSError) -> str:
    """Why the home could not be written, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk under {home()} is full; make room, or set BAUTA_HOME to a folder on another one."
    return f"{home()} cannot be written ({error.strerror or error}); set BAUTA_HOME to a folder that can."


def download(file: File) -> Path:
    """Fetch a file into the cache from the first of its addresses that gives the right bytes.

    Raises `MissingWeights` or `MissingData` (no address answers, the disk is full), `BadFile` (only wrong bytes came).
    """
    if not file.urls:
        raise file.missing(f"{absent(file)}; {remedy(file)}")
    target = home() / file.name
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock(file.name):
            if not target.is_file():  # another process may have brought it while we waited
                fetch(file, part)
                os.replace(part, target)
                note(part).unlink(missing_ok=True)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
            note(part).unlink(missing_ok=True)
        raise file.missing(f"{file.name} could not be stored: {unwritable(error)}") from error
    return target


def fetch(file: File, part: Path) -> None:
    """Fill `part` from the first address that gives the right bytes. Raises as `download`, and the disk's `OSError`."""
    wanted = expected(file)
    reasons: list[str] = []
    wrong = False
    for url in file.urls:
        try:
            with progress(file.name) as report:
                receive(url, part, report)
        except Unreachable as error:
            reasons.append(str(error))
            continue
        came = digest(part)
        if wanted in (None, came):
            return
        part.unlink()
        note(part).unlink(missing_ok=True)
        wrong = True
        reasons.append(f"{url} gave other bytes (SHA-256 {wanted} expected, {came} came)")
    kind: type[BadFile] | type[MissingError] = BadFile if wrong else file.missing
    raise kind(
        f"{absent(file)}, and it could not be downloaded ({'; '.join(reasons)}); try again later, or set BAUTA_MIRROR "
        "to a folder that holds it."
    )


def receive(url: str, part: Path, report: Report) -> None:
    """Download into `part`, going on as long as connections that break off bring something. Raises `Unreachable`."""
    for _ in range(ATTEMPTS):
        before = held(url, part)
        if stream(url, part, before, report):
            return
        if held(url, part) <= before:
            break
    raise Unreachable(
        f"{url} broke off after {held(url, part):,} bytes, which are kept, so that the next try goes on from there"
    )


def stream(url: str, part: Path, start: int, report: Report) -> bool:
    """One connection: append to `part` from byte `start`, and whether all of it has now come. Raises `Unreachable`."""
    with connect(url, start, tag(part)) as reply:
        if reply.headers.get_content_type() == "text/html":
            raise Unreachable(f"{url} answered with a web page")
        resumes = reply.status == 206
        length = reply.headers.get("Content-Length")
        if resumes and not reply.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise Unreachable(f"{url} answered with another range than the one asked for")
        start = start if resumes else 0
        total = start + int(length) if length else None
        remember = {"url": url, "etag": reply.headers.get("ETag")}
        write_whole(note(part), json.dumps(remember).encode())
        with part.open("ab" if resumes else "wb") as out:
            while chunk := read(reply):
                out.write(chunk)
                report(out.tell(), total)
        return chunk is not None and (total is None or part.stat().st_size == total)


def read(reply: HTTPResponse) -> bytes | None:
    """The next bytes, none at the end; None where the connection breaks."""
    try:
        return reply.read(CHUNK)
    except (OSError, HTTPException):
        return None


@contextmanager
def connect(url: str, start: int, etag: str | None) -> Iterator[HTTPResponse]:
    """The answer to a request for the bytes from `start`, if nothing changed since `etag`. Raises `Unreachable`."""
    headers = {"User-Agent": "bauta"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if etag and not etag.startswith("W/"):
            headers["If-Range"] = etag
    try:
        # the addresses are those of the records, so no scheme can be slipped in
        reply = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)  # noqa: S310
    except HTTPError as error:
        error.close()
        if error.code == 416 and start:  # nothing is left to ask for: begin again
            with connect(url, 0, None) as again:
                yield again
            return
        raise Unreachable(f"{url} answered {error.code} {error.reason}") from error
    except URLError as error:
        raise Unreachable(f"{urlsplit(url).netloc} cannot be reached ({plain(error.reason)})") from error
    except (OSError, HTTPException) as error:
        raise Unreachable(f"{urlsplit(url).netloc} cannot be reached ({plain(error)})") from error
    with reply:
        yield reply


def plain(reason: object) -> str:
    """What went wrong, in the system's words."""
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason) or type(reason).__name__


def note(part: Path) -> Path:
    """The file that says which address a part came from."""
    return part.with_name(f"{part.name}.json")


def noted(part: Path) -> dict[str, str | None]:
    """What the note says; nothing where it cannot be read."""
    try:
        content = json.loads(note(part).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def tag(part: Path) -> str | None:
    """The version of the file at its address that a part belongs to, where the server named one."""
    return noted(part).get("etag")


def held(url: str, part: Path) -> int:
    """How many bytes of this very address are here already."""
    return part.stat().st_size if part.is_file() and noted(part).get("url") == url else 0


@contextmanager
def progress(name: str) -> Iterator[Report]:
    """A progress bar on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
