"""`bauta models`: the networks there are, their licenses, and their files."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from bauta import zoo
from bauta.cli import records
from bauta.cli.teams import teams
from bauta.errors import BautaError, UsageError

app = typer.Typer(no_args_is_help=True, help="Networks: list, pull, verify, add your own, teams.")

N = TypeVar("N", int, float)
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Names from `bauta models list`.")]


def everything() -> list[zoo.Weights | zoo.Tool]:
    """Published recognizers, your own, then detectors and other tools."""
    return [*zoo.WEIGHTS, *zoo.registered_weights(), *zoo.TOOLS]


def entry(record: zoo.Weights | zoo.Tool) -> dict[str, Any]:
    """A record as JSON has it, without its files' details."""
    facts = asdict(record)
    place = records.whereabouts(record.files)
    return {
        "kind": "recognizer",
        "accuracy": None,
        "deviation": None,
        "threshold": None,
        **facts,
        "files": [file.name for file in record.files],
        "here": place not in ("absent", "incomplete"),
        "place": place,
    }


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """One network a line: name, license, LFW accuracy (percent), whether it is here, kind."""
    records.show([entry(r) for r in everything()], ("name", "license", "accuracy", "place", "kind"), as_json)


@app.command()
def pull(
    names: Names = None,
    everyone: Annotated[bool, typer.Option("--all", help="All that have an address or are here.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Trust files whose digest nobody has seen yet.")] = False,
) -> None:
    """Download networks into the cache (BAUTA_HOME), unless BAUTA_MIRROR holds them."""
    if bool(names) == everyone:
        raise UsageError("Give the names of networks to pull, or --all.")
    reachable = [r for r in everything() if all(file.urls or zoo.find(file) for file in r.files)]
    records.pull(reachable if everyone else records.chosen(everything(), names or []), yes)


@app.command()
def verify(names: Names = None) -> None:
    """Read the files and compare their digests: those of the networks named, or all that are here."""
    if names:
        records.verify(records.chosen(everything(), names))
    else:
        records.verify([r for r in everything() if all(zoo.find(file) for file in r.files)])


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    weights: Annotated[Path, typer.Option(help="The checkpoint: safetensors, a PyTorch state dict, or MXNet .params.")],
    architecture: Annotated[str, typer.Option(help="A key of bauta.recognizers.ARCHITECTURES, such as iresnet50.")],
    mean: Annotated[str, typer.Option(help="One number, or three with commas, in units of [0, 1].")] = "0.5",
    std: Annotated[str, typer.Option(help="One number, or three with commas, in units of [0, 1].")] = "0.5",
    size: Annotated[str | None, typer.Option(help="Height and width to resize to, such as 160,160.")] = None,
    columns: Annotated[str | None, typer.Option(help="First and last-plus-one column to keep, such as 8,104.")] = None,
    bgr: Annotated[bool, typer.Option("--bgr", help="The network wants blue first.")] = False,
    embedding: Annotated[int, typer.Option(help="How long its embeddings are.")] = 512,
    threshold: Annotated[
        float | None, typer.Option(help="Its own cosine threshold (`bauta evaluate` finds it).")
    ] = None,
    cut: Annotated[int | None, typer.Option(help="How many layers the client holds.")] = None,
    license_: Annotated[str, typer.Option("--license", help="The license of the weights.")] = "yours: not stated",
) -> None:
    """Add a checkpoint of your own; it must fit its architecture to the last weight."""
    from bauta import recognizers

    if architecture not in recognizers.ARCHITECTURES:
        raise UsageError(
            f"No architecture is called {architecture!r}; there are {', '.join(recognizers.ARCHITECTURES)}."
        )
    taken = zoo.Input(numbers(mean, float), numbers(std, float), pair(size), pair(columns), bgr)
    zoo.register(
        name,
        weights,
        architecture,
        input=taken,
        embedding=embedding,
        license=license_,
        threshold=threshold,
        cut=cut,
    )
    try:
        recognizers.load(name)
    except BautaError:
        zoo.forget(name)
        raise
    typer.echo(f"{name}  {weights.expanduser().resolve()}")


@app.command()
def export(
    name: Annotated[str, typer.Argument(help="A recognizer, or the folder of a training.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The safetensors file to be written.")],
    half: Annotated[bool, typer.Option("--half", help="In 16 bits: half the room.")] = False,
) -> None:
    """Write a recognizer's weights as one file of plain tensors, to pass on or to `add` elsewhere."""
    from bauta import recognizers
    from bauta.faces.images import write_bytes
    from bauta.recognizers.checkpoints import exported

    content = exported(recognizers.load(name), half=half)
    try:
        write_bytes(out, content)
    except OSError as error:
        raise UsageError(f"{out} could not be written ({error.strerror or error}); choose another place.") from error
    typer.echo(f"{out}  {len(content)} bytes  sha256 {hashlib.sha256(content).hexdigest()}")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="A name that you added.")]) -> None:
    """Take a checkpoint of yours off the list; its file stays."""
    zoo.forget(name)


app.command()(teams)


def numbers(text: str, kind: type[N]) -> tuple[N, ...]:
    """Numbers with commas between them. Raises `UsageError`."""
    try:
        return tuple(kind(word) for word in text.split(","))
    except ValueError as error:
        raise UsageError(f"Expected numbers with commas between them, got {text!r}.") from error


def pair(text: str | None) -> tuple[int, int] | None:
    """Two whole numbers with a comma between them. Raises `UsageError`."""
    if text is None:
        return None
    found = numbers(text, int)
    if len(found) != 2:
        raise UsageError(f"Expected two whole numbers with a comma between them, got {text!r}.")
    return found[0], found[1]
