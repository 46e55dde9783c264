"""Where files lie on this machine, what to say where they do not, and the small tables beside them."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from bauta.errors import BadFile
from bauta.zoo.records import File

PACKAGE = Path(__file__).parent / "weights"  # what comes with bauta itself


def home() -> Path:
    """The folder for what bauta fetches and remembers: BAUTA_HOME, or the user's cache."""
    folder = os.environ.get("BAUTA_HOME")
    return Path(folder).expanduser() if folder else Path(user_cache_dir("bauta"))


def mirror() -> Path | None:
    """The folder that is looked into before anything is fetched: BAUTA_MIRROR, or None where it is not set."""
    folder = os.environ.get("BAUTA_MIRROR")
    return Path(folder).expanduser() if folder else None


def find(file: File) -> Path | None:
    """The file in the package, else in the mirror, else in the cache, unchecked; None where it is in none. Registered
    files have absolute names and are found wherever they lie."""
    for folder in (PACKAGE, mirror(), home()):
        if folder is not None and (folder / file.name).is_file():
            return folder / file.name
    return None


def place(file: File) -> str | None:
    """Where `find` finds a file: "package", "mirror", "cache" or "registered"; None where it does not."""
    path = find(file)
    if path is None:
        return None
    if Path(file.name).is_absolute():
        return "registered"
    folder = mirror()
    if path == PACKAGE / file.name:
        return "package"
    return "mirror" if folder is not None and path == folder / file.name else "cache"


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


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold `name` against other processes (and other threads) that use the same home; waits for them."""
    path = home() / ".locks" / name.replace("/", "_")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as handle:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def read_table(name: str) -> dict[str, Any]:
    """The table `name` in the home: text -> what was stored; empty where there is none. Raises `BadFile`."""
    path = home() / f"{name}.json"
    try:
        table = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, OSError, RecursionError) as error:
        raise BadFile(f"{path} cannot be read as JSON ({error}); mend it or delete it.") from error
    if not isinstance(table, dict):
        raise BadFile(f"{path} should hold a JSON object, got {type(table).__name__}; mend it or delete it.")
    return table


def change_table(name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the table `name` and write it whole, one process at a time. Raises `BadFile`, `OSError`."""
    with lock(f"{name}.json"):
        table = read_table(name)
        change(table)
        write_whole(home() / f"{name}.json", json.dumps(table, indent=1, sort_keys=True).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that others see all of it or none. Raises `OSError`."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
