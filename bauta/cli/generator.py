"""`bauta generator`: what is done with a face prior; `bauta train generator` makes one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bauta.cli.protect import Device, chosen_device
from bauta.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Face priors: people who do not exist, the codes of faces who do.")


@app.callback()
def group() -> None:
    """Face priors: people who do not exist, the codes of faces who do."""


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


@app.command()
def people(
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder; it gets a folder a person.")],
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many people.")] = 20,
    views: Annotated[int, typer.Option("--views", min=1, help="Pictures of each.")] = 4,
    prior: Annotated[
        str | None, typer.Option("--prior", help="A prior of your own; the one of bauta if not said.")
    ] = None,
    vetted: Annotated[Path | None, typer.Option("--vetted", help="What `vet` wrote of it.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which people, and which pictures of them.")] = 0,
    sheet: Annotated[Path | None, typer.Option("--sheet", help="One JPEG of all: a row a person.")] = None,
) -> None:
    """Write aligned 112 x 112 pictures of people who do not exist, for whoever needs faces and has none.

    OUT is then a data set for every command, as `bauta evaluate` or `bauta audit` take one.
    """
    from bauta.faces.datasets.folders import LABELS
    from bauta.faces.images import encode_jpeg, encode_png, write_bytes
    from bauta.generators.population import read_population, synthetic

    if (prior is None) != (vetted is None):
        raise UsageError("A prior of your own needs the list that `bauta generator vet` made of it: give both.")
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} holds something already; choose another --out.")
    if prior is None or vetted is None:
        faces = synthetic(number, seed, views=views)
    else:
        faces = read_population(prior, vetted).faces(number, views, seed)
    for image, source in zip(faces.images, faces.source, strict=True):
        path = out / source.file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, encode_png(image))
    if faces.attributes:
        columns = zip(*(values.tolist() for values in faces.attributes.values()), strict=True)
        lines = [[one.file, *map(str, row)] for one, row in zip(faces.source, columns, strict=True)]
        text = "\n".join(",".join(line) for line in [["file", *faces.attributes], *lines])
        write_bytes(out / LABELS, f"{text}\n".encode())
    if sheet is not None:
        rows = faces.images.view(number, views, 3, faces.images.shape[2], -1).permute(2, 0, 3, 1, 4)
        write_bytes(sheet, encode_jpeg(rows.reshape(3, number * faces.images.shape[2], -1), quality=92))
    typer.echo(f"{len(faces)} pictures of {number} people who do not exist are in {out}.")


@app.command()
def vet(
    prior: Annotated[str, typer.Argument(help="A folder of `bauta train generator`.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The list to be written, .json.")],
    recognizer: Annotated[
        list[str], typer.Option("--recognizer", help="Who would know a face again; give two. May be repeated.")
    ],
    data: Annotated[
        list[str] | None, typer.Option("--data", help="The faces that the prior has learned from; one set has names.")
    ] = None,
    folds: Annotated[int, typer.Option("--folds", min=0, help="As its training was told.")] = 0,
    judge: Annotated[
        str | None,
        typer.Option("--judge", help="A recognizer that takes no part, to say whether people hold together."),
    ] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, help="How many people.")] = 500,
    amount: Annotated[float, typer.Option("--amount", min=0, help="How far a person's pictures differ.")] = 0.7,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of all that is drawn.")] = 0,
) -> None:
    """Draw people from a prior and keep those who are nobody: near to no face it has learned from, nor to each other.

    Near is a cosine that pairs of strangers among those faces reach once in 10,000 times.
    """
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from bauta.generators import AutoencoderPrior
    from bauta.generators.population import Population
    from bauta.job.vetting import judged, lookalike, recognized, write_vetted
    from bauta.job.vetting import vet as vetted_by
    from bauta.recognizers import load
    from bauta.train.examples import unseen
    from bauta.train.generating import learnable

    sets = [learnable(name, folds) for name in data or ("utkface", "lfw")]
    lookalikes = {}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        for name in recognizer:
            task = bar.add_task(f"{name} looks at them", total=sum(map(len, sets)))
            lookalikes[name] = lookalike(load(name), sets, lambda n, t=task: bar.advance(t, n))  # type: ignore[misc]
        task = bar.add_task("people", total=number)
        start = Population(AutoencoderPrior(prior), seed, (), amount)
        found = vetted_by(start, lookalikes, number, told=lambda taken, drawn: bar.update(task, completed=taken))
    write_vetted(out, found, lookalikes)
    typer.echo(f"{number} of {found.drawn} draws are nobody; refused: {found.refused}.")
    for name, one in lookalikes.items():
        near = torch.tensor(found.nearest[name])
        typer.echo(
            f"{name}: strangers reach {one.threshold:.3f} once in 10,000; nearest known face "
            f"{near.median():.3f} (median), {near.max():.3f} (highest)."
        )
    if folds:
        others = unseen("lfw", folds).faces
        assert others.identity is not None
        first = [int((others.identity == who).nonzero()[0]) for who in torch.unique(others.identity)]
        cosines, share = recognized(others[first], lookalikes)
        said = ", ".join(f"{found.median():.3f} and {found.max():.3f} under {name}" for name, found in cosines.items())
        typer.echo(
            f"{len(first)} people of LFW whom nobody learned from, one picture each: {said}; {share:.1%} by all."
        )
    if judge is not None:
        genuine, error = judged(found.population.faces(min(number, 200), 4), load(judge))
        low, middle, high = torch.quantile(genuine, torch.tensor([0.05, 0.5, 0.95])).tolist()
        typer.echo(
            f"{judge}: cosines of one person {middle:.3f} (median; 5 % below {low:.3f}, above {high:.3f}), EER "
            f"{error.value:.2%} [{error.low:.2%}, {error.high:.2%}] of {error.n} pairs."
        )
