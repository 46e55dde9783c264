"""`bauta protect`: a folder of photos -> pictures that only the named recognizers can use, and the proof."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bauta.cli.engines import Address, Cpus, EngineName, Gpus, Workers, chosen_engine

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from bauta.job import Progress, Result
    from bauta.job.engine import Engine

Names = Annotated[list[str], typer.Option("--for", help="An authorized recognizer (repeat for several).")]
Out = Annotated[str, typer.Option("--out", help="Where the pictures go: a folder, or its fsspec URL.")]
Cut = Annotated[int | None, typer.Option("--cut", help="Layers that the client holds; each network's own default.")]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Most optimization steps a picture takes.")]
Seed = Annotated[int | None, typer.Option("--seed", help="128 random bits by default; kept in the private journal.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Aligned = Annotated[bool, typer.Option("--aligned", help="The files are aligned 112 x 112 faces already.")]
Largest = Annotated[bool, typer.Option("--largest", help="Only the largest face of each photo.")]
Prove = Annotated[bool, typer.Option("--proof/--no-proof", help="Measure who accepts the pictures.")]


def protect(
    folder: Annotated[str, typer.Argument(help="A folder of photos or shards, one of them, or its fsspec URL.")],
    names: Names,
    out: Out,
    cut: Cut = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = "auto",
    aligned: Aligned = False,
    largest: Largest = False,
    proof: Prove = True,
    engine: EngineName = "local",
    workers: Workers = None,
    address: Address = None,
    worker_cpus: Cpus = 1,
    worker_gpus: Gpus = 0,
) -> None:
    """Write one aligned 112 x 112 PNG for each face, which only the authorized recognizers can use (PMT).

    The pictures look like noise, and no detector finds a face in them: the service must accept aligned crops. Run it
    again to go on after a stop. The seed and what was done lie in a private journal outside OUT.
    """
    where = chosen_engine(engine, workers, address, worker_cpus, worker_gpus)
    if run(folder, names, out, cut, steps, seed, device, aligned, largest, proof, where):
        raise typer.Exit(1)


def run(
    folder: str | Path,
    names: list[str],
    out: str | Path,
    cut: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    aligned: bool = False,
    largest: bool = False,
    prove: bool = True,
    engine: Engine | None = None,
) -> bool:
    """The job, its progress and its proof on the terminal; whether something failed."""
    from rich.console import Console

    from bauta import zoo
    from bauta.job.asked import protect_job

    console = Console(stderr=True)
    job = protect_job(
        folder,
        out,
        zoo.home() / "journals",
        names,
        cut=cut,
        steps=steps,
        aligned=aligned,
        largest=largest,
        prove=prove,
        device=chosen_device(device),
        engine=engine,
    )
    result = with_progress(job.run, seed, console)
    return report(result, [r.name for r in job.proof.authorized] if job.proof else [], out)


def chosen_device(name: str) -> torch.device:
    """auto takes a GPU where there is one. Raises `UsageError` for a device that is not here."""
    from bauta.job.asked import device_called

    return device_called(name)


def with_progress(run: Callable[[int | None, Progress], Result], seed: int | None, console: Console) -> Result:
    """Run the job under a bar with the time that is left, where there is a terminal; failures are said as they come."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("photos", total=None)

        def progress(done: int, total: int, file: str, error: str | None) -> None:
            bar.update(task, completed=done, total=total)
            if error is not None:
                bar.console.print(f"failed: {error}", markup=False, highlight=False, soft_wrap=True)

        return run(seed, progress)


def report(result: Result, authorized: list[str], out: str | Path) -> bool:
    """Print what was done and the proof table; whether a file failed or an authorized recognizer refuses a picture."""
    from bauta.job import proof_table
    from bauta.job.proof import refused
    from bauta.report import to_text

    say = sys.stdout.write
    say(f"{len(result.written)} pictures written to {out}, {len(result.skipped)} were there, ")
    say(f"{len(result.failed)} files failed.\n")
    if not result.proof:
        return bool(result.failed)
    say("\nWho accepts these pictures as their originals (each recognizer at its own LFW threshold):\n\n")
    say(to_text(proof_table(result.proof, authorized)))
    similarity = sum(entry["ssim"] for entry in result.proof) / len(result.proof)
    say(f"\nSSIM to the originals {similarity:.3f}. Faces: {len(result.proof)}. In brackets: 95 % intervals.\n")
    say("Whoever holds the client's layers can still link these pictures: share them as you would share a key.\n")
    refusing = refused(result.proof, authorized)
    for name, number in refusing.items():
        if number:
            say(f"{name} refuses {number} of {len(result.proof)} pictures: raise --steps, or look at the originals.\n")
    return bool(result.failed) or any(refusing.values())
