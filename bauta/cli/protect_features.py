"""`bauta protect-features` and `bauta features`: a provider's database of features."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from bauta.cli.engines import Address, Cpus, EngineName, Gpus, Workers, chosen_engine
from bauta.cli.protect import Device, chosen_device
from bauta.errors import UsageError

if TYPE_CHECKING:
    from bauta.job.featureprotecting import Told
    from bauta.job.fittedfile import Settings
    from bauta.protections import FeatureProtection
    from bauta.recognizers import Recognizer

Done = TypeVar("Done")

Batch = Annotated[
    int, typer.Option("--batch", min=1, help="Rows at a time; memory grows with it, and with nothing else.")
]
Cut = Annotated[int | None, typer.Option("--cut", help="Layers that the client holds; the network's own default.")]


def protect_features(
    database: Annotated[Path, typer.Argument(help="A .npy or .safetensors file of features (N, C, h, w) or (N, D).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The protected database: a file of the same kind.")],
    learned: Annotated[
        Path,
        typer.Option(
            "--learned", help="The fitted protection, private: used where it is there, else learned and written."
        ),
    ],
    protection: Annotated[
        str | None, typer.Option("--protection", help='For example "AdvFace(epsilon=0.3)", or module:Class(...).')
    ] = None,
    recognizer: Annotated[str | None, typer.Option("--recognizer", help="Whose features these are.")] = None,
    cut: Cut = None,
    public: Annotated[
        str | None,
        typer.Option("--public", help="Faces to learn from: a name from `bauta datasets list`, or a folder."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many public faces.")] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Which tensor of a safetensors file holds the features.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of all draws; 63 random bits by default.")] = None,
    batch: Batch = 32,
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it is there.")] = False,
    engine: EngineName = "local",
    workers: Workers = None,
    address: Address = None,
    worker_cpus: Cpus = 1,
    worker_gpus: Gpus = 0,
) -> None:
    """Protect a database of features, row by row. Run it again to go on after a stop.

    Ids, names and the order of the rows stay as they are. For a single live request, the service loads the same
    protection: bauta.job.fittedfile.load(LEARNED, recognizer), and puts it into a Pipeline.
    """
    from bauta.job import fittedfile
    from bauta.job.asked import check_reached, place_of_work, reached
    from bauta.job.featureprotecting import FeatureJob, check_cut, check_place
    from bauta.job.featurestore import open_database
    from bauta.recognizers import load

    where = chosen_engine(engine, workers, address, worker_cpus, worker_gpus)
    database, out = Path(reached(where, database)), Path(reached(where, out))
    place, source = chosen_device(device), open_database(database, key)
    if not out.with_name(f".{out.name}.json").exists():  # else FeatureJob knows whether to go on
        check_place(source, out, overwrite)
    asked, known = (None, ()) if protection is None else named(protection)
    check_reached(where, known)
    if learned.exists():
        about = fittedfile.settings(learned)
        agree(learned, about, protection=asked, recognizer=recognizer, cut=cut, public=public, seed=seed)
        network = load(about.recognizer, cut=about.cut).to(place)
        check_cut(source, network)
    else:
        if asked is None or recognizer is None:
            raise UsageError(f"{learned} is not there, so --protection and --recognizer must say what to learn.")
        network = load(recognizer, cut=cut).to(place)
        check_cut(source, network)
        learn(learned, asked, network, public, limit, seed)
    fitted, settings = fittedfile.load(learned, network, known), {"protection": fittedfile.digest(learned)}
    job = FeatureJob(source, out, fitted, settings, batch, place_of_work(where, place), overwrite, where)
    started = time.perf_counter()
    done = with_rate(job.run)
    seconds = time.perf_counter() - started
    say = sys.stdout.write
    say(f"{done} of {len(source)} rows protected in {seconds:.1f} s, {done / seconds:.1f} a second; {out} is whole.\n")
    say(f"{learned} makes the same protection for live requests. Keep it, and the unprotected database, to yourself.\n")


def features(
    data: Annotated[str, typer.Argument(help="A folder of photos, or a name from `bauta datasets list`.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The database to be written, a .safetensors file.")],
    recognizer: Annotated[str, typer.Option("--recognizer", help="A name from `bauta models list`.")],
    cut: Cut = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many faces.")] = None,
    batch: Batch = 32,
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it is there.")] = False,
) -> None:
    """Compute a database of features, not protected: one face a photo, with file names and identities beside.

    Faces can be made again from them: the file has mode 0600, and `bauta protect-features` is what comes next.
    """
    from bauta.faces import load_dataset
    from bauta.job.featuremaking import make_database
    from bauta.recognizers import load

    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already; choose another --out, or say --overwrite.")
    network = load(recognizer, cut=cut).to(chosen_device(device))
    faces = load_dataset(data, limit)
    shape = with_rate(lambda told: make_database(faces, network, out, told, batch))
    layer = network.layer_names()[network.cut - 1]
    sys.stdout.write(f"{out}: features {shape} of {network.name} after {layer} (cut {network.cut}), not protected.\n")


def named(text: str) -> tuple[FeatureProtection, tuple[type, ...]]:
    """The feature protection that a spec describes, and the classes beside bauta's own that it took.

    Raises `UsageError`, also for one that other servers must be built for or whose seed is not left to --seed.
    """
    from bauta.protections import ALL, FeatureProtection
    from bauta.spec import load_class, parse

    head, bracket, rest = text.partition("(")
    known = (load_class(head.strip()),) if ":" in head else ()
    if known:
        text = f"{known[0].__name__}{bracket}{rest}"
    found = parse(text, (*ALL, *known))
    if not isinstance(found, FeatureProtection) or found.changes_channels:
        fit = [c.__name__ for c in ALL if issubclass(c, FeatureProtection) and not c.changes_channels]
        raise UsageError(f"{text} does not put features in the place of features; there are {', '.join(fit)}.")
    if getattr(found, "seed", 0):
        raise UsageError(f"{text} names a seed; give it as --seed, or leave it out for one that nobody guesses.")
    return found, known


def learn(
    path: Path,
    protection: FeatureProtection,
    network: Recognizer,
    public: str | None,
    limit: int | None,
    seed: int | None,
) -> None:
    """Fit the protection and write it to `path`."""
    import os

    from bauta.faces import load_dataset
    from bauta.job import fittedfile

    drawn = int.from_bytes(os.urandom(8), "big") >> 1 if seed is None else seed
    device = next(network.parameters()).device
    faces = None if public is None else load_dataset(public, limit).to(device)
    sys.stderr.write(f"fitting {protection!r} for {network.name} at cut {network.cut}\n")
    fitted = protection.rekeyed(drawn).to(device).fit(faces, network)
    fittedfile.save(path, fitted, network, public or "")


def agree(path: Path, about: Settings, *, protection: FeatureProtection | None, **asked: Any) -> None:
    """Raise `UsageError` where an option that was given is not what the file was learned with."""
    changed = [name for name, value in asked.items() if value is not None and value != getattr(about, name)]
    if protection is not None and repr(protection.rekeyed(about.seed)) != about.protection:
        changed.insert(0, "protection")
    if changed:
        raise UsageError(
            f"{path} was learned with another {', '.join(changed)} (its own: {about.recognizer} at cut {about.cut}, "
            f"by bauta {about.bauta}); leave those options out, or name another --learned."
        )


def with_rate(run: Callable[[Told], Done]) -> Done:
    """Run something that tells how many rows are done, under a bar with rate and time left on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total, completed=done, rate="")
            speed = bar.tasks[tasks[what]].speed
            bar.update(tasks[what], completed=done, rate=f"{speed:.1f}/s" if speed else "")

        return run(told)
