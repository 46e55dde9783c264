"""Rows of a study -> the tables that answer it.

Cells are `Interval`s (a value, its 95 % interval, its n), numbers or words, as `bauta.report` draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bauta.study.records import Row
from bauta.study.tables.abuse import abuse_tables, depth_rows
from bauta.study.tables.base import Table, count, percent

# Study -> its tables; rows that do not say of which study they are go to the tables of pmt-abuse.
DRAWN: dict[str, Callable[[Iterable[Row]], list[Table]]] = {"pmt-abuse": abuse_tables}


def tables(rows: Iterable[Row]) -> list[Table]:
    """Everything that the rows answer, without the tables that would be empty."""
    rows = list(rows)
    study = next((str(row.settings["study"]) for row in rows if "study" in row.settings), "pmt-abuse")
    return [table for table in DRAWN.get(study, abuse_tables)(rows) if table.rows]


__all__ = ["DRAWN", "Table", "count", "depth_rows", "percent", "tables"]
