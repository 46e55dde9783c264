"""What the tables of all studies share: the table itself, rates in percent, and what could not be measured."""

from __future__ import annotations

from dataclasses import dataclass

from bauta.metrics.base import Interval
from bauta.study.found import Found

Cells = dict[str, object]


@dataclass(frozen=True)
class Table:
    """One table: a name for files and scripts, what it shows, how to read it, and its lines.

    digits: how many a reader needs after the point.
    """

    name: str
    title: str
    note: str
    rows: list[Cells]
    digits: int = 2


def percent(interval: Interval | None) -> Interval | None:
    """A rate in percent."""
    if interval is None:
        return None
    return Interval(100 * interval.value, 100 * interval.low, 100 * interval.high, interval.n)


def count(interval: Interval | None) -> int | None:
    """The n of a number."""
    return None if interval is None else interval.n


def failed(found: Found) -> Table:
    """What could not be measured, and why."""
    rows = [row for row in found.by.values() if row.value is None]
    return Table(
        "failed",
        "Not measured",
        "",
        [{"system": row.system, "attack": row.attack, "why": row.note} for row in rows],
    )
