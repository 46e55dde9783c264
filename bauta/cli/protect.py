"""`bauta protect`: a folder of photos -> pictures that only the named recognizers can use, and the proof."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from bauta.job import Progress, Result

Names = Annotated[list[str], typer.Option("--for", help="An authorized recognizer (repeat for several).")]
Out = Annotated[Path, typer.Option("--out", help="Where the pictures go.")]
Cut = Annotated[int | None, typer.Option("--cut", help="Layers that the client holds; each network's own default.")]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Most optimization steps a picture takes.")]
Seed = Annotated[int | None, typer.Option("--seed", help="128 random bits by default; kept in the private journal.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
Aligned = Annotated[bool, typer.Option("--aligned", help="The files are aligned 112 x 112 faces already.")]
Largest = Annotated[bool, typer.Option("--largest", help="Only the largest face of each photo.")]
Prove = Annotated[bool, typer.Option("--proof/--no-proof", help="Measure who accepts the pictures.")]


def protect(
    folder: Annotated[Path, typer.Argument(help="A folder of photos, or one photo.")],
    names: Names,
    out: Out,
    cut: Cut = None,
    steps: Steps = None,
    seed: Seed = None,
    device: Device = "auto",
    aligned: Aligned = False,
    largest: Largest = False,
    proof: Prove = True,
) -> None:
    """Write one aligned 112 x 112 PNG for each face, which only the authorized recognizers can use (PMT).

    The pictures look like noise, and no detector finds a face in them: the service must accept aligned crops. Run it
    again to go on after a stop. The seed and what was done lie in a private journal outside OUT.
    """
    if run(folder, names, out, cut, steps, seed, device, aligned, largest, proof):
        raise typer.Exit(1)


def run(
    folder: Path,
    names: list[str],
    out: Path,
    cut: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    aligned: bool = False,
    largest: bool = False,
    prove: bool = True,
) -> bool:
    """The job, its progress and its proof on the terminal; whether something failed."""
    from rich.console import Console

    from bauta import zoo
    from bauta.faces import detector
    from bauta.job import Proof, ProtectJob, foreign_recognizers
    from bauta.protections import PMT
    from bauta.recognizers import load

    console = Console(stderr=True)
    place = chosen_device(device)
    authorized = [load(name, cut=cut).to(place) for name in dict.fromkeys(names)]
    foreign = foreign_recognizers(names, place) if prove else []
    pmt = PMT() if steps is None else PMT(steps=steps)
    finder = None if aligned else detector()
    settings = {
        "protection": repr(pmt),
        "authorized": [f"{r.name}, cut after {r.layer_names()[r.cut - 1]} ({r.cut} layers)" for r in authorized],
        "faces": "aligned already" if finder is None else repr(finder),
        "largest": largest,
    }
    job = ProtectJob(
        folder,
        out,
        zoo.home() / "journals",
        pmt.fit(None, *authorized).to(place),
        settings,
        detector=finder,
        largest=largest,
        proof=Proof(authorized, foreign) if prove else None,
        device=place,
    )
    result = with_progress(job.run, seed, console)
    return report(result, [r.name for r in authorized], out)


def chosen_device(name: str) -> torch.device:
    """auto takes a GPU where there is one. Raises `UsageError` for a device that is not here."""
    import torch

    from bauta.errors import UsageError

    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(d for d in ("cuda", "mps", "cpu") if here[d]))
    if not here.get(name):
        raise UsageError(f"--device {name} is not on this machine; there is {', '.join(d for d in here if here[d])}.")
    return torch.device(name)


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


def report(result: Result, authorized: list[str], out: Path) -> bool:
    """Print what was done and the proof table; whether a file failed or an authorized recognizer refuses a picture."""
    from bauta import zoo
    from bauta.job import proof_table
    from bauta.job.proof import WRITTEN
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
    refused = {
        name: sum(entry["cosines"][name][WRITTEN] <= line for entry in result.proof)
        for name, line in ((name, zoo.threshold(name)) for name in authorized)
        if line is not None
    }
    for name, number in refused.items():
        if number:
            say(f"{name} refuses {number} of {len(result.proof)} pictures: raise --steps, or look at the originals.\n")
    return bool(result.failed) or any(refused.values())
