"""`bauta demo`: the main job on a few photos, for a first look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("--out", help="Where the pictures go.")] = Path("out/demo"),
    recognizer: Annotated[str, typer.Option("--for", help="The authorized recognizer.")] = "mobilefacenet-casia",
) -> None:
    """Protect the photos of the mirror for one recognizer and print who can still use them."""
    from bauta import zoo
    from bauta.cli.protect import run
    from bauta.errors import MissingData

    mirror = zoo.mirror()
    photos = None if mirror is None else mirror / "photos"
    if photos is None or not photos.is_dir():
        raise MissingData("The demo needs photos and weights: set BAUTA_MIRROR to a folder that holds them.")
    # a photo of the set may hold faces too small to recognize; the demo shows that, and fails for nothing else
    run(photos, [recognizer], out)
