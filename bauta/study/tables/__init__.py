"""Rows of a study -> the tables that answer it.

Cells are `Interval`s (a value, its 95 % interval, its n), numbers or words, as `bauta.report` draws them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bauta.study.records import Row
from bauta.study.tables.ablation import ablation_curves, ablation_tables
from bauta.study.tables.abuse import abuse_tables, depth_rows
from bauta.study.tables.advface import advface_tables
from bauta.study.tables.attributes import attributes_tables
from bauta.study.tables.base import Curve, Table, count, percent
from bauta.study.tables.chameleon import chameleon_tables
from bauta.study.tables.frequency import frequency_tables
from bauta.study.tables.map2v import map2v_tables
from bauta.study.tables.parameters import parameters_curves, parameters_tables
from bauta.study.tables.reconstruction import reconstruction_tables
from bauta.study.tables.robustness import robustness_curves, robustness_tables
from bauta.study.tables.scalability import scalability_tables
from bauta.study.tables.worst import worst_tables

# Study -> its tables; rows that do not say of which study they are go to the tables of pmt-abuse.
DRAWN: dict[str, Callable[[Iterable[Row]], list[Table]]] = {
    "advface": advface_tables,
    "chameleon": chameleon_tables,
    "frequency": frequency_tables,
    "map2v": map2v_tables,
    "pmt-abuse": abuse_tables,
    "pmt-ablation": ablation_tables,
    "pmt-attributes": attributes_tables,
    "pmt-parameters": parameters_tables,
    "pmt-reconstruction": reconstruction_tables,
    "pmt-robustness": robustness_tables,
    "pmt-scalability": scalability_tables,
}

# Study -> its plots against noise; others have none.
PLOTTED: dict[str, Callable[[Iterable[Row]], list[Curve]]] = {
    "pmt-ablation": ablation_curves,
    "pmt-parameters": parameters_curves,
    "pmt-robustness": robustness_curves,
}


# Studies where nobody is authorized, or the leak alone is measured, so that there is no utility to set against it.
UNAUTHORIZED = ("chameleon", "map2v")


def study_of(rows: Iterable[Row]) -> str:
    """Which study the rows are of."""
    return next((str(row.settings["study"]) for row in rows if "study" in row.settings), "pmt-abuse")


def curves(rows: Iterable[Row]) -> list[Curve]:
    """The plots against noise that the rows give."""
    rows = list(rows)
    return PLOTTED[study_of(rows)](rows) if study_of(rows) in PLOTTED else []


def tables(rows: Iterable[Row]) -> list[Table]:
    """Everything that the rows answer, without the tables that would be empty.

    Of every study that has an authorized recognizer last: the strongest attacker, the utility that he leaves, and what
    wants caution.
    """
    rows = list(rows)
    last = [] if study_of(rows) in UNAUTHORIZED else worst_tables(rows)
    made = [*DRAWN.get(study_of(rows), abuse_tables)(rows), *last]
    return [table for table in made if table.rows]


__all__ = ["DRAWN", "PLOTTED", "Curve", "Table", "count", "curves", "depth_rows", "percent", "study_of", "tables"]
