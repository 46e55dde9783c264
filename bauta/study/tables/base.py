"""What the tables of all studies share: the table itself, rates in percent, and what could not be measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bauta.metrics.base import Interval, wilson
from bauta.study.found import EQ10, OWNER, Found, interval, most
from bauta.study.published import PAPER_PAIRS
from bauta.study.records import KNOWS, Row

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


@dataclass(frozen=True)
class Curve:
    """One plot against noise: a name for its file, a title, where the noise is, what y is, and legend -> (noise, y)."""

    name: str
    title: str
    on: str
    ylabel: str
    series: dict[str, list[tuple[float, Interval | None]]]


@dataclass(frozen=True)
class Cell:
    """One attack on one system, and all that was measured of it: its metrics by name."""

    system: str
    attack: str
    key: str
    metrics: dict[str, Row]

    @property
    def facts(self) -> dict[str, object]:
        """What the study says of it."""
        return next(iter(self.metrics.values())).settings

    @property
    def knows(self) -> str:
        """The attacker's knowledge of the protection, in a word."""
        return KNOWS.get(next(iter(self.metrics.values())).knows, "")

    @property
    def sees(self) -> str:
        """The stage that the attack was pointed at, "" where it is the attack's usual one."""
        return self.key.rpartition(" / ")[0].rpartition(" at ")[2] if " at " in self.key else ""

    def get(self, metric: str) -> Interval | None:
        """A measured number, None where there is none."""
        row = self.metrics.get(metric)
        return None if row is None else interval(row)


def cells(rows: Iterable[Row]) -> list[Cell]:
    """The rows by cell: one attack may stand several times, by what it knows and sees. The last of equals counts."""
    made: dict[tuple[str, str], Cell] = {}
    for row in rows:
        cell = made.setdefault((row.cell, row.attack), Cell(row.system, row.attack, row.cell, {}))
        cell.metrics[row.metric] = row
    return list(made.values())


def percent(interval: Interval | None) -> Interval | None:
    """A rate in percent."""
    if interval is None:
        return None
    return Interval(100 * interval.value, 100 * interval.low, 100 * interval.high, interval.n)


def count(interval: Interval | None) -> int | None:
    """The n of a number."""
    return None if interval is None else interval.n


def reached(found: Found, system: str) -> Cells:
    """What the authorized recognizer, the worst foreign one and the client's holder reach: rates in [0, 1] by Eq. 10.

    foreign_auc: the most that any foreign recognizer reaches, raw or purified.
    """
    readers = found.readers(system)
    own = found.get(system, OWNER, EQ10)
    raw = most([(r, i) for r in readers if (i := found.raw(system, r, EQ10)) is not None])
    purified = most([(f"{r}, {m[0]}", m[1]) for r in readers if (m := found.purified(system, r, EQ10)) is not None])
    areas = [found.raw(system, r, "AUC") for r in readers]
    areas += [m[1] for r in readers if (m := found.purified(system, r, "AUC")) is not None]
    area = most([("", i) for i in areas if i is not None])
    return {
        "authorized": own,
        "foreign_raw": raw and raw[1],
        "raw_by": raw and raw[0],
        "foreign_purified": purified and purified[1],
        "purified_by": purified and purified[0],
        "foreign_auc": area and area[1],
        "client_holder": found.holder(system, EQ10),
        "client_auc": found.holder(system, "AUC"),
        "pairs": count(own),
    }


def compared(one: Interval | None, other: Interval | None) -> str:
    """Whether two 95 % intervals lie apart: "more", "less", "alike"; "" where one is not there.

    Intervals of the same pairs may meet where a test of the difference would not: this calls little different.
    """
    if one is None or other is None:
        return ""
    if one.low > other.high:
        return "more"
    return "less" if one.high < other.low else "alike"


def printed(rate: float) -> Interval:
    """An accuracy of the paper, in percent, with the interval that its inferred number of pairs gives it."""
    own = wilson(round(rate / 100 * PAPER_PAIRS), PAPER_PAIRS)
    return Interval(rate, 100 * own.low, 100 * own.high, PAPER_PAIRS)


def agreement(there: str, here: str) -> str:
    """Two answers of `compared`, the paper's and ours, in words; "" where one is not there."""
    if not there or not here:
        return ""
    words = {"more": "more", "less": "less", "alike": "no difference beyond the intervals"}
    if there == here:
        return f"as in the paper: {words[here]}"
    return f"differs: here {words[here]}, in the paper {words[there]}"


def failed(found: Found) -> Table:
    """What could not be measured, and why."""
    rows = [row for row in found.by.values() if row.value is None]
    return Table(
        "failed",
        "Not measured",
        "",
        [{"system": row.system, "attack": row.attack, "why": row.note} for row in rows],
    )
