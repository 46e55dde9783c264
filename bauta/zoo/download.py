"""A file of a record, from its addresses into the cache.

Downloads go into ``NAME.part``, go on where they stopped, and become ``NAME`` in one step, after their digest was
checked.
"""

from __future__ import annotations

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
from bauta.zoo.cache import absent, home, lock, remedy, unwritable, write_whole
from bauta.zoo.digests import digest, expected
from bauta.zoo.records import File

Report = Callable[[int, int | None], None]

TIMEOUT = 30  # seconds without an answer or a byte
ATTEMPTS = 5  # at one address, as long as each brings something
CHUNK = 1 << 18


class Unreachable(Exception):
    """One address did not give the file; the message says why."""


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
    except (OSError, ValueError, RecursionError):
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
