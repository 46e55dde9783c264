"""Rows on disk: one JSON object a line, appended as soon as it is measured, so that a stopped study resumes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import NoneType

from bauta.errors import BadFile

# what an attack knows of the protection, in the words of tables and pictures
KNOWS = {"NOTHING": "unaware", "SCHEME": "aware", "KEYS": "has the keys", "DRAW": "has the draw"}


@dataclass(frozen=True)
class Row:
    """One measured number.

    cell: what was run (a key for resuming). system: who is protected and how. role: "utility" or "attack".
    attack: who looks. knows: how much of the protection he knows, a key of `KNOWS`. metric, value, low, high, n: the
    number, its 95 % interval and the number of comparisons. private_when: the good end, "low" or "high", of an
    attack's number. A cell that failed has metric "failed", no value, and the reason in `note`. last: whether this row
    is known to complete its cell, which is said while a study runs and not written down.
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
    last: bool = field(default=False, compare=False, repr=False)


def complete(rows: Iterable[Row]) -> list[Row]:
    """All rows of a cell, measured; the last one says that it is complete, so that it need not wait for the next."""
    measured = list(rows)
    return [*measured[:-1], *(replace(row, last=True) for row in measured[-1:])]


def cells(rows: Iterable[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Cell after cell with its rows, each as soon as it says that it is complete, or the next one begins."""
    held: list[Row] = []
    for row in rows:
        if held and held[-1].cell != row.cell:
            yield held[-1].cell, held
            held = []
        held.append(row)
        if row.last:
            yield row.cell, held
            held = []
    if held:
        yield held[-1].cell, held


def facts(row: Row) -> dict[str, object]:
    """A row as it is written down."""
    found = asdict(row)
    del found["last"]
    return found


def lines(rows: Iterable[Row]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(facts(row)) + "\n" for row in rows)


def append(path: Path, rows: Iterable[Row]) -> None:
    """Add rows to a JSON-lines file; the lines of one call reach the disk together.

    What a crash left of a last line is cut off first, else the new rows would hang on to it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = lines(rows)
    with path.open("ab") as file:
        if file.tell() and not (whole := path.read_bytes()).endswith(b"\n"):
            file.truncate(whole.rfind(b"\n") + 1)
        file.write(text.encode())
        file.flush()


def resume(path: Path) -> frozenset[str]:
    """The cells that are done. The rows of those that are to be measured again are taken out of the file.

    These are the cells that failed, since what was missing may be here by now, and the cell at which a crash cut off
    the last line.
    """
    rows = list(read(path))
    whole = not path.exists() or path.read_bytes()[-1:] in (b"", b"\n")
    again = {row.cell for row in rows if row.value is None} | ({rows[-1].cell} if rows and not whole else set())
    if again or not whole:
        replaced(path, (row for row in rows if row.cell not in again))
    return frozenset(row.cell for row in rows) - again


def arrange(path: Path, place: Mapping[str, int]) -> None:
    """Put the rows of a file into the order of their cells' numbers; cells without one come last.

    Workers are not equally quick, so that cells come as they can, and not as one process would have measured them.
    """
    rows = list(read(path))
    arranged = sorted(rows, key=lambda row: place.get(row.cell, len(place)))
    if arranged != rows:
        replaced(path, arranged)


def replaced(path: Path, rows: Iterable[Row]) -> None:
    """Write other rows in the place of a file, whole or not at all."""
    kept = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        kept.write_text(lines(rows), encoding="utf-8")
        os.replace(kept, path)
    finally:
        kept.unlink(missing_ok=True)


def read(path: Path) -> Iterator[Row]:
    """The rows of a file, none if it is not there. A last line cut off by a crash is skipped, others are `BadFile`."""
    content = path.read_bytes() if path.exists() else b""
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            yield sound(Row(**json.loads(line)))
        except (ValueError, TypeError, RecursionError) as error:
            raise BadFile(
                f"{path}, line {number}, is not a row of a study ({error}); delete the file to begin anew."
            ) from error


def sound(row: Row) -> Row:
    """A row as it came, if every field is of its type. Raises `TypeError`."""
    for name, kinds in TYPES.items():
        if type(getattr(row, name)) not in kinds:
            raise TypeError(f"{name} is {getattr(row, name)!r:.80}")
    return row


TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("cell", "system", "role", "attack", "metric", "private_when", "knows", "note"), (str,)),
    **dict.fromkeys(("value", "low", "high"), (float, int, NoneType)),
    **dict.fromkeys(("n", "seed"), (int,)),
    "settings": (dict,),
    "last": (bool,),
}
