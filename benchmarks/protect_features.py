"""`bauta protect-features` on a provider's database: speed, memory, SIGKILL, and one live request.

    python benchmarks/protect_features.py [--protection SPEC] [--recognizer NAME] [--cut N] [--rows N]

The database holds features of LFW's faces, the protection learns from others of them. The command runs in a process of
its own, as a provider runs it: on 100 rows and on --rows of them (features a second with reading, checking and writing,
extrapolated to 100,000; peak memory), and on 100 rows again, killed by SIGKILL halfway and run once more, which must
give the same bytes. The rival is a loop that protects one row at a time, in memory, without files: it and batches take
turns in one process. For AdvFace there are three more: batches in bfloat16; the plain loop of research code, float32,
and the gradient taken with `backward` through a network whose weights want theirs too; and this loop through a U-Net,
the network of the paper's attacker, where AdvFace takes a smaller one. Last, a live request: one face through a
Pipeline with the protection from its file, beside the bare recognizer.

How long AdvFace's shadow model learned changes no time here, so it learns for a moment. Needs BAUTA_MIRROR, and Linux.
Threads: set OMP_NUM_THREADS. Exit code 1 when memory grows with the rows or the killed run's file differs; speed is
only reported.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from bauta import zoo
from bauta.cli.protect_features import learn, named
from bauta.faces import load_dataset
from bauta.generators import UNet
from bauta.job import fittedfile
from bauta.job.featuremaking import make_database
from bauta.job.featurestore import open_database
from bauta.pipeline import Pipeline
from bauta.protections import AdvFace, FeatureProtection
from bauta.recognizers import Recognizer, load
from bauta.types import Faces

FEW, PUBLIC, BATCH = 100, 64, 32
TURNS, ALONE = 3, 8  # rounds in which batches and loops take turns, and rows that a loop protects in each
REQUESTS = 20
GROWTH = 0.1  # of the rows that were added, for what an allocator keeps

COMMAND = """
from pathlib import Path
from bauta.cli import main
try:
    main()
finally:
    print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def command(source: Path, out: Path, learned: Path) -> subprocess.Popen[str]:
    """The command in a process of its own, whose last line is its peak memory in KiB (VmHWM, as Linux tells it; a
    ru_maxrss would begin with what this process holds)."""
    words = ["protect-features", source, "-o", out, "--learned", learned, "--batch", BATCH, "--device", "cpu"]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, words)], stdout=subprocess.PIPE, text=True, env=os.environ
    )


def finished(running: subprocess.Popen[str]) -> tuple[float, int]:
    """Rows a second, as the command says, and peak bytes."""
    said, _ = running.communicate()
    if running.returncode:
        sys.exit(f"the command ended with {running.returncode}")
    return float(said.split(" a second")[0].split()[-1]), int(said.split()[-1]) * 1024


def killed(source: Path, out: Path, learned: Path) -> int:
    """Rows that were done when the command was killed, halfway."""
    journal, rows = out.with_name(f".{out.name}.json"), 0
    running = command(source, out, learned)
    while rows < FEW // 3:
        if running.poll() is not None:
            sys.exit("the command was over before it could be killed")
        time.sleep(0.002)
        rows = json.loads(journal.read_bytes())["rows"] if journal.exists() else 0
    running.send_signal(signal.SIGKILL)
    running.communicate()
    return int(json.loads(journal.read_bytes())["rows"])


def plain(protection: AdvFace, features: Tensor, network: nn.Module) -> Tensor:
    """One row by the method as it is written down, nothing spared: only its time counts."""
    assert protection.spread_ is not None
    network, shadow_image = network.requires_grad_(True), None
    noise, memory = torch.zeros_like(features), torch.zeros_like(features)
    for _ in range(protection.steps):
        noise = noise.detach().requires_grad_(True)
        shadow_image = network(features).detach() if shadow_image is None else shadow_image
        (network(features + noise * protection.spread_) - shadow_image).abs().mean().backward()
        assert noise.grad is not None
        memory = protection.momentum * memory + noise.grad / noise.grad.abs().mean()
        step = 2.5 * protection.epsilon / protection.steps
        noise = (noise + step * memory.sign()).clamp(-protection.epsilon, protection.epsilon)
    network.requires_grad_(False).zero_grad()
    return features + noise * protection.spread_


def seconds(act: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def rivals(protection: FeatureProtection, rows: Tensor) -> None:
    """Print the seconds a row in batches and in loops."""
    batch, alone = rows[:BATCH], rows[:ALONE].split(1)  # type: ignore[no-untyped-call]
    acts: dict[str, tuple[Callable[[], object], int]] = {
        f"batches of {BATCH}": (lambda: protection(batch), BATCH),
        "one at a time": (lambda: [protection(row) for row in alone], ALONE),
    }
    if isinstance(protection, AdvFace) and protection.bound == "linf":
        fast = copy.copy(protection)
        fast.precision = "bfloat16"
        (network,) = protection.shadows_
        *_, height, width = protection.learned()["shape_"].tolist()
        unet = UNet(batch.shape[1:], (height, width), width=protection.width).eval()
        acts["batches in bfloat16"] = (lambda: fast(batch), BATCH)
        acts["one at a time, plain"] = (lambda: [plain(protection, row, network) for row in alone], ALONE)
        acts["the same, U-Net"] = (lambda: [plain(protection, row, unet) for row in alone], ALONE)
    took: dict[str, list[float]] = {}
    for _ in range(TURNS):
        for name, (act, of) in acts.items():
            took.setdefault(name, []).append(seconds(act) / of)
    first = next(iter(took.values()))
    for name, times in took.items():
        ratio = statistics.median(t / ours for t, ours in zip(times, first, strict=True))
        print(f"{name:24}{1e3 * statistics.median(times):10.1f} ms a row {ratio:8.2f} times the first")
    together, apart = protection(batch[:ALONE]), torch.cat([protection(row) for row in alone])
    noise = (together - batch[:ALONE]).square().mean().sqrt()
    differ = float((together - apart).square().mean().sqrt() / noise)
    print(f"a row alone or among {ALONE}: differs by {differ:.2g} of the noise (root mean squares)")


def live(recognizer: Recognizer, protection: FeatureProtection, faces: Faces) -> None:
    """Print how long one face takes."""
    for name, pipeline in (("bare", Pipeline(recognizer)), ("protected", Pipeline(recognizer, protection))):
        with torch.no_grad():
            times = sorted(seconds(partial(pipeline.features, faces[i : i + 1])) for i in range(REQUESTS))
        median, worst = statistics.median(times), times[int(0.95 * REQUESTS)]
        print(f"one live request, {name:10}{1e3 * median:9.1f} ms (median of {REQUESTS}), {1e3 * worst:.1f} ms (95 %)")


def main() -> int:
    """Print the table; 1 where a check fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protection", default="AdvFace(shadow_steps=10)")
    parser.add_argument("--recognizer", default="mobilefacenet-casia")
    parser.add_argument("--cut", type=int, default=4)
    parser.add_argument("--rows", type=int, default=1000)
    asked = parser.parse_args()
    if zoo.mirror() is None:
        sys.exit("set BAUTA_MIRROR to a folder that holds LFW and the weights")
    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}")
    recognizer, faces = load(asked.recognizer, cut=asked.cut), load_dataset("lfw", PUBLIC + asked.rows)
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        folder, key = Path(place), Path(place) / "key.safetensors"
        learn(key, named(asked.protection)[0], recognizer, "lfw", PUBLIC, 0)
        protection, peaks = fittedfile.load(key, recognizer), []
        for rows in (FEW, asked.rows):
            source, out = folder / f"{rows}.safetensors", folder / f"{rows}_out.safetensors"
            make_database(faces[PUBLIC : PUBLIC + rows], recognizer, source, lambda *_: None)
            rate, peak = finished(command(source, out, key))
            peaks.append(peak)
            row = open_database(source)
            print(f"{asked.protection}, {rows} rows {row.row}: {rate:.1f} features a second, ", end="")
            print(f"{100_000 / rate / 3600:.2f} hours for 100,000; peak {peak / 2**20:.0f} MiB")
        grown = (peaks[1] - peaks[0]) / max(1, 4 * (asked.rows - FEW) * torch.Size(row.row).numel())
        if grown > GROWTH:
            wrong.append(f"memory grew by {grown:.2f} of the rows that were added")
        done = killed(folder / f"{FEW}.safetensors", folder / "again.safetensors", key)
        finished(command(folder / f"{FEW}.safetensors", folder / "again.safetensors", key))
        same = (folder / "again.safetensors").read_bytes() == (folder / f"{FEW}_out.safetensors").read_bytes()
        print(f"killed after {done} of {FEW} rows and run again: {'the same bytes' if same else 'OTHER BYTES'}")
        if not same:
            wrong.append("a killed job's file differs from that of one that was not")
        rivals(protection, open_database(folder / f"{FEW}.safetensors").read(0, BATCH))
        live(recognizer, protection, faces[PUBLIC:])
    for sentence in wrong:
        print(f"FAILED: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
