"""Rows on disk: one JSON object a line, appended as soon as it is measured, so that a stopped study resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bauta.errors import BadFile


@dataclass(frozen=True)
class Row:
    """One measured number.

    cell: what was run (a key for resuming). system: who is protected and how. role: "utility" or "attack".
    attack: who looks. knows: how much of the protection he knows. metric, value, low, high, n: the number, its 95 %
    interval and the number of comparisons. private_when: the good end, "low" or "high", of an attack's number.
    A cell that failed has metric "failed", no value, and the reason in `note`.
    """

    cell: str
    system: str
    role: str
    attack: str
    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    private_when: str = "low"
    knows: str = ""
    seed: int = 0
    note: str = ""
    settings: dict[str, object] = field(default_factory=dict)


def append(path: Path, rows: Iterable[Row]) -> None:
    """Add rows to a JSON-lines file; the lines of one call reach the disk together."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()


def read(path: Path) -> Iterator[Row]:
    """The rows of a file, none if it is not there. A last line cut off by a crash is skipped, others are `BadFile`."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            yield Row(**json.loads(line))
        except (json.JSONDecodeError, TypeError) as error:
            if number == len(lines) and not line.endswith("\n"):
                return
            raise BadFile(
                f"{path}, line {number}, is not a row of a study ({error}); delete the file to begin anew."
            ) from error


def recover(path: Path) -> list[Row]:
    """The rows of a file; where a crash has cut off its last line, the rows of the last cell are taken out of it."""
    rows = list(read(path))
    if path.exists() and not path.read_bytes().endswith(b"\n"):
        rows = [row for row in rows if row.cell != rows[-1].cell]
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        append(temporary, rows)
        os.replace(temporary, path)
    return rows
