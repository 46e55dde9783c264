"""Reports of audits below a folder that the command line named: found, listed and read, never written."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bauta.errors import MissingData, UsageError

PAGE, SETTINGS = "report.html", "settings.json"
TABLES = (".csv", ".json", ".jsonl", ".md", ".tex")
DEEP = 3  # folders below the root
MOST = 300  # reports
PAGE_BYTES = 64 << 20
SETTINGS_BYTES = 1 << 20
TICKET = 60.0  # seconds


@dataclass(frozen=True)
class Report:
    """A folder with a report, or with the settings of an audit that is not over. name: below the root. page, said: the
    report and the settings, None where there are none."""

    name: str
    page: Path | None
    said: Path | None
    tables: tuple[Path, ...]

    @property
    def identity(self) -> str:
        """The same in every listing, and no path."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:32]

    def facts(self) -> dict[str, Any]:
        """What the page shows."""
        changed = max(file.stat().st_mtime for file in (self.page, self.said) if file is not None)
        return {
            "id": self.identity,
            "name": self.name,
            "page": self.page is not None,
            "changed": changed,
            "tables": [table.name for table in self.tables],
            "settings": settings(self.said),
        }


class Reports:
    """The reports below `root`, or none. A link that leads out of it is not followed."""

    def __init__(self, root: Path | None) -> None:
        if root is not None and not root.is_dir():
            raise UsageError(f"--reports {root} is no folder; give the one that holds the reports of bauta audit.")
        self.root = None if root is None else root.resolve()
        self._tickets: dict[str, tuple[Path, float]] = {}

    def all(self) -> list[Report]:
        """In the order of their names."""
        return list(self._found())

    def report(self, identity: str) -> Report:
        """Raises `MissingData`."""
        for report in self._found():
            if report.identity == identity:
                return report
        raise MissingData("This report is not here any more; reload the page.")

    def ticket(self, report: Report) -> str:
        """A name under which the report is given once, within a minute: an iframe can send no token."""
        if report.page is None:
            raise MissingData(f"{report.name} holds no {PAGE} yet; wait until the audit is over.")
        now = time.monotonic()
        self._tickets = {name: (path, end) for name, (path, end) in self._tickets.items() if end > now}
        name = secrets.token_urlsafe(32)
        self._tickets[name] = (report.page, now + TICKET)
        return name

    def redeem(self, ticket: str) -> bytes:
        """The page of a ticket, which is used up. Raises `MissingData`, `UsageError`."""
        path, end = self._tickets.pop(ticket, (Path(), 0.0))
        if end < time.monotonic() or not path.is_file():
            raise MissingData("This address was used already; open the report from the list again.")
        if path.stat().st_size > PAGE_BYTES:
            raise UsageError(f"This report has more than the {PAGE_BYTES:,} bytes that are shown; open its file.")
        return path.read_bytes()

    def _found(self) -> Iterator[Report]:
        if self.root is None:
            return
        number = 0
        for here, folders, files in os.walk(self.root):
            folder = Path(here)
            name = folder.relative_to(self.root).as_posix()
            deep = name.count("/") + (name != ".")
            folders[:] = sorted(below for below in folders if below[0] != ".") if deep < DEEP else []
            inside = {file: folder / file for file in sorted(files) if self._inside(folder / file)}
            if (PAGE in inside or SETTINGS in inside) and number < MOST:
                number += 1
                tables = tuple(path for path in inside.values() if path.suffix in TABLES and path.name != SETTINGS)
                yield Report(name, inside.get(PAGE), inside.get(SETTINGS), tables)

    def _inside(self, path: Path) -> bool:
        return self.root is not None and path.is_file() and path.resolve().is_relative_to(self.root)


def settings(path: Path | None) -> dict[str, Any] | None:
    """What a file of settings says; None where there is none that can be read."""
    try:
        if path is None or path.stat().st_size > SETTINGS_BYTES:
            return None
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
