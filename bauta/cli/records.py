"""What `bauta models` and `bauta datasets` share: listing, pulling and verifying the files of records."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

import typer

from bauta import zoo
from bauta.errors import BautaError, UsageError


class Record(Protocol):
    """What has a name, a license and files."""

    @property
    def name(self) -> str: ...
    @property
    def license(self) -> str: ...
    @property
    def files(self) -> tuple[zoo.File, ...]: ...


R = TypeVar("R", bound=Record)


def chosen(records: Sequence[R], names: Sequence[str]) -> list[R]:
    """The records called `names`. Raises `UsageError`."""
    known = {record.name: record for record in records}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"Nothing is called {', '.join(map(repr, unknown))}; there are {', '.join(known)}.")
    return [known[name] for name in names]


def whereabouts(files: Iterable[zoo.File]) -> str:
    """Where files are: package, mirror, cache, registered, or two of them; incomplete; absent."""
    places = [zoo.place(file) for file in files]
    if None in places:
        return "incomplete" if any(places) else "absent"
    return "+".join(sorted({place for place in places if place}))


def show(entries: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """One entry a line, its columns in line; or all of them as one JSON document."""
    if as_json:
        typer.echo(json.dumps(entries, indent=1))
        return
    rows = [["-" if entry[column] is None else str(entry[column]) for column in columns] for entry in entries]
    widths = [max(map(len, column), default=0) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def pull(records: Sequence[Record], yes: bool) -> None:
    """Bring every file of the records onto this machine; one that fails does not stop the rest."""
    failed = []
    for record in records:
        for file in record.files:
            try:
                path = zoo.locate(file, agreed if yes else asked)
            except BautaError as error:
                failed.append(error)
                sys.stderr.write(f"bauta: {error}\n")
            else:
                typer.echo(f"{record.name}  {path}  (license: {record.license})")
    finish(failed)


def verify(records: Sequence[Record]) -> None:
    """Read every file of the records and compare its digest; one that fails does not stop the rest."""
    failed = []
    for record in records:
        for file in record.files:
            try:
                path = zoo.verify(file)
            except BautaError as error:
                failed.append(error)
                sys.stderr.write(f"bauta: {error}\n")
            else:
                typer.echo(f"{record.name}  {path}  right")
    finish(failed)


def finish(failed: Sequence[BautaError]) -> None:
    """End with the gravest failure's exit code: a wrong file (1) before a missing one (3)."""
    if failed:
        raise typer.Exit(min(error.exit_code for error in failed))


def agreed(question: str) -> bool:
    """The answer of --yes, which leaves a trace."""
    sys.stderr.write(f"{question} Yes, by --yes.\n")
    return True


def asked(question: str) -> bool:
    """The answer of whoever sits at the terminal; no, where nobody does."""
    return sys.stdin.isatty() and typer.confirm(question, err=True)
