"""A finished audit: its rows, verdicts and tables, and the document that its report shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bauta.attacks import ForeignRecognizer
from bauta.faces import read_image
from bauta.job.engine import Engine, Here
from bauta.study import records
from bauta.study.audit import scores
from bauta.study.audit.attackers import left_out
from bauta.study.audit.auditing import Told
from bauta.study.audit.conditions import Condition, Finding, findings
from bauta.study.audit.document import Curve, Document, GalleryRow, Line, Threat, Verdict
from bauta.study.audit.opening import Opened, opened
from bauta.study.audit.request import ROWS, Request
from bauta.study.audit.sharing import shared
from bauta.study.audit.subjects import separated
from bauta.study.audit.tables import audit_tables
from bauta.study.audit.threats import WHO
from bauta.study.audit.verdicts import NOT_THERE, verdicts
from bauta.study.declared import declared
from bauta.study.records import Row
from bauta.study.reported import digests, galleries, point
from bauta.study.sanity import is_bare, sanity
from bauta.study.tables.base import Table
from bauta.study.tradeoff import INFRINGING, leak, net_utility, utilities, worst_case

COSINE = "cosine"


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    rows: every number. verdicts: one a protected system and threat. tables: by name in `Table.name`. cuts: what the
    budget made smaller. absent: cells that were not run, and why. folder: where all of it lies.
    """

    folder: Path
    rows: Sequence[Row]
    verdicts: Sequence[Verdict]
    tables: Sequence[Table]
    cuts: Sequence[str]
    absent: Sequence[tuple[str, str]]
    settings: Mapping[str, Any]
    document: Document

    @property
    def failed(self) -> list[Row]:
        """Cells that could not be measured."""
        return [row for row in self.rows if row.value is None]

    def found(self, asked: Sequence[Condition]) -> list[Finding]:
        """Which of these conditions are true, or cannot be answered."""
        return findings(asked, self.rows, list(self.settings["audit"]["protections"]))


def measure(
    request: Request,
    told: Told | None = None,
    cell: Callable[[str], None] | None = None,
    engine: Engine | None = None,
) -> Audit:
    """Run an audit, or what is left of it, within its budget; rows are on disk cell by cell.

    told: see `Auditing`. cell: hears each cell that was measured. engine: where, this process if None. Raises as
    `opened`.
    """
    audit = opened(request, told)
    path, where = request.out / ROWS, engine or Here()
    for name, rows in records.cells(audit.auditing.rows()) if isinstance(where, Here) else shared(audit, where):
        records.append(path, rows)
        if cell is not None:
            cell(name)
    return finished(audit)


def finished(audit: Opened) -> Audit:
    """What the rows on disk say."""
    request, auditing, settings = audit.request, audit.auditing, audit.settings
    rows = list(records.read(request.out / ROWS))
    judged = verdicts(rows)
    absent = auditing.absent(frozenset(row.cell for row in rows))
    for outline in auditing.outlines:
        absent += left_out(outline, auditing.cast)
    made = audit_tables(rows, judged, absent)
    document = Document(
        title=f"Audit of {', '.join(settings['audit']['protections']) or settings['audit']['recognizer']}",
        made=f"last measured on {datetime.now().astimezone():%Y-%m-%d at %H:%M}",
        summary=summary(rows, judged, settings, auditing.outlines[0].plain.recognizer.name),
        verdicts=judged,
        points=[point(name, net, rows) for name, net in net_utility(rows).items()],
        curves=curves(request.out, rows, settings),
        histograms=scores.histograms(scores.every(request.out, systems(rows))),
        gallery=album(request.out, auditing.cast.judge) if request.faces else (),
        threats=[*declared(rows), *(Threat(cell, "", "", "", "", run=False, why_not=why) for cell, why in absent)],
        tables=made,
        flags=sanity(rows),
        cuts=audit.cuts,
        absent=absent,
        settings={key: value for key, value in settings.items() if key not in ("versions", "cuts")},
        versions={str(key): str(value) for key, value in settings["versions"].items()},
        weights=digests(rows) | digests([named(settings["audit"]["recognizer"])]) | request.networks(),
        faces_left_out=not request.faces,
    )
    return Audit(request.out, rows, judged, made, audit.cuts, absent, settings, document)


def album(folder: Path, judge: ForeignRecognizer | None) -> list[GalleryRow]:
    """The pictures that were kept; under each its SSIM to the original and, by the judge, its cosine to it."""
    made: list[GalleryRow] = []
    templates: dict[str, dict[str, Tensor]] = {}
    for row in galleries(folder):
        if judge is None:
            made.append(row)
            continue
        there = [one for one in row.pictures if one.file]
        with torch.no_grad():
            read = judge.recognizer.embed(torch.stack([read_image(folder / one.file) for one in there]))
        own = dict(zip([one.label for one in there], read, strict=True))
        first = templates.setdefault(row.system, own)
        told = [
            replace(one, scores={**one.scores, COSINE: f"{float(own[one.label] @ first[one.label]):.2f}"})
            if one.scores and one.label in first
            else one
            for one in row.pictures
        ]
        made.append(replace(row, pictures=told))
    return made


def named(recognizer: str) -> Row:
    """A row that names the authorized recognizer, whose weights count too."""
    return Row("", recognizer, "utility", recognizer, "", None)


def systems(rows: Sequence[Row]) -> list[str]:
    """In the order in which they were measured."""
    return list(dict.fromkeys(row.system for row in rows))


def summary(rows: Sequence[Row], judged: Sequence[Verdict], settings: Mapping[str, Any], name: str) -> list[str]:
    """Who was audited on what, how much use is left, and how each protection stands against whom."""
    asked, pairs = settings["audit"], max(settings["plan"]["pairs"].values(), default=0)
    attacks = {row.cell for row in rows if row.role == "attack"}
    said = [
        f"{name} on {asked['data']}: {pairs} pairs, {len(attacks)} attacks that were measured, seed {asked['seed']}. "
        f"Threats: {'; '.join(f'{threat} is {who}' for threat, who in WHO.items())}."
    ]
    uses = utilities(rows)
    for system in dict.fromkeys(one.system for one in judged):
        own = [one for one in judged if one.system == system and one.word != NOT_THERE]
        use = f"utility {uses[system].value:.2f}" if system in uses else "utility was not measured"
        stands = ", ".join(f"{one.threat}: {one.word}" for one in own)
        said.append(f"{system}: {use}; {stands}.")
    return said


def curves(folder: Path, rows: Sequence[Row], settings: Mapping[str, Any]) -> list[Curve]:
    """ROC curves, privacy against the depth of the cut, and against the attackers' time."""
    return [
        *scores.curves(scores.every(folder, systems(rows))),
        *depth_curves(rows),
        *time_curves(rows, settings["plan"]["seconds"]),
    ]


def depth_curves(rows: Sequence[Row]) -> list[Curve]:
    """Utility and the worst leaks of one protection at several cuts."""
    found: dict[str, dict[int, str]] = {}
    for row in rows:
        name = "no protection" if is_bare(row) else separated(re.sub(r", cut (\d+)$", r" @ \1", row.system))[0]
        found.setdefault(name, {})[int(str(row.settings["cut"]))] = row.system
    uses, worst = utilities(rows), worst_case(rows)
    made: list[Curve] = []
    for name, cuts in found.items():
        if len(cuts) < 2:
            continue
        series = {"utility": {cut: uses[system] for cut, system in cuts.items() if system in uses}}
        for kind in INFRINGING:
            leaks = {cut: worst[s][kind].leak for cut, s in cuts.items() if kind in worst.get(s, {})}
            series[f"worst leak of {kind}"] = leaks
        drawn = []
        for label, points in series.items():
            there = [(float(cut), points[cut]) for cut in sorted(points)]
            ends = [[i.value for _, i in there], [i.low for _, i in there], [i.high for _, i in there]]
            if there:
                drawn.append(Line(label, [x for x, _ in there], *ends))
        title = f"{name}: use and leaks by the depth of the cut"
        where = "layers that the client holds"
        made.append(Curve(f"depth-{len(made)}", title, where, "from 0, chance, to 1", drawn))
    return made


def time_curves(rows: Sequence[Row], seconds: Mapping[str, float]) -> list[Curve]:
    """The highest leak of identity after so much of the attackers' time, the cheapest attacks first."""
    best: dict[str, dict[str, float]] = {}
    for row in rows:
        found = leak(row)
        if found is not None and row.cell in seconds:
            cells = best.setdefault(row.system, {})
            cells[row.cell] = max(cells.get(row.cell, 0.0), found.value)
    lines = []
    for system, cells in best.items():
        spent = highest = 0.0
        x, y = [], []
        for cell in sorted(cells, key=lambda cell: (seconds[cell], cell)):
            spent, highest = spent + max(seconds[cell], 0.01), max(highest, cells[cell])
            x.append(spent)
            y.append(highest)
        lines.append(Line(system, x, y))
    if not lines:
        return []
    note = "By the time that was planned for each attack; of identity, picture, attributes and replay what leaks most."
    title, where = "What more of the attackers' time brings", "seconds of all attacks so far"
    return [Curve("time", title, where, "highest leak so far", lines, log_x=True, note=note)]
