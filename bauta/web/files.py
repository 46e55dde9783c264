"""The private folder of one running page: mode 0700, wiped at the end, and at the next start if there was no end."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

if sys.platform != "win32":  # where an orphaned folder is left to its owner
    import fcntl

PREFIX = "bauta-web-"
LOCK = "lock"
YOUNG = 60.0  # seconds: a folder without a lock may have just been made
LONGEST = 80  # characters of a name

IDENTITY = re.compile(r"[0-9a-f]{32}")


class Private:
    """A folder that its process holds a lock in: whoever finds the lock free finds an orphan.

    parent: where it lies; the system's folder for temporary files if None.
    """

    def __init__(self, parent: Path | None = None) -> None:
        parent = Path(tempfile.gettempdir()) if parent is None else parent
        self.orphans = wipe_orphans(parent)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))  # with mode 0700
        self._lock = os.open(self.folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        if sys.platform != "win32":
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def wipe(self) -> None:
        """Delete everything. May be called again."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def wipe_orphans(parent: Path) -> int:
    """Delete the folders that this user's dead processes left in `parent`; how many there were."""
    if sys.platform == "win32":
        return 0
    return sum(_wiped(folder) for folder in parent.glob(f"{PREFIX}*"))


def _wiped(folder: Path) -> bool:
    """Whether a folder was an orphan of ours; it is gone then."""
    try:
        facts = folder.lstat()
        if folder.is_symlink() or not folder.is_dir() or facts.st_uid != os.getuid():
            return False
        lock = folder / LOCK
        if not lock.exists():
            orphan = time.time() - facts.st_mtime > YOUNG
        else:
            held = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                orphan = True
            except BlockingIOError:
                orphan = False
            finally:
                os.close(held)
        if orphan:
            shutil.rmtree(folder)
        return orphan
    except OSError:  # somebody else wipes it, or may not be read: not ours to worry about
        return False


def shown_name(text: str) -> str:
    """A user's file name as text to be shown: its last part, printable, of bounded length. It is never a path."""
    last = text.replace("\\", "/").rpartition("/")[2]
    clean = "".join(c for c in last if c.isprintable()).strip()
    return clean[:LONGEST] or "photo"


def file_stem(name: str) -> str:
    """A name for a file that the user downloads, made of a shown one: no ending, and no character that a disk or an
    archive takes for more than a letter."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name)
    clean = re.sub(r"[^\w ()+,-]", "_", stem).strip(" _")
    return clean[:LONGEST] or "photo"


def distinct(names: list[str]) -> list[str]:
    """The names, each that was there before (also in other case) with a number."""
    taken: set[str] = set()
    result = []
    for name in names:
        stem, dot, ending = name.rpartition(".")
        chosen, number = name, 1
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{stem}-{number}{dot}{ending}"
        taken.add(chosen.casefold())
        result.append(chosen)
    return result
