"""`bauta doctor`: what this machine has, what is missing, what to do. Imports nothing heavy."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from bauta import zoo
from bauta.cli import datasets, models, records

NEEDED = (
    "torch", "numpy", "pillow", "kornia", "opencv-python-headless", "scikit-learn", "scipy", "safetensors", "typer",
    "rich", "platformdirs", "matplotlib",
)  # fmt: skip
EXTRAS = {
    "heif": ("pillow-heif",),
    "onnx": ("onnx", "onnxruntime"),
    "web": ("fastapi", "uvicorn"),
    "scale": ("ray",),
    "evolution": ("cma",),
}


def doctor(
    torch: Annotated[bool, typer.Option("--torch", help="Import torch too, and say which devices it finds.")] = False,
) -> None:
    """Say what is here, what is missing and what to do about it."""
    advice = []
    typer.echo(f"python       {platform.python_version()} on {platform.platform()}")
    typer.echo(f"threads      {threads()}")
    typer.echo(f"memory       {memory()}")
    if torch:
        typer.echo(f"device       {devices()}")
    typer.echo(f"bauta        {installed('bauta') or 'not installed: it runs from a folder'}")
    for name in NEEDED:
        found = installed(name)
        typer.echo(f"package      {name} {found or 'MISSING'}")
        if found is None:
            advice.append(f"install {name}: pip install bauta brings it")
    for extra, names in EXTRAS.items():
        lacking = [name for name in names if installed(name) is None]
        typer.echo(f"extra        {extra}: {'here' if not lacking else 'not here (' + ', '.join(lacking) + ')'}")
    folder = zoo.mirror()
    typer.echo(f"mirror       {folder or 'BAUTA_MIRROR is not set'}")
    if folder is not None and not folder.is_dir():
        advice.append(f"BAUTA_MIRROR is {folder}, which is no folder: set it to one, or unset it")
    typer.echo(f"cache        {cache(zoo.home())}")
    for kind, name, place in whereabouts():
        typer.echo(f"{kind:<12} {name} {place}")
    advice += [*wanting(), *spoiled()]
    for line in advice or ["nothing"]:
        typer.echo(f"to do        {line}")


def installed(name: str) -> str | None:
    """The version of a package, without importing it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def threads() -> str:
    """How many threads torch will take, and why."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{usable} processors may be used, OMP_NUM_THREADS is {os.environ.get('OMP_NUM_THREADS', 'not set')}"


def memory() -> str:
    """How much there is, and how much of it is free; "unknown" where the system does not say."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        there, free = (os.sysconf(name) * page / 2**30 for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{there:.1f} GiB, {free:.1f} of it unused"


def devices() -> str:
    """What torch computes on, and whether it multiplies bfloat16 in hardware there."""
    from torch import backends, cuda

    from bauta.train.engine import quick_bfloat16

    found = [("cpu", "cpu"), *((f"cuda:{i} {cuda.get_device_name(i)}", "cuda") for i in range(cuda.device_count()))]
    if backends.mps.is_available():
        found.append(("mps", "mps"))
    return ", ".join(f"{name}{' with bfloat16' if quick_bfloat16(kind) else ''}" for name, kind in found)


def cache(home: Path) -> str:
    """The cache, whether it can be written, and the room on its disk."""
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    state = f"{shutil.disk_usage(existing).free / 2**30:.1f} GiB free"
    return f"{home} ({state}{'' if os.access(existing, os.W_OK) else ', CANNOT BE WRITTEN: set BAUTA_HOME'})"


def whereabouts() -> Iterator[tuple[str, str, str]]:
    """Networks and data sets: what it is, its name, its place."""
    for model in models.everything():
        yield "network", model.name, records.whereabouts(model.files)
    for data in datasets.everything():
        yield "data set", data.name, datasets.whereabouts(data)


def wanting() -> Iterator[str]:
    """What photos need and is not here: the default recognizer and the detector."""
    absent = [name for _, name, place in whereabouts() if place in ("absent", "incomplete")]
    needed = [name for name in (zoo.WEIGHTS[0].name, zoo.TOOLS[0].name) if name in absent]
    if needed:
        pull = f"bauta models pull {' '.join(needed)}"
        yield f"for photos of your own: {pull} (or set BAUTA_MIRROR); `bauta demo` needs none"


def spoiled() -> Iterator[str]:
    """Files whose bytes, as last read, are not those of their record. Nothing is read again: `models verify` does."""
    for record in (*models.everything(), *datasets.everything()):
        for file in record.files:
            path = zoo.find(file)
            known = None if path is None else zoo.known_digest(path)
            if known is not None and file.sha256 not in (None, known):
                packaged = zoo.place(file) == "package"
                cure = "install bauta again" if packaged else f"run `{file.command} {record.name}`"
                yield f"{path} is not what the record of {record.name} names: {cure}"
