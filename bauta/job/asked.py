"""What a command line or a page asks for in words, made into jobs: names, numbers and choices, never objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from bauta import zoo
from bauta.errors import UsageError
from bauta.faces.detect import Detector, detector
from bauta.job.engine import Engine, Here, Processes
from bauta.job.maskfile import MaskFile
from bauta.job.maskmaking import same_recognizer
from bauta.job.places import is_url, plain
from bauta.job.portraits import AlignedAlready, Choose, Owner, every, largest
from bauta.job.proof import Proof, foreign_recognizers
from bauta.job.protect import ProtectJob
from bauta.job.rayengine import Ray
from bauta.protections import PMT
from bauta.protections.images.p3mask import P3Mask
from bauta.protections.images.transfermask import TransferMask
from bauta.recognizers import load
from bauta.spec import FROM_FILE

METHODS = {"TransferMask": TransferMask, "P3Mask": P3Mask}
"""How masks are learned."""


def device_called(name: str) -> torch.device:
    """auto takes a GPU where there is one. Raises `UsageError` for a device that is not here."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(d for d in ("cuda", "mps", "cpu") if here[d]))
    if not here.get(name):
        raise UsageError(f"--device {name} is not on this machine; there is {', '.join(d for d in here if here[d])}.")
    return torch.device(name)


def finder(aligned: bool) -> Detector:
    """What finds the faces. Raises `MissingWeights` where there is no detector."""
    return AlignedAlready() if aligned else detector()


def engine_called(
    name: str, *, workers: int | None = None, address: str | None = None, cpus: float = 1, gpus: float = 0
) -> Engine:
    """local or ray. workers: None for one process with every thread, or on Ray for as many as there is room for. The
    rest is Ray's, as in `Ray`. Raises `UsageError`."""
    if name == "ray":
        return Ray(address, workers, cpus, gpus)
    if name != "local":
        raise UsageError(f"--engine {name} says nothing; there are local and ray.")
    if address is not None or gpus or cpus != 1:
        raise UsageError("--address, --worker-cpus and --worker-gpus are for --engine ray; leave them out.")
    return Here() if workers in (None, 1) else Processes(workers or 1)


def reached(engine: Engine, text: Path | str) -> Path | str:
    """What is called so, as the engine's workers call it: a worker of a cluster stands in a folder of its own.

    Raises `UsageError` for what lies in this process alone.
    """
    text = plain(text)
    if isinstance(engine, Here):
        return text
    if str(text).startswith("memory://"):
        raise UsageError("memory:// lies in this process alone; give a folder or a store that every worker reaches.")
    return text if is_url(text) else Path(text).absolute()


def check_reached(engine: Engine, classes: Iterable[type]) -> None:
    """Raise `UsageError` for a class out of a file, which this process alone has read."""
    for one in classes:
        if not isinstance(engine, Here) and one.__module__.startswith(FROM_FILE):
            raise UsageError(
                f"{one.__name__} comes out of a file, and other processes find classes by module alone; put it into a "
                "module on PYTHONPATH and say module:Class, or leave --engine and --workers out."
            )


def place_of_work(engine: Engine, device: torch.device) -> torch.device:
    """Where a worker computes: on Ray a GPU where it is given a part of one; else `device`."""
    if not isinstance(engine, Ray):
        return device
    return torch.device("cuda" if engine.gpus else "cpu")


def protect_job(
    source: Path | str,
    out: Path | str,
    journals: Path,
    names: Sequence[str],
    *,
    cut: int | None = None,
    steps: int | None = None,
    aligned: bool = False,
    largest: bool = False,
    chosen: Mapping[str, Sequence[int]] | None = None,
    prove: bool = True,
    batch_size: int = 32,
    device: torch.device | None = None,
    engine: Engine | None = None,
) -> ProtectJob:
    """PMT for the recognizers called `names` over photos, as `bauta protect` runs it.

    steps, cut: None for the method's and each network's own. The rest as in `ProtectJob`. Raises `UsageError`,
    `MissingWeights`, `BadCheckpoint`.
    """
    engine = engine or Here()
    source, out = reached(engine, source), reached(engine, out)
    authorized = [load(name, cut=cut) for name in dict.fromkeys(names)]
    pmt = PMT() if steps is None else PMT(steps=steps)
    found = None if aligned else detector()
    settings = {
        "protection": repr(pmt),
        "authorized": [f"{r.name}, cut after {r.layer_names()[r.cut - 1]} ({r.cut} layers)" for r in authorized],
        "faces": "aligned already" if found is None else repr(found),
        "largest": largest,
    }
    if chosen is not None:
        settings["chosen"] = {file: list(rows) for file, rows in chosen.items()}
    proof = Proof(authorized, foreign_recognizers(names)) if prove else None
    return ProtectJob(
        source,
        out,
        journals,
        pmt.fit(None, *authorized),
        settings,
        detector=found,
        largest=largest,
        chosen=chosen,
        proof=proof,
        batch_size=batch_size,
        device=place_of_work(engine, device or torch.device("cpu")),
        engine=engine,
    )


def method(name: str, *, epochs: int, epsilon: float, budget: float, strength: float, seed: int) -> P3Mask:
    """The way to learn masks called `name`. epsilon: of 255. Raises `UsageError`."""
    if name not in METHODS:
        raise UsageError(f"--method {name} says nothing; there are {' and '.join(METHODS)}.")
    return METHODS[name](epochs=epochs, epsilon=epsilon / 255, budget=budget, strength=strength, seed=seed)


def threshold_of(name: str) -> float:
    """A recognizer's threshold on LFW. Raises `UsageError` where nobody knows it."""
    known = zoo.threshold(name)
    if known is None:
        raise UsageError(f"Nobody recorded a threshold for {name}; measure it with `bauta evaluate`, and register it.")
    return known


def chooser(face: str, mask: MaskFile) -> Choose:
    """Which faces get the mask: match (its owner's), largest or all. Raises `UsageError`, `BautaError` where the
    recognizer's weights are others than those that the mask was learned with."""
    if face == "match":
        name = mask.made.recognizer
        recognizer = load(name)
        same_recognizer(mask, recognizer)
        return Owner(recognizer, mask.person, threshold_of(name))
    if face not in ("largest", "all"):
        raise UsageError(f"--face {face} says nothing; there are match, largest and all.")
    return largest if face == "largest" else every
