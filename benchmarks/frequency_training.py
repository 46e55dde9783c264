"""A training step over block-DCT maps, with freed memory kept for the next tensors and given back to the system.

    python benchmarks/frequency_training.py [pictures in a batch] [rounds]

Two processes in turn, round after round, so that what else runs on the machine meets both; medians over the rounds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

NETWORKS = ("frequency_compact", "frequency_small", "compact_residual")


def steps(batch: int) -> None:
    """Milliseconds of a picture for each network, one a line."""
    import torch

    from bauta.memory import freed_memory_kept
    from bauta.recognizers.trainable import new

    torch.set_num_threads(1)
    images = torch.rand(batch, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    with freed_memory_kept():
        for name in NETWORKS:
            network = new(name, {}).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
            taken = []
            for _ in range(4):
                begun = time.perf_counter()
                network.embed(images).sum().backward()
                taken.append(time.perf_counter() - begun)
            print(name, 1000 * min(taken[1:]) / batch)


def measured(batch: int, *, kept: bool) -> dict[str, float]:
    """In a process of its own. MALLOC_MMAP_MAX_ at glibc's own value keeps bauta's hands off it."""
    given = os.environ if kept else {**os.environ, "MALLOC_MMAP_MAX_": "65536"}
    run = [sys.executable, __file__, "--steps", str(batch)]
    lines = subprocess.run(run, env=given, check=True, capture_output=True, text=True).stdout.splitlines()
    return {name: float(value) for name, value in map(str.split, lines)}


def main() -> None:
    if sys.argv[1:2] == ["--steps"]:
        steps(int(sys.argv[2]))
        return
    given = [int(word) for word in sys.argv[1:]]
    batch, rounds = given + [64, 3][len(given) :]
    found = [(measured(batch, kept=False), measured(batch, kept=True)) for _ in range(rounds)]
    print(f"ms a picture, batches of {batch}, one thread, {rounds} rounds: given back, kept, ratio")
    for name in NETWORKS:
        back, kept = (statistics.median(pair[i][name] for pair in found) for i in (0, 1))
        ratio = statistics.median(pair[0][name] / pair[1][name] for pair in found)
        print(f"{name:20} {back:7.1f} {kept:7.1f} {ratio:5.2f}x")


if __name__ == "__main__":
    main()
