"""Rows of `pmt-scalability` -> Table IX, the paper's beside ours."""

from __future__ import annotations

from collections.abc import Iterable

from bauta.metrics.base import Interval
from bauta.study.found import EQ10, OWNER, Found, most, party
from bauta.study.presets.parties import READERS
from bauta.study.published import PAPER_TABLE_IX, PAPER_TABLE_IX_NETWORKS
from bauta.study.records import Row
from bauta.study.tables.base import Cells, Table, compared, failed, percent


def scalability_tables(rows: Iterable[Row]) -> list[Table]:
    """What each network accepts of pictures for one, two and three, raw and purified; the paper's table."""
    found = Found(rows)
    groups = list(dict.fromkeys(system.split(", read by ")[0] for system in found.systems()))
    return [
        Table(
            "table-ix",
            "Table IX, measured: authorized networks by reader",
            "Percent by Eq. 10 on the pictures as they are, each network at its own LFW threshold. verdict: which of "
            "the others accept more than of pictures for any one of the authorized alone, by whether intervals meet; "
            "in the paper some network does in every line, set against Table VII.",
            [line(found, group) for group in groups],
        ),
        Table(
            "table-ix-purified",
            "Table IX behind the filter that helps each reader most",
            "Percent by Eq. 10; highest AUC, of all readers raw and purified, in [0, 1].",
            [purified(found, group) for group in groups],
        ),
        Table(
            "table-ix-paper",
            "Table IX, as the paper has it",
            "Percent, at a threshold of 0.2. Other networks than ours, so beside our table and not one with it. No n "
            "and no intervals; all but a few of its figures are multiples of 1/104.",
            theirs() if groups else [],
        ),
        failed(found),
    ]


def own(found: Found, group: str) -> dict[str, Interval]:
    """What each authorized network accepts."""
    read = {party(s).reader: found.get(s, OWNER, EQ10) for s in found.systems() if s.split(", read by ")[0] == group}
    return {name: interval for name, interval in read.items() if interval is not None}


def others(found: Found, group: str) -> dict[str, Interval]:
    """What each other network accepts."""
    read = {name: found.raw(group, name, EQ10) for name in found.readers(group)}
    return {name: interval for name, interval in read.items() if interval is not None}


def whose(found: Found, group: str) -> Cells:
    """The first columns of a line."""
    return {"authorized": party(group).names, "cut": party(group).cuts}


def line(found: Found, group: str) -> Cells:
    """One line of the grid."""
    mine, read = own(found, group), others(found, group)
    cells = whose(found, group) | dict.fromkeys(READERS)
    cells |= {name: percent(interval) for name, interval in read.items()}
    cells |= {name: percent(interval) for name, interval in mine.items()}
    cells["pairs"] = next((interval.n for interval in (mine | read).values()), None)
    return cells if found.quick else cells | verdict(found, group, read)


def verdict(found: Found, group: str, read: dict[str, Interval]) -> Cells:
    """Who accepts more of these than of pictures for one of the authorized alone."""
    authorized = party(group).authorized
    alone = [
        s for s in found.systems() if len(authorized) > 1 and party(s).authorized in [(one,) for one in authorized]
    ]
    if not alone or not read:
        return {}
    before = {name: most([(s, i) for s in alone if (i := found.raw(s, name, EQ10)) is not None]) for name in read}
    more = [name for name, interval in read.items() if (b := before[name]) and compared(interval, b[1]) == "more"]
    return {"verdict": f"as in the paper: more by {', '.join(more)}" if more else "differs: no more by anybody"}


def purified(found: Found, group: str) -> Cells:
    """One line behind the best filters."""
    cells = whose(found, group) | dict.fromkeys(READERS)
    areas = []
    for name in found.readers(group):
        best = found.purified(group, name, EQ10)
        cells[name] = percent(best[1]) if best else None
        area = found.purified(group, name, "AUC")
        areas += [("", i) for i in (found.raw(group, name, "AUC"), area and area[1]) if i is not None]
    highest = most(areas)
    return cells | {"highest AUC": highest[1] if highest else None}


def theirs() -> list[Cells]:
    """The paper's grid."""
    return [
        {"data": data, "authorized": " + ".join(PAPER_TABLE_IX_NETWORKS[n - 1] for n in numbers)}
        | dict(zip(PAPER_TABLE_IX_NETWORKS, values, strict=True))
        for data, lines in PAPER_TABLE_IX.items()
        for numbers, values in lines.items()
    ]
