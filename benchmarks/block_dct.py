"""How long the block DCT takes, and how much memory, beside the pipeline that enlarges the picture.

    python benchmarks/block_dct.py [--batch 16] [--rounds 7]

Rivals, in the same run: `published` does step by step what the papers' code does (8x bilinear enlargement, colors,
unfold, two 8 x 8 products a block, reordering); `filters` is the quickest that still makes the enlarged picture, its
DCT as a convolution of stride 8 with 64 filters. Rounds are interleaved; times are medians. Peak memory is what the
process holds at worst above its output, in a process of its own (read from /proc, so on Linux alone). What the machine
could do is measured beside it: filling a fresh tensor of the output's size, copying one, and a matrix product.
Much of the time goes
into the output's fresh pages, which the fill shows. Checked: all three agree. Targets: at least 5 times quicker than
`published`, and at most a third of its peak.

Exit code 1 where the results differ or a target is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.ops.dct import block_dct, inverse_block_dct

SIZE = 112
COLORS = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
SHIFT = torch.tensor([0.0, 128.0, 128.0]).view(1, 3, 1, 1)
FASTER, PEAK = 5.0, 1 / 3
# Operations a coefficient: 3.5 along the columns (two products, two sums, an eighth of the rest), an eighth along rows.
OPERATIONS = 4


def cosines() -> Tensor:
    """(8, 8): orthonormal DCT-II, frequency by sample."""
    k = torch.arange(8.0)
    waves = torch.cos(math.pi * k[:, None] * (2 * k + 1) / 16) / 2
    waves[0] /= math.sqrt(2)
    return waves


def enlarged(images: Tensor) -> Tensor:
    """(B, 3, 8 H, 8 W) YCbCr in -128..127."""
    large = 255 * F.interpolate(images, scale_factor=8, mode="bilinear", align_corners=True)
    return (COLORS @ large.flatten(2)).view_as(large) + (SHIFT - 128)


def published(images: Tensor) -> Tensor:
    """As the papers' code has it."""
    batch, _, height, width = images.shape
    planes = enlarged(images).view(batch * 3, 1, 8 * height, 8 * width)
    blocks = F.unfold(planes, kernel_size=8, stride=8).transpose(1, 2).reshape(batch, 3, -1, 8, 8)
    frequencies = cosines() @ blocks @ cosines().T
    return frequencies.view(batch, 3, height, width, 64).permute(0, 1, 4, 2, 3).reshape(batch, 192, height, width)


def filters(images: Tensor) -> Tensor:
    """The enlarged picture, filtered."""
    waves = torch.einsum("us,vt->uvst", cosines(), cosines()).reshape(64, 1, 8, 8)
    return F.conv2d(enlarged(images).flatten(0, 1)[:, None], waves, stride=8).view(len(images), 192, *images.shape[2:])


FORWARD: dict[str, Callable[[Tensor], Tensor]] = {"block_dct": block_dct, "filters": filters, "published": published}


def pictures(batch: int) -> Tensor:
    """Random ones: nothing here depends on what they show."""
    return torch.rand(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def resident(field: str) -> int:
    """Bytes that this process holds now (VmRSS) or held at worst (VmHWM)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def measure_peak(name: str, batch: int) -> None:
    """Print the bytes above the output at worst; for a process of its own."""
    with torch.no_grad():
        FORWARD[name](pictures(1))  # libraries, threads and tables are there
        images = pictures(batch)
        Path("/proc/self/clear_refs").write_text("5")  # the worst starts anew
        before = resident("VmRSS")
        output = FORWARD[name](images)
        print(json.dumps(resident("VmHWM") - before - output.numel() * output.element_size()))


def peak(name: str, batch: int) -> int:
    """`measure_peak` in a process of its own."""
    command = [sys.executable, __file__, "--peak", name, "--batch", str(batch)]
    return int(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def seconds(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median of each task's interleaved rounds, after one that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for n in range(rounds + 1):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            if n:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> int:
    """Print the tables; 1 where results differ or a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak", choices=FORWARD, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        measure_peak(options.peak, options.batch)
        return 0

    images = pictures(options.batch)
    maps = block_dct(images)
    wrong = [
        f"{name} differs" for name, f in FORWARD.items() if (f(images) - maps).abs().max() > 1e-5 * maps.abs().max()
    ]
    gradient, wanting = torch.ones_like(maps), images.clone().requires_grad_()
    made, square = block_dct(wanting), torch.rand(1024, 1024)
    size, flop = maps.numel() * maps.element_size(), maps.numel() * OPERATIONS
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}; batch {options.batch}")
    print(f"output {size / 1e6:.0f} MB, {flop / 1e9:.2f} GFLOP")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        tasks: dict[str, Callable[[], object]] = {name: lambda f=f: f(images) for name, f in FORWARD.items()}  # type: ignore[misc]
        tasks["inverse"] = lambda: inverse_block_dct(maps)
        tasks["gradient"] = lambda: torch.autograd.grad(made, wanting, gradient, retain_graph=True)
        tasks["fill a fresh tensor"] = lambda: torch.full_like(maps, 1.0)
        tasks["copy to a fresh tensor"] = maps.clone
        tasks["copy, no fresh memory"] = lambda: gradient.copy_(maps)
        tasks["1024 x 1024 product"] = lambda: square @ square
        with torch.no_grad():
            forward = dict(list(tasks.items()))
            gradients = {"gradient": forward.pop("gradient")}
            taken = seconds(forward, options.rounds)
        taken |= seconds(gradients, options.rounds)
        print(f"\n{threads} thread{'s' * (threads > 1)}{'':12}      ms   ms a picture")
        for name, value in taken.items():
            print(f"{name:24}{1e3 * value:8.1f}{1e3 * value / options.batch:15.2f}")
        ours, copy = taken["block_dct"], taken["copy, no fresh memory"]
        print(
            f"block_dct is {taken['published'] / ours:.1f} times quicker than published, "
            f"{taken['filters'] / ours:.1f} times than filters; "
            f"writes {size / ours / 1e9:.2f} GB/s, a fill {size / taken['fill a fresh tensor'] / 1e9:.2f}, "
            f"a copy reads and writes {2 * size / copy / 1e9:.1f}; "
            f"{flop / ours / 1e9:.1f} GFLOP/s, a product {2 * 1024**3 / taken['1024 x 1024 product'] / 1e9:.0f}"
        )
        if taken["published"] < FASTER * ours:
            wrong.append(f"with {threads} threads only {taken['published'] / ours:.1f} times quicker than published")

    if Path("/proc/self/clear_refs").exists():
        above = {name: peak(name, options.batch) for name in FORWARD}
        print("\npeak above the output, MB: " + ", ".join(f"{name} {value / 1e6:.0f}" for name, value in above.items()))
        print(f"block_dct / published = {above['block_dct'] / above['published']:.2f}")
        if above["block_dct"] > PEAK * above["published"]:
            wrong.append("its peak is more than a third of the published pipeline's")
    for sentence in wrong:
        print(f"FAILED: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
