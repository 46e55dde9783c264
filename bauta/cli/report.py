"""`bauta report`: one HTML file of everything that a study's folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(help="The folder of a study, finished or not.")],
    out: Annotated[Path | None, typer.Option("--out", help="FOLDER/report.html by default.")] = None,
    no_faces: Annotated[bool, typer.Option("--no-faces", help="Leave out every picture of a person.")] = False,
) -> None:
    """Write one HTML file that needs no network: plots, pictures, threat models, tables, settings.

    With faces it shows real people: keep it to yourself.
    """
    from bauta.faces.images import write_bytes
    from bauta.report.page import page
    from bauta.study.reported import reported

    path = folder / "report.html" if out is None else out
    write_bytes(path, page(reported(folder, faces=not no_faces), folder).encode())
    typer.echo(str(path))
