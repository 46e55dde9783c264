"""`bauta datasets`: the sets of faces there are, their licenses, and their files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from bauta import zoo
from bauta.cli import records
from bauta.errors import MissingData, UsageError

app = typer.Typer(no_args_is_help=True, help="Data sets: list, pull, verify, add your own.")

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Names from `bauta datasets list`.")]


def everything() -> list[zoo.Dataset]:
    """Known data sets, with the paths that were registered for them, then your own."""
    found = {record.name: record for record in (*zoo.DATASETS, *zoo.registered_datasets())}
    return list(found.values())


def whereabouts(record: zoo.Dataset) -> str:
    """Where a data set is."""
    if record.path is not None:
        return "registered" if record.path.exists() else "absent"
    return records.whereabouts(record.files)


def entry(record: zoo.Dataset) -> dict[str, Any]:
    """A record as JSON has it."""
    place = whereabouts(record)
    return {
        "name": record.name,
        "what": record.what,
        "license": record.license,
        "paper": record.paper,
        "files": [file.name for file in record.files],
        "path": None if record.path is None else str(record.path),
        "where": " ".join(dict.fromkeys(filter(None, [*(file.where for file in record.files), record.where]))),
        "here": place not in ("absent", "incomplete"),
        "place": place,
    }


@app.command("list")
def list_datasets(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """One data set a line: name, license, whether it is here, what it is."""
    records.show([entry(r) for r in everything()], ("name", "license", "place", "what"), as_json)


@app.command()
def pull(
    names: Names = None,
    everyone: Annotated[bool, typer.Option("--all", help="All that have addresses or are here.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Trust files whose digest nobody has seen yet.")] = False,
) -> None:
    """Download data sets into the cache (BAUTA_HOME), unless BAUTA_MIRROR holds them."""
    if bool(names) == everyone:
        raise UsageError("Give the names of data sets to pull, or --all.")
    reachable = [r for r in everything() if all(file.urls or zoo.find(file) for file in r.files)]
    wanted = reachable if everyone else records.chosen(everything(), names or [])
    for record in wanted:
        if record.where:
            sys.stderr.write(f"{record.name}: {record.where}\n")
    present(wanted)
    records.pull(wanted, yes)


@app.command()
def verify(names: Names = None) -> None:
    """Read the files and compare their digests: those of the sets named, or all that are here."""
    here = [r for r in everything() if whereabouts(r) not in ("absent", "incomplete")]
    wanted = records.chosen(everything(), names) if names else here
    present(wanted)
    records.verify(wanted)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call it: a new name, or the one of a known data set.")],
    path: Annotated[Path, typer.Argument(help="A folder, a zip, a tar or a .bin pack.")],
) -> None:
    """Add a data set of your own, or say where a known one lies."""
    typer.echo(f"{name}  {zoo.register_dataset(name, path).path}")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="A name that you added.")]) -> None:
    """Take a data set of yours off the list; its files stay."""
    zoo.forget(name)


def present(wanted: list[zoo.Dataset]) -> None:
    """Print where registered sets lie. Raises `MissingData` where one is gone."""
    for record in wanted:
        if record.path is not None:
            if not record.path.exists():
                raise MissingData(
                    f"{record.name} is not at {record.path} any more; put it back, or add it where it is."
                )
            typer.echo(f"{record.name}  {record.path}  registered")
