"""`bauta train`: a recognizer with its protections in place, a face prior, an attribute network."""

from __future__ import annotations

import ast
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bauta.cli.protect import Device, chosen_device
from bauta.errors import UsageError

if TYPE_CHECKING:
    from bauta.train.presets import Recipe

SHOWN = 8  # rows and columns of samples

Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in OUT.")]
SaveSteps = Annotated[
    int | None, typer.Option("--save-steps", min=1, help="Steps between checkpoints, beside one an epoch.")
]
Devices = Annotated[int, typer.Option("--devices", min=1, help="GPUs, or processes on the CPU.")]
Batch = Annotated[int, typer.Option("--batch", min=2, help="Pictures at a time, in each process.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of all that is drawn.")]

app = typer.Typer(no_args_is_help=True, help="Train networks: recognizers with protections, face priors, attributes.")


@app.command()
def recognizer(
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to be written; then a recognizer's name.")],
    arch: Annotated[str, typer.Option("--arch", help="mobilefacenet, ir18, ir50, frequency_small ...")],
    option: Annotated[
        list[str] | None, typer.Option("--option", help='Of the network, as "width=0.5"; may be repeated.')
    ] = None,
    protection: Annotated[
        list[str] | None,
        typer.Option("--protection", help='As "DCTDP(epsilon=0.5)" or module:Class(...); may be repeated.'),
    ] = None,
    data: Annotated[str, typer.Option("--data", help="lfw, a folder of people, or a .rec of InsightFace.")] = "lfw",
    also: Annotated[
        list[str] | None,
        typer.Option("--also", help="A further set, learned through the teacher alone; may be repeated."),
    ] = None,
    blends: Annotated[
        int, typer.Option("--blends", min=0, help="So many faces between two faces, for the teacher to judge.")
    ] = 0,
    pairs: Annotated[
        str | None,
        typer.Option("--pairs", help="What judges: lfw, a .bin; if not said, folds kept apart."),
    ] = None,
    folds: Annotated[int, typer.Option("--folds", min=2, help="How many of the data's ten folds judge.")] = 2,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Learn from so many pictures at most.")] = None,
    start: Annotated[
        str | None, typer.Option("--start", help="Begin with this recognizer's weights, where its layers are the same.")
    ] = None,
    teacher: Annotated[str | None, typer.Option("--teacher", help="A recognizer whose templates are learned.")] = None,
    head: Annotated[
        str | None, typer.Option("--head", help='Over the people: "ArcFace(margin=0.4)", CosFace, AdaFace ...')
    ] = None,
    people: Annotated[
        float, typer.Option("--people", min=0, help="What the head weighs beside the teacher, as 0.02 for a margin's.")
    ] = 1.0,
    preset: Annotated[str, typer.Option("--preset", help="small: for two cores. published: SGD, 24 epochs.")] = "small",
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="The preset's own number if not said.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", min=2, help="Pictures at a time, in each process.")] = None,
    rate: Annotated[float | None, typer.Option("--rate", min=0, help="The highest learning rate.")] = None,
    augment: Annotated[
        str, typer.Option("--augment", help='Beside mirror images: "Augment(color=0.2, turn=5, blur=0.1)".')
    ] = "Augment",
    copies: Annotated[
        int | None, typer.Option("--copies", min=1, help="Draws of a picture in a batch; its protections' own number.")
    ] = None,
    cast: Annotated[
        float,
        typer.Option("--cast", min=0, max=0.99, help="Strength of a color cast a picture, for gray data; as 0.4."),
    ] = 0.0,
    resume: Resume = False,
    save_steps: SaveSteps = None,
    device: Device = "auto",
    devices: Devices = 1,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Threads that read pictures ahead.")] = 0,
    seed: Seed = 0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Log for TensorBoard too.")] = False,
) -> None:
    """Train a recognizer with its protections in place, judged after each epoch on people who are held out.

    OUT gets log.csv (the learning curve), checkpoints, recipe.json and weights.safetensors, and is then a name for
    --recognizer. Stop it by hand and say --resume: the curve goes on as if nothing had happened.
    """
    from bauta.spec import load_class, parse
    from bauta.train import Training, train_recognizer
    from bauta.train import preset as named
    from bauta.train.augment import Augment

    heads = [spec.partition("(")[0].strip() for spec in protection or ()]
    known = tuple(load_class(name) for name in heads if ":" in name)
    views = parse(augment, (Augment,))
    assert isinstance(views, Augment)
    recipe = changed(
        dataclasses.replace(named(preset, epochs), augment=views, people=people, copies=copies), head, batch, rate
    )
    training = Training(
        arch, options(option or ()), [plain(spec) for spec in protection or ()], data, pairs, folds, limit, teacher,
        cast, also or (), blends, start, recipe, seed,
    )  # fmt: skip
    place = chosen_device(device).type
    with Shown() as shown:
        _, rows = train_recognizer(
            training, out, resume=resume, kind=place, devices=devices, workers=workers, every=save_steps,
            tensorboard=tensorboard, known=known, told=shown,
        )  # fmt: skip
    last = rows[-1]
    if "accuracy" not in last:  # not the first of several processes
        return
    light = f", under a color cast of {cast}" if cast else ""
    sys.stdout.write(
        f"{last['accuracy']:.2%} [{last['low']:.2%}, {last['high']:.2%}] of {last['pairs']:.0f} pairs of strangers"
        f"{light}; {out} is a recognizer now.\n"
    )


@app.command()
def generator(
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to be written; then a prior's file.")],
    data: Annotated[
        list[str] | None,
        typer.Option("--data", help="Faces, whoever they show; the first set has color. Repeat. utkface and lfw."),
    ] = None,
    folds: Annotated[
        int, typer.Option("--folds", min=0, help="People of so many of LFW's ten folds are left out.")
    ] = 0,
    layers: Annotated[
        str | None, typer.Option("--layers", help="A recognizer in whose layers pictures are compared too.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option("--judge", help="Another one, by which draws are compared with faces held out.")
    ] = None,
    latent: Annotated[int, typer.Option("--latent", min=1, help="Numbers that stand for a face.")] = 256,
    limit: Annotated[int | None, typer.Option("--limit", min=8, help="At most so many faces of each set.")] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 12,
    batch: Batch = 64,
    resume: Resume = False,
    save_steps: SaveSteps = None,
    device: Device = "auto",
    devices: Devices = 1,
    seed: Seed = 0,
) -> None:
    """Train a face prior: an autoencoder of faces, whose decoder also draws people whom nobody encoded.

    OUT gets log.csv, checkpoints, recipe.json, weights.safetensors and samples.png: "AutoencoderPrior('OUT')" is then a
    prior for `bauta validate`. A training is a lesson of real faces: look at whose they are before you pass it on.
    """
    from bauta.ops.noise import generators
    from bauta.report import gallery, save_figure
    from bauta.train.generating import Generating, generator_recipe, train_generator

    recipe = dataclasses.replace(generator_recipe(epochs=epochs), batch_size=batch)
    generating = Generating(
        tuple(data or ("utkface", "lfw")), folds, layers, judge, latent, recipe=recipe, limit=limit, seed=seed
    )
    place = chosen_device(device).type
    with Shown() as shown:
        prior, rows = train_generator(
            generating, out, resume=resume, kind=place, devices=devices, every=save_steps, told=shown
        )
    (draw,) = generators(seed, ["samples"], "samples of a generator")
    drawn = prior.render(prior.sample(SHOWN * SHOWN, draw)).reshape(SHOWN, SHOWN, 3, prior.side, prior.side)
    save_figure(gallery({f"draws {n + 1}": row for n, row in enumerate(drawn)}), out / "samples.png")
    last = rows[-1]
    if "kernel_distance" in last:
        sys.stdout.write(f"kernel distance {last['kernel_distance']:.4f} [{last['low']:.4f}, {last['high']:.4f}]; ")
    sys.stdout.write(f"{out} is a face prior now; look at {out / 'samples.png'}.\n")


@app.command()
def attributes(
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to be written.")],
    data: Annotated[
        list[str] | None,
        typer.Option("--data", help="Labelled faces, that between them know all four. Repeat. utkface and lfw."),
    ] = None,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Folds of people, of ten, that are held out.")] = 2,
    limit: Annotated[int | None, typer.Option("--limit", min=8, help="At most so many faces of each set.")] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 20,
    batch: Batch = 64,
    resume: Resume = False,
    save_steps: SaveSteps = None,
    device: Device = "auto",
    devices: Devices = 1,
    seed: Seed = 0,
) -> None:
    """Train a network that reads age, gender, race and emotion, for audits: how much of these is left in what leaks.

    OUT gets log.csv, checkpoints, recipe.json and weights.safetensors, for `bauta.estimators.read_attributes`. Measured
    after each epoch on what is held out: the last folds of sets that say who is who, a fifth of the files of others.
    """
    from bauta.train.attributing import Attributing, attributes_recipe, train_attributes

    recipe = dataclasses.replace(attributes_recipe(epochs=epochs), batch_size=batch)
    attributing = Attributing(tuple(data or ("utkface", "lfw")), folds, recipe=recipe, limit=limit, seed=seed)
    place = chosen_device(device).type
    with Shown() as shown:
        _, rows = train_attributes(
            attributing, out, resume=resume, kind=place, devices=devices, every=save_steps, told=shown
        )
    last = rows[-1]
    words = [f"{name} {last[f'held {name}']:.1%}" for name in ("gender", "race", "emotion") if f"held {name}" in last]
    if "held age" in last:
        words.insert(0, f"age off by {last['held age']:.1f} years")
    if words:  # not in the second of several processes
        sys.stdout.write(f"Faces held out, classes balanced: {', '.join(words)}; {out} holds the network.\n")


def changed(recipe: Recipe, head: str | None, batch: int | None, rate: float | None) -> Recipe:
    """The preset with what was asked for instead. Raises `UsageError`."""
    import copy

    from bauta.recognizers.heads import HEADS, Head
    from bauta.spec import parse

    if head is not None:
        found = parse(head, HEADS)
        if isinstance(found, Head):
            recipe = dataclasses.replace(recipe, head=found)
    if rate is not None:
        plan = copy.copy(recipe.plan)
        plan.rate = rate
        recipe = dataclasses.replace(recipe, plan=plan)
    return recipe if batch is None else dataclasses.replace(recipe, batch_size=batch)


def options(words: list[str] | tuple[str, ...]) -> dict[str, object]:
    """`name=literal` each. Raises `UsageError`."""
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            found[name.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError) as error:
            raise UsageError(f"An option of the network is written like width=0.5, got {word!r}.") from error
    return found


def plain(spec: str) -> str:
    """`module:Class(...)` as `Class(...)`."""
    head, bracket, rest = spec.partition("(")
    return f"{head.rpartition(':')[2].strip()}{bracket}{rest}"


class Shown:
    """What is told, as a bar on a terminal: how far, and the losses."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        losses = TextColumn("{task.fields[losses]}")
        self.bar = Progress(*columns, losses, console=console, disable=not console.is_terminal)
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> Shown:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, what: str, done: int, total: int, losses: dict[str, float]) -> None:
        if what not in self.tasks:
            self.tasks[what] = self.bar.add_task(what, total=total, losses="")
        words = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
        self.bar.update(self.tasks[what], completed=done, losses=words)
