"""`bauta serve`: what the command line does, in a page of this machine alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bauta.errors import MissingPackage, UsageError


def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="A free one by default.")] = 0,
    reports: Annotated[
        Path | None, typer.Option("--reports", help="A folder with reports of `bauta audit`, to be read in the page.")
    ] = None,
    recognizer: Annotated[
        list[Path] | None, typer.Option("--recognizer", help="The folder of a training, offered beside the rest.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    patience: Annotated[
        float, typer.Option("--patience", min=10, help="Minutes for which a job may tell nothing before it is ended.")
    ] = 30,
) -> None:
    """Open a local page: drop photos, choose faces and who may read them, compare, download; masks and reports.

    It listens on 127.0.0.1 alone and answers only those who have the printed address. All files are wiped at the end.
    """
    try:
        from bauta.web.server import Server, end_well
    except ModuleNotFoundError as error:
        raise MissingPackage(f"The page needs {error.name}; install it with pip install 'bauta[web]'.") from error
    if device not in ("auto", "cpu", "cuda", "mps"):
        raise UsageError(f"--device {device} says nothing; there are auto, cpu, cuda and mps.")
    for folder in recognizer or ():
        if not (folder / "recipe.json").is_file():
            raise UsageError(f"--recognizer {folder} is no folder that a training left; give one with a recipe.json.")
    folders = [str(folder.resolve()) for folder in recognizer or ()]
    server = Server(port=port, reports=reports, recognizers=folders, device=device, patience=60 * patience)
    end_well(server)
    if server.private.orphans:
        sys.stderr.write("What an earlier page left behind when it was killed is wiped.\n")
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    sys.stderr.write(
        "Open this address in a browser of this machine, and give it to nobody. Ctrl-C ends the page and wipes its "
        "photos, pictures and masks: download before.\n"
    )
    try:
        server.run()
    except KeyboardInterrupt:
        sys.stderr.write("Everything that lay in the page is wiped.\n")
    if server.code:
        raise typer.Exit(server.code)
