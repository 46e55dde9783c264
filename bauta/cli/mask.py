"""`bauta mask`: learn one mask a person, put it on photos, take it off with the key, look at it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bauta.cli.engines import Address, Cpus, EngineName, Gpus, Workers, chosen_engine
from bauta.cli.protect import Device, chosen_device
from bauta.errors import UsageError

if TYPE_CHECKING:
    from bauta.job.maskfile import MaskFile, Measured
    from bauta.job.maskphotos import Done

app = typer.Typer(no_args_is_help=True, help="Personal masks: learn, apply, remove, show.")

TEAM = ("mobilefacenet-casia", "mobilefacenet-relu6-ms1m")
FEW = 8  # photos
ALIKE = 0.3  # cosine of two masks above which averaging finds what they share

Key = Annotated[Path, typer.Argument(help="A mask file.")]
Photos = Annotated[list[str], typer.Argument(help="Photos, folders or shards of them, or their fsspec URLs.")]
Out = Annotated[str, typer.Option("--out", help="Where the PNG files go: a folder, or its fsspec URL.")]
Aligned = Annotated[bool, typer.Option("--aligned", help="The files are aligned 112 x 112 faces already.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace pictures that lie there.")]
Which = Annotated[str, typer.Option("--face", help="match (the mask's owner), largest or all.")]


@app.command()
def learn(
    folder: Annotated[Path, typer.Argument(help="Photos of one person, 20 or so.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The mask file to be written.")],
    team: Annotated[list[str] | None, typer.Option("--team", help="A recognizer to mislead (repeat).")] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="TransferMask (holds for recognizers outside of the team) or P3Mask (as published by Chow et al.).",
        ),
    ] = "TransferMask",
    variants: Annotated[
        int, typer.Option("--variants", min=1, max=16, help="Learn so many masks; a photo gets one of them.")
    ] = 1,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 50,
    epsilon: Annotated[float, typer.Option("--epsilon", help="The most a pixel changes, of 255.")] = 16,
    budget: Annotated[float, typer.Option("--budget", help="The DSSIM that learning keeps to.")] = 0.03,
    strength: Annotated[float, typer.Option("--strength", min=0.01, max=1, help="What `apply` adds by default.")] = 1,
    keep: Annotated[
        Path | None, typer.Option("--keep-epochs", help="A folder for each epoch's mask, to choose.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    device: Device = "auto",
    aligned: Aligned = False,
    overwrite: Overwrite = False,
) -> None:
    """Learn a person's mask from photos. Run it again to go on after a stop.

    The mask file is a key: whoever has it can take the mask off. Only its owner may read it (mode 0600).
    """
    from bauta.job import asked
    from bauta.job.maskmaking import MaskMaking
    from bauta.job.portraits import portraits
    from bauta.protections.images.team import Team
    from bauta.recognizers import load

    protection = asked.method(method, epochs=epochs, epsilon=epsilon, budget=budget, strength=strength, seed=seed)
    if out.exists() and not overwrite:
        raise UsageError(
            f"{out} is there already, and a mask whose file is lost cannot be taken off; choose another name, or say "
            "--overwrite."
        )
    place = chosen_device(device)
    members = [load(name).to(place) for name in dict.fromkeys(team or TEAM)]
    first = members[0]
    found = portraits(folder, first, asked.threshold_of(first.name), asked.finder(aligned))
    for file, why in found.left_out.items():
        sys.stderr.write(f"left out: {file}: {why}\n")
    if len(found.images) < FEW:
        sys.stderr.write(f"Only {len(found.images)} photos: the mask will serve new photos worse than one of 20.\n")
    making = MaskMaking(protection, out, keep, variants)
    if making.part.exists():
        sys.stderr.write("Going on where a run before was stopped.\n")
    say(f"{len(found.images)} photos, against {', '.join(m.name for m in members)}\n{HEAD}{'seconds':>9}\n")
    started = time.perf_counter()

    def told(row: Measured) -> None:
        nonlocal started
        now = time.perf_counter()
        if variants > 1 and row.epoch == 1:
            say(f"mask {row.variant} of {variants}\n")
        say(f"{line(row)}{now - started:9.1f}\n")
        started = now

    mask = making.run(found, Team(*members).to(place), told)
    if variants > 1:
        say(f"{likeness(mask)}\n")
    say(f"{out} is written. Keep it to yourself: it takes the mask off, and shows how to.\n")


@app.command()
def apply(
    key: Key,
    photos: Photos,
    out: Out,
    strength: Annotated[float | None, typer.Option("--strength", min=0.01, max=1, help="The mask's own.")] = None,
    face: Which = "match",
    aligned: Aligned = False,
    overwrite: Overwrite = False,
    engine: EngineName = "local",
    workers: Workers = None,
    address: Address = None,
    worker_cpus: Cpus = 1,
    worker_gpus: Gpus = 0,
) -> None:
    """Add a mask to its owner's face in photos of any size, and write them as PNG."""
    from bauta.job.asked import chooser, finder, reached
    from bauta.job.maskfile import MaskFile
    from bauta.job.maskphotos import Masking
    from bauta.job.portraits import pictures_in

    where = chosen_engine(engine, workers, address, worker_cpus, worker_gpus)
    sources, target = [reached(where, photo) for photo in photos], reached(where, out)
    mask = MaskFile.load(key)
    added = mask.made.strength if strength is None else strength
    masking = Masking(mask, target, finder(aligned), overwrite, added, choose=chooser(face, mask))
    if not report(masking.run(pictures_in(sources), lambda done: masked(done, len(mask.masks)), where), "adding"):
        raise typer.Exit(1)


@app.command()
def remove(
    key: Key,
    photos: Photos,
    out: Out,
    strength: Annotated[float | None, typer.Option("--strength", min=0.01, max=1, help="Found by default.")] = None,
    aligned: Aligned = False,
    overwrite: Overwrite = False,
) -> None:
    """Take a mask off photos that carry it, and write them as PNG; others are said and not written."""
    from bauta.job.asked import finder
    from bauta.job.maskfile import MaskFile
    from bauta.job.maskphotos import Unmasking
    from bauta.job.portraits import pictures_in

    mask = MaskFile.load(key)
    unmasking = Unmasking(mask, out, finder(aligned), overwrite, strength)
    if not report(unmasking.run(pictures_in(photos), lambda done: unmasked(done, len(mask.masks))), "subtracting"):
        raise typer.Exit(1)


@app.command()
def show(
    key: Key,
    out: Annotated[Path | None, typer.Option("--out", help="Where the preview sheet goes, a PNG.")] = None,
    photo: Annotated[Path | None, typer.Option("--photo", help="A photo of the owner, for the sheet.")] = None,
    aligned: Aligned = False,
) -> None:
    """How a mask was made, and with --photo what it does at four strengths: original, mask magnified, protected."""
    from bauta.faces.images import encode_png, read_image
    from bauta.job.asked import chooser, finder
    from bauta.job.maskfile import MaskFile, write_private
    from bauta.job.maskmaking import sheet
    from bauta.job.maskphotos import face_of
    from bauta.job.portraits import largest

    if (out is None) != (photo is None):
        raise UsageError("A preview sheet needs both --photo and --out; give both, or neither.")
    mask = MaskFile.load(key)
    made = mask.made
    say(f"{made.protection}\nlearned from {made.photos} photos against\n")
    for name, digest in made.team.items():
        say(f"  {name} {digest[:12]}\n")
    largest_change = float(mask.masks.abs().max()) * 255
    say(f"largest change {largest_change:.1f}/255, strength {made.strength:g}\n")
    if len(mask.masks) > 1:
        say(f"{likeness(mask)}\n")
    say(f"{HEAD}\n")
    for row in made.history:
        if len(mask.masks) > 1 and row.epoch == 1:
            say(f"mask {row.variant} of {len(mask.masks)}\n")
        say(f"{line(row)}\n")
    if out is not None and photo is not None:
        detector = finder(aligned)
        choose = largest if aligned else chooser("match", mask)
        strengths = (0.25, 0.5, 0.75, 1.0)
        write_private(out, encode_png(sheet(face_of(read_image(photo), detector, choose), mask.masks[0], strengths)))
        say(f"{out}: original, mask magnified, protected; a row for strength {', '.join(map(str, strengths))}.\n")


def likeness(mask: MaskFile) -> str:
    """How far the masks of a file are from each other."""
    said = f"{len(mask.masks)} masks, cosine of the two most alike {mask.alike:.2f}"
    return said if mask.alike < ALIKE else f"{said}: averaging finds what they share; learn more epochs"


def say(text: str) -> None:
    """On standard output, at once, so that what follows a pipe sees an epoch when it is over."""
    sys.stdout.write(text)
    sys.stdout.flush()


HEAD = f"{'epoch':>5}{'loss':>9}{'angle':>8}{'DSSIM':>8}{'SSIM':>8}"


def line(row: Measured) -> str:
    """An epoch under `HEAD`; the angle in radians, summed over the team."""
    return f"{row.epoch:5d}{row.loss:9.3f}{row.angle:8.3f}{row.dssim:8.4f}{row.ssim:8.4f}"


def masked(done: Done, variants: int) -> None:
    """A line a photo."""
    which = f"mask {done.found[0].variant} of {variants}" if variants > 1 and done.found else "the mask"
    told(done, f"{done.seconds.get('adding', 0) * 1e3:.1f} ms to add {which} to {done.faces} faces")


def unmasked(done: Done, variants: int) -> None:
    """A line a photo."""
    said = [f"z = {face.z:.1f}, strength about {face.strength:.2f}" for face in done.found]
    if variants > 1:
        said = [f"mask {face.variant} of {variants}, {text}" for face, text in zip(done.found, said, strict=True)]
    told(done, "; ".join(said))


def told(done: Done, what: str) -> None:
    """What became of a photo: on standard output, or why it was not written on standard error."""
    if done.output is None:
        sys.stderr.write(f"not written: {done.name}: {done.error}\n")
        return
    times = ", ".join(f"{name} {1e3 * s:.0f}" for name, s in done.seconds.items() if name != "adding")
    say(f"{done.output}: {what} ({times} ms)\n")


def report(done: list[Done], verb: str) -> bool:
    """The last line: how many, and the mean time of a photo; whether all were written."""
    written = [d for d in done if d.output is not None]
    mean = 1e3 * sum(d.seconds["adding"] for d in written) / max(1, len(written))
    say(f"{len(written)} of {len(done)} photos written, {mean:.1f} ms a photo for {verb}.\n")
    return len(written) == len(done)
