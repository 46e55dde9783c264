"""PMT's speed and memory, each beside its rival in the same run.

    python benchmarks/pmt.py [--quick]

Speed, in images x steps a second, without augmentation and early stopping so that all do the same steps:

* at the shallow cut (5 layers) against the plain loop of research code: one picture at a time, the whole network run,
  the features taken at the cut, batch norm as it was trained, the original's features computed again at each step;
* at the network's default, deep cut against a plain batched loop of the client's layers: batch norm as it was trained,
  torch's PReLU, the original's features computed again at each step.

The rivals have frozen weights and ask for the picture's gradient alone, which is the quickest that plain code does.
Repetitions are interleaved and their median counts. The same run checks that both ways end at the same authorized
cosine. Memory: the peak of a folder job over 100 and over 1,000 pictures, each in a process of its own.

Real weights and faces where BAUTA_MIRROR is set, else random weights of the same architecture and made pictures.
Threads: set OMP_NUM_THREADS. Exit code 1 when the two ways disagree or memory grows; speed is only reported.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta import zoo
from bauta.faces import load_pairs
from bauta.faces.images import write_image
from bauta.job import ProtectJob
from bauta.ops.noise import generators
from bauta.protections import PMT
from bauta.protections.images.pmt import noise_start
from bauta.recognizers import Recognizer, build, load
from bauta.types import Faces

NETWORK = "mobilefacenet-casia"
SHALLOW = 5
SEED, STEP_SIZE = 1, 0.1
GROWTH = 1.05  # the larger folder's peak may be this much of the smaller one's: allocators are not exact

Features = Callable[[Tensor], Tensor]
Rival = Callable[[Recognizer, Faces, int], Tensor]


@dataclass(frozen=True)
class Size:
    """How much is measured. single, batch: (pictures, steps) of each repetition; ends: of the check of equality."""

    repetitions: int
    single: tuple[int, int]
    batch: tuple[int, int]
    ends: tuple[int, int]
    folders: tuple[int, int]


FULL = Size(repetitions=7, single=(16, 20), batch=(32, 10), ends=(8, 80), folders=(100, 1000))
QUICK = Size(repetitions=3, single=(8, 10), batch=(16, 6), ends=(2, 60), folders=(40, 120))


def subject() -> Recognizer:
    """The network, with its published weights where they are."""
    if os.environ.get("BAUTA_MIRROR"):
        return load(NETWORK)
    torch.manual_seed(0)
    return build(zoo.weights(NETWORK)).frozen()


def people(count: int) -> Faces:
    """So many faces; smooth pictures where there are none."""
    if os.environ.get("BAUTA_MIRROR"):
        return load_pairs("lfw", max(20, 2 * count)).faces[:count]
    coarse = torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    return Faces(F.interpolate(coarse, (112, 112), mode="bicubic").clamp(0, 1))


def pmt(recognizer: Recognizer, steps: int) -> PMT:
    """bauta's, doing what the plain loops do."""
    settings = PMT(steps=steps, augment="none", target_cosine=None, step_size=STEP_SIZE, seed=SEED)
    return settings.fit(None, recognizer)


def plain(features: Features, faces: Faces, steps: int) -> Tensor:
    """The plain loop on one batch: Adam on smoothed gradients of the relative distance, through 8-bit pictures."""
    original = faces.images
    x = noise_start(original, generators(SEED, faces.digests(), "start"))
    place = torch.tensor([-1.0, 0.0, 1.0])
    line = torch.exp(-1.5 * place**2)
    kernel = (line[:, None] * line / line.sum() ** 2).expand(3, 1, 3, 3)
    mean, square = torch.zeros_like(x), torch.zeros_like(x)
    for step in range(1, steps + 1):
        x.requires_grad_(True)
        seen = x + ((x * 255).round() / 255 - x).detach()
        with torch.no_grad():
            goal = features(original).flatten(1)
        found = features(seen).flatten(1)
        loss = ((found - goal).square().sum(1) / goal.square().sum(1)).sum()
        (gradient,) = torch.autograd.grad(loss, x)
        with torch.no_grad():
            gradient = F.conv2d(gradient, kernel, padding=1, groups=3)
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            rate = STEP_SIZE * (0.55 + 0.45 * math.cos(math.pi * (step - 1) / steps))
            direction = (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-12)
            x = (x - rate * direction).clamp(0, 1)
    return (x * 255).round() / 255


def one_by_one(recognizer: Recognizer, faces: Faces, steps: int) -> Tensor:
    """Research code: each picture alone, through the whole network, its features taken at the cut on the way."""
    whole = recognizer.at_cut(len(recognizer.layers))

    def features(images: Tensor) -> Tensor:
        return whole.feature_maps(images)[recognizer.cut - 1]

    return torch.cat([plain(features, faces[[row]], steps) for row in range(len(faces))])


def batched(recognizer: Recognizer, faces: Faces, steps: int) -> Tensor:
    """All pictures together, through the client's layers alone."""
    return plain(recognizer.features, faces, steps)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def speed(name: str, target: float, size: Size, rival: Rival, recognizer: Recognizer) -> None:
    """Print ours, the rival's and their ratio."""
    count, steps = size.single if rival is one_by_one else size.batch
    faces = people(count)
    protection = pmt(recognizer, steps)
    pmt(recognizer, 1)(faces.images[:1], faces[[0]])  # warm
    rival(recognizer, faces[[0]], 1)
    ours, theirs = [], []
    for _ in range(size.repetitions):
        ours.append(seconds(lambda: protection(faces.images, faces)))
        theirs.append(seconds(lambda: rival(recognizer, faces, steps)))
    ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
    ratio = statistics.median(ratios)
    done = count * steps
    print(f"{name}: {count} pictures x {steps} steps, {size.repetitions} interleaved repetitions")
    print(f"  bauta {done / statistics.median(ours):9.1f} images x steps / s")
    print(f"  plain {done / statistics.median(theirs):9.1f} images x steps / s")
    verdict = "met" if ratio >= target else "NOT met"
    print(f"  ratio {ratio:.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f}); target {target:g} times: {verdict}")


def same_end(name: str, size: Size, rival: Rival, recognizer: Recognizer) -> bool:
    """Print how far apart the two ways' final authorized cosines are."""
    count, steps = size.ends
    faces = people(count)
    pictures = pmt(recognizer, steps)(faces.images, faces), rival(recognizer, faces, steps)
    with torch.no_grad():
        truth = recognizer.embed(faces.images)
        ours, theirs = ((recognizer.embed(x) * truth).sum(1) for x in pictures)
    apart = float((ours - theirs).abs().max())
    verdict = "within 0.01" if apart <= 0.01 else "NOT within 0.01"
    print(
        f"{name}: authorized cosine after {steps} steps, mean of {count}: bauta {float(ours.mean()):.4f}, "
        f"plain {float(theirs.mean()):.4f}; at most {apart:.4f} apart: {verdict}"
    )
    return apart <= 0.01


def peak() -> float:
    """This process's peak memory in MB. Not from getrusage on Linux: there a child starts with its parent's peak."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [x for x in status.read_text().splitlines() if x.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20 if sys.platform == "darwin" else used / 1024


def folder_job(folder: Path) -> None:
    """Protect the aligned faces in `folder`, a few steps each, and print the peak."""
    protection = PMT(steps=2).fit(None, subject().at_cut(SHALLOW))
    job = ProtectJob(folder / "in", folder / "out", folder / "private", protection, {"benchmark": True})
    result = job.run(seed=SEED)
    if result.failed:
        raise SystemExit(f"the job failed: {result.failed}")
    print(len(result.written), peak())


def memory(size: Size) -> bool:
    """Print the peaks of a small and a large folder."""
    peaks = []
    for count in size.folders:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            g = torch.Generator().manual_seed(0)
            for i in range(count):
                write_image(folder / "in" / f"{i:04d}.png", torch.rand(3, 112, 112, generator=g))
            child = [sys.executable, __file__, "--folder", name]
            printed = subprocess.run(child, check=True, capture_output=True, text=True).stdout
        written, most = printed.split()[-2:]
        if int(written) != count:
            raise SystemExit(f"the job wrote {written} of {count} pictures")
        peaks.append(float(most))
    flat = peaks[1] <= GROWTH * peaks[0]
    print(
        f"Peak memory of a folder job: {peaks[0]:.0f} MB for {size.folders[0]} pictures, {peaks[1]:.0f} MB for "
        f"{size.folders[1]}: {'flat' if flat else 'NOT flat'}"
    )
    return flat


def main() -> int:
    parser = argparse.ArgumentParser(description="PMT's speed and memory, each beside its rival.")
    parser.add_argument("--quick", action="store_true", help="a smaller run, with wider spread")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # the process whose memory is measured
    options = parser.parse_args()
    if options.folder is not None:
        folder_job(options.folder)
        return 0
    size = QUICK if options.quick else FULL
    recognizer = subject()
    real = "real weights, LFW faces" if os.environ.get("BAUTA_MIRROR") else "RANDOM weights and made pictures"
    deep, shallow = recognizer, recognizer.at_cut(SHALLOW)
    print(
        f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )
    print(f"{NETWORK}, {len(recognizer.layers)} layers: {real}{', quick run' if options.quick else ''}")
    speed(f"Shallow cut {shallow.cut}, against one picture at a time", 4, size, one_by_one, shallow)
    speed(f"Deep cut {deep.cut}, against a plain batched loop", 2, size, batched, deep)
    good = [
        same_end(f"Shallow cut {shallow.cut}", size, one_by_one, shallow),
        same_end(f"Deep cut {deep.cut}", size, batched, deep),
        memory(size),
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
