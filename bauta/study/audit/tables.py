"""Rows of an audit -> its tables: use, every attacker, the worst case, and what was not run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bauta.study.audit.document import Verdict
from bauta.study.found import EQ10, ITSELF, OWNER, TAR, VIEWER, Found, interval
from bauta.study.records import KNOWS, Row
from bauta.study.tables.base import Cells, Table, cells, failed
from bauta.study.tables.worst import worst_tables
from bauta.study.tradeoff import KINDS, worst_case

LEADING = ("AUC", TAR, "rank-1", "SSIM", "COS")
OF_ATTRIBUTES = ("balanced accuracy of ", "AUC of ", "MAE of age")


def audit_tables(rows: Iterable[Row], verdicts: Sequence[Verdict], absent: Sequence[tuple[str, str]]) -> list[Table]:
    """All tables of an audit that have a line."""
    rows = list(rows)
    made = [
        verdict_table(verdicts),
        use_table(rows),
        attack_table(rows),
        *worst_tables(rows),
        failed(Found(rows)),
        Table("absent", "Not run", "", [{"cell": cell, "why": why} for cell, why in absent]),
    ]
    return [table for table in made if table.rows]


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """The verdicts' words, a line a system."""
    systems: dict[str, Cells] = {}
    for one in verdicts:
        systems.setdefault(one.system, {"system": one.system})[one.threat] = one.word
    return Table("verdicts", "Verdicts", "", list(systems.values()))


def use_table(rows: Sequence[Row]) -> Table:
    """What each system is good for, by its own recognizer, and what a viewer sees of its pictures."""
    found = Found(rows)
    lines: list[Cells] = []
    for system in found.systems():
        line: Cells = {"system": system}
        for name, metric in (("accuracy (Eq. 10)", EQ10), ("accepted as itself", ITSELF), ("AUC", "AUC")):
            line[name] = found.get(system, OWNER, metric)
        line["SSIM to the original"] = found.get(system, VIEWER, "SSIM")
        own = found.get(system, OWNER, EQ10)
        line["n"] = None if own is None else own.n
        lines.append(line)
    note = (
        "accuracy (Eq. 10): how often the recognizer is right about a pair and the picture itself; accepted as itself: "
        "the protected picture as the person of the original."
    )
    return Table("use", "What each system is good for", note, lines, 3)


def attack_table(rows: Sequence[Row]) -> Table:
    """Every attacker on every system: what he reaches, and the leak that this is."""
    lines: list[Cells] = []
    for cell in cells(row for row in rows if row.role == "attack" and row.attack != VIEWER):
        members = list(cell.metrics.values())
        kinds = worst_case(members).get(cell.system, {})
        line: Cells = {
            "system": cell.system,
            "threat": str(cell.facts.get("threat", "")),
            "attack": cell.attack,
            "sees": cell.sees or None,
            "knows": KNOWS.get(members[0].knows, ""),
        }
        for metric in LEADING:
            name = "TAR@FAR=0.01" if metric == TAR else metric
            line[name] = cell.get(metric)
        other = next((row for row in members if row.metric.startswith(OF_ATTRIBUTES)), None)
        line["attribute"] = None if other is None else interval(other)
        for kind in KINDS:
            line[f"leak of {kind}"] = kinds[kind].leak if kind in kinds else None
        lines.append(line)
    note = (
        "Leaks lie in 0..1, where 0 is chance; attribute: balanced accuracy, or years of error for an age. Pictures' "
        "own measures are SSIM to the original and COS by the authorized recognizer."
    )
    return Table("attacks", "Every attacker on every system", note, lines, 3)
