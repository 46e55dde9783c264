"""An audit from Python, in one call, and the files that it leaves: tables in four forms, verdicts, the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bauta.report.table import to_csv, to_latex, to_markdown

if TYPE_CHECKING:
    from bauta.attacks import Attack
    from bauta.protections import Protection
    from bauta.recognizers import Recognizer
    from bauta.study.audit.result import Audit
    from bauta.study.tables.base import Table

TABLES, REPORT, VERDICTS = "tables", "report.html", "verdicts.json"


def audit(
    protection: str | Protection | Sequence[str | Protection],
    *,
    recognizer: str | Recognizer,
    data: str | Path,
    out: str | Path,
    attackers: str = "standard",
    attacks: Sequence[str | Attack] = (),
    budget: str | float = "10m",
    pairs: int | None = None,
    cut: int | None = None,
    public: str | None = None,
    readers: Sequence[str | Recognizer] | None = None,
    seed: int = 0,
    faces: bool = True,
) -> Audit:
    """Audit one or several protections, as `bauta audit` does, and leave rows, tables, pictures and a report in `out`.

    ::

        found = bauta.audit("PMT(steps=40)", recognizer="mobilefacenet-casia", data="lfw", out="audit", budget="10m")
        for verdict in found.verdicts:
            print(verdict.threat, verdict.word, verdict.sentence)

    protection: a spec, ``"PMT() @ 5"`` at another cut, a folder of `bauta train`, or an object of your own. recognizer:
    a name, a folder, or a network. data: a set's name or a folder of people. attackers: "standard", "strong" or "all";
    attacks: specs or objects to be run instead. budget: of time; the same call goes on where an audit was stopped.
    readers: foreign recognizers; all that are here if None. faces: whether pictures are kept. Raises `UsageError`,
    `MissingData`, `MissingWeights`.
    """
    from bauta.protections import Protection
    from bauta.study.audit.asking import asked, attacking
    from bauta.study.audit.budget import seconds
    from bauta.study.audit.request import Request
    from bauta.study.audit.result import measure

    several = [protection] if isinstance(protection, str | Protection) else list(protection)
    request = Request(
        [asked(one) for one in several],
        recognizer,
        data,
        Path(out),
        cut=cut,
        public=public,
        attackers=attackers,
        attacks=attacking(attacks),
        readers=readers,
        budget=seconds(str(budget)),
        pairs=pairs,
        seed=seed,
        faces=faces,
    )
    found = measure(request)
    written(found)
    return found


def written(found: Audit) -> list[Path]:
    """The files of an audit beside its rows: each table as CSV, JSON, Markdown and LaTeX, the verdicts, the report."""
    from bauta.faces.images import write_bytes
    from bauta.report.page import page

    files = []
    for table in found.tables:
        for ending, text in forms(table).items():
            files.append(found.folder / TABLES / f"{table.name}.{ending}")
            write_bytes(files[-1], text.encode())
    files += [found.folder / VERDICTS, found.folder / REPORT]
    write_bytes(files[-2], (json.dumps(told(found), indent=1) + "\n").encode())
    write_bytes(files[-1], page(found.document, found.folder).encode())
    return files


def forms(table: Table) -> dict[str, str]:
    """One table by the endings of its files."""
    said = {key: value for key, value in asdict(table).items() if key != "name"}
    body = to_markdown(table.rows, digits=table.digits)
    return {
        "csv": to_csv(table.rows),
        "json": json.dumps(said, indent=1) + "\n",
        "md": "\n".join(filter(None, (f"## {table.title}\n", table.note and f"{table.note}\n", body))),
        "tex": to_latex(table.rows, digits=table.digits),
    }


def told(found: Audit) -> dict[str, Any]:
    """The verdicts, what was cut and what was not run, as JSON has it."""
    return {
        "verdicts": [asdict(verdict) for verdict in found.verdicts],
        "cuts": list(found.cuts),
        "absent": [{"cell": cell, "why": why} for cell, why in found.absent],
        "flags": [asdict(flag) for flag in found.document.flags],
    }
