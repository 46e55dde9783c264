"""What makes a study's numbers say less than they seem to: weak attacks, blind readers, full scales, few pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bauta.study.found import CLEAN, RATES, READER, VIEWER, interval
from bauta.study.judge import INSIDE
from bauta.study.records import Row
from bauta.study.run import OF_PICTURES
from bauta.study.tradeoff import AGE, AREA, AREA_OF, MEAN_FACE, chance, kind, leak

BARE = ("bare", "none")
FEW = 100  # comparisons; fewer are flagged
WIDE = 0.2  # of an interval on such few
RECOGNIZES = 0.75  # of the clean pairs: half way from accepting everybody to making no mistake


@dataclass(frozen=True)
class Flag:
    """A cell whose numbers want caution, and why."""

    cell: str
    what: str


def sanity(rows: Iterable[Row]) -> list[Flag]:
    """Everything of these rows that wants caution.

    Flagged are cells that failed; attacks that cannot beat chance on the unprotected system, whose failure on a
    protected one says nothing; foreign recognizers that cannot tell clean faces apart; metrics that are 0, or 1, in all
    cells; and cells with few comparisons and a wide interval. Quick rows are there to see a study run: of them only
    what failed is flagged.
    """
    rows = list(rows)
    full = [row for row in rows if not row.settings.get("quick")]
    return [*failures(rows), *powerless(full), *blind(full), *saturated(full), *few(full)]


def is_bare(row: Row) -> bool:
    """Whether nothing protected the system: by the row's own word, else by the system's name."""
    if row.settings.get("noise"):
        return False
    said = row.settings.get("protection")
    return row.system.startswith("bare") if said is None else said in BARE


def failures(rows: Iterable[Row]) -> Iterator[Flag]:
    """Cells without a number."""
    yield from (Flag(row.cell, f"not measured: {row.note}") for row in rows if row.value is None)


def powerless(rows: Iterable[Row]) -> Iterator[Flag]:
    """Attacks on the bare system whose interval holds chance, by AUC, SSIM or years of error.

    Of a recognizer that does not look at the whole picture, its own part counts.
    """
    attacks = [row for row in rows if is_bare(row)]
    parts = {row.cell for row in attacks if row.metric == f"SSIM{INSIDE}"}
    for row in attacks:
        found, start = leak(row), chance(row)
        leading = row.metric in (*AREA, AGE, f"SSIM{INSIDE}") or row.metric.startswith(AREA_OF)
        leading |= row.metric == "SSIM" and row.cell not in parts
        if not leading or found is None or start is None or found.low > 0:
            continue
        nobody = "the mean face" if row.metric in MEAN_FACE else "chance"
        yield Flag(
            row.cell,
            f"no better than {nobody} ({start:.2f}) where nothing is protected: {row.metric} {number(row)}; that it "
            "fails on a protected system says nothing",
        )


def blind(rows: Iterable[Row]) -> Iterator[Flag]:
    """Foreign recognizers that know no clean faces, each by the cell in which it did best."""
    best: dict[str, Row] = {}
    for row in rows:
        reader = READER.fullmatch(row.attack)
        if reader is None or reader[2] or row.metric != CLEAN or row.value is None:
            continue
        known = best.setdefault(reader[1], row)
        if known.value is not None and row.value > known.value:
            best[reader[1]] = row
    for name, row in best.items():
        if row.value is not None and row.value < RECOGNIZES:
            yield Flag(row.cell, f"{name} decides only {100 * row.value:.0f} % of the clean pairs rightly")


def saturated(rows: Iterable[Row]) -> Iterator[Flag]:
    """Metrics at the same end of their scale in all of several cells, with no spread at all."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.value is not None and row.attack != VIEWER:
            groups.setdefault((row.role, row.metric), []).append(row)
    for (role, metric), members in groups.items():
        ends = {end for row in members for end in (row.value, row.low, row.high)}
        cells = len({row.cell for row in members})
        if cells > 1 and ends in ({0}, {1}):
            yield Flag(f"all {cells} cells of {role}", f"{metric} is {members[0].value:g}: it tells nothing apart")


def few(rows: Iterable[Row]) -> Iterator[Flag]:
    """Systems with few comparisons, each by the number in [0, 1] that is known worst."""
    wide: dict[str, list[tuple[float, Row]]] = {}
    for row in rows:
        found = interval(row)
        bounded = row.metric.removesuffix(OF_PICTURES) in RATES or (kind(row.metric) and row.metric != AGE)
        if found is not None and bounded and found.n < FEW and found.high - found.low > WIDE:
            wide.setdefault(row.system, []).append((found.high - found.low, row))
    for members in wide.values():
        _, row = max(members, key=lambda pair: pair[0])
        others = len({other.cell for _, other in members}) - 1
        more = f"; as few in {others} other cells of this system" if others else ""
        yield Flag(row.cell, f"only {row.n} comparisons: {row.metric} {number(row)}{more}")


def number(row: Row) -> str:
    """A row's number and its interval, as the tables have it."""
    found = interval(row)
    return "" if found is None else f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
