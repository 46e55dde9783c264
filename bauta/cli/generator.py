"""`bauta generator`: what is done with a face prior; `bauta train generator` makes one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bauta.cli.protect import Device, chosen_device

app = typer.Typer(no_args_is_help=True, help="Face priors: the codes of known faces.")


@app.callback()
def group() -> None:
    """Face priors: the codes of known faces."""


@app.command()
def invert(
    data: Annotated[str, typer.Argument(help="A name from `bauta datasets list`, or a folder of faces.")],
    prior: Annotated[
        str, typer.Option("--prior", help="A folder of `bauta train`, a StyleGAN2 checkpoint, or a spec.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file of codes to be written, .safetensors.")],
    space: Annotated[str | None, typer.Option("--space", help="z, w or w+; the prior's own if not said.")] = None,
    layers: Annotated[
        str | None, typer.Option("--layers", help="A recognizer in whose layers pictures are compared too.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Of the descent for each face.")] = 200,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many faces.")] = None,
    device: Device = "auto",
) -> None:
    """Find the latents of faces: the inverted prior space, from which MAP2V draws its starts.

    Run it again to go on after a stop. The codes are of real people: keep them as you keep their photos.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from bauta.cli.validate import prior_of
    from bauta.faces import load_dataset
    from bauta.job.inverting import Inverting, inverted
    from bauta.metrics import SSIM, perceptual

    faces = load_dataset(data, limit)
    chosen = prior_of(prior)
    if not chosen.ready:
        chosen = chosen.fit(faces)
    if space is not None:
        chosen = chosen.in_space(space)
    chosen.to(chosen_device(device))
    how = Inverting(steps=steps, layers=None if layers is None else perceptual(layers))
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("faces", total=len(faces))
        codes = inverted(chosen, faces, out, how, told=lambda done: bar.update(task, completed=done))
    few = slice(0, how.batch_size)
    near = SSIM(chosen.render(codes[few].to(chosen.place)).detach().cpu(), faces.images[few])
    typer.echo(f"{len(codes)} codes in {out}; SSIM of the first {len(near)}: {float(near.mean()):.3f}.")
