"""`bauta compare`: protections and attacks side by side, by what they declare and what was measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def compare(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of audits and studies whose numbers stand beside.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """What each protection modifies, needs and trains, with what was measured of it; and what each attacker may do."""
    from bauta.report import to_text
    from bauta.study.compare import compared

    made = compared(folders or [])
    if as_json:
        typer.echo(json.dumps({table.name: asdict(table) for table in made}))
        return
    for table in made:
        typer.echo(f"{table.title}\n{table.note}\n\n{to_text(table.rows, digits=table.digits)}")
