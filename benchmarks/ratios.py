"""Is anything slower than it was? Ratios to rivals and limits of the same run, compared with those that were kept.

    python -m benchmarks.ratios [--rounds 7] [--scale 1] [--only TEXT]     # compare: make bench
    python -m benchmarks.ratios --keep                                     # measure and keep: make bench-keep

A ratio says how many times longer the rival takes, or which share of a limit is reached: more is better. Seconds of a
machine tell nothing of another one, and little of the same one tomorrow; a ratio of two pieces of work that took turns
on one thread does, and it is of processor seconds, which others on the machine do not lengthen. A case is worse where
its ratio is more than 15 % below what was kept, and again so when it is measured once more.

Kept: `ratios.json` beside this file, and the table in `docs/benchmarks.md` that is made of it. Where the machine is of
another shape (processor, cores) than the one on which they were kept, the ratios are shown and nothing fails. Exit code
1 where something is worse, or was kept and is not measured any more.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cases import SEED, Case, cases

ROOT = Path(__file__).resolve().parents[1]
KEPT, PAGE = Path(__file__).with_name("ratios.json"), ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- made of benchmarks/ratios.json -->", "<!-- until here -->"
WORSE = 0.15
ROUNDS, SCALE, DRAWS = 7, 1, 2000
LEAST = 0.02  # processor seconds of a turn; shorter work is done several times in it


@dataclass(frozen=True)
class Ratio:
    """ratio: the median over n rounds of their seconds by ours; low, high: its 95 % interval, from drawing rounds.
    ours, theirs: medians of processor seconds."""

    name: str
    against: str
    kind: str
    n: int
    ratio: float
    low: float
    high: float
    ours: float
    theirs: float

    @property
    def key(self) -> str:
        """What it is a ratio of."""
        return f"{self.name} / {self.against}"


def processor_seconds(work: Callable[[], object], times: int) -> float:
    """Of one of so many turns."""
    begun = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - begun) / times


def turns(work: Callable[[], object]) -> int:
    """How often a piece of work is to be done so that its seconds can be told; it is warm after that."""
    work()
    return max(1, round(LEAST / max(1e-6, processor_seconds(work, 1))))


def measured(case: Case, rounds: int) -> Ratio:
    """A case, in rounds of ours and theirs by turns."""
    times = turns(case.ours), turns(case.theirs)
    ours, theirs = [], []
    for number in range(rounds):
        for which in (0, 1) if number % 2 else (1, 0):  # none is always the first
            work, found = ((case.ours, ours), (case.theirs, theirs))[which]
            found.append(processor_seconds(work, times[which]))
    theirs = [seconds / case.share for seconds in theirs]
    ratios = np.array(theirs) / np.array(ours)
    drawn = np.random.default_rng(SEED).integers(0, rounds, (DRAWS, rounds))
    low, high = np.percentile(np.median(ratios[drawn], axis=1), [2.5, 97.5])
    medians = statistics.median(ours), statistics.median(theirs)
    return Ratio(case.name, case.against, case.kind, rounds, *map(float, (np.median(ratios), low, high)), *medians)


def machine() -> dict[str, Any]:
    """The shape of this machine."""
    return {"processor": platform.machine(), "model": model(), "cores": os.cpu_count(), "threads": 1}


def model() -> str:
    """What the processor is called, where Linux tells it."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def document(found: Sequence[Ratio], rounds: int, scale: int) -> dict[str, Any]:
    """What is kept."""
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    about = {"measured": date.today().isoformat(), "seed": SEED, "rounds": rounds, "scale": scale}
    return {**about, "machine": machine(), "versions": versions, "ratios": [asdict(one) for one in found]}


def read(kept: dict[str, Any]) -> dict[str, Ratio]:
    """The ratios of a document, by what they are of."""
    return {one.key: one for one in (Ratio(**facts) for facts in kept["ratios"])}


def worse(now: Ratio, before: Ratio) -> bool:
    """Whether it is more than `WORSE` below what it was."""
    return now.ratio < (1 - WORSE) * before.ratio


def compared(
    found: Sequence[Ratio], kept: dict[str, Ratio], again: Callable[[str], Ratio], whole: bool = True
) -> list[str]:
    """Sentences about what is worse, and worse again when it is measured a second time. whole: whether what was kept
    and is not there is one of them."""
    said = []
    for now in found:
        before = kept.get(now.key)
        if before is None or not worse(now, before):
            continue
        second = again(now.key)
        if worse(second, before):
            said.append(f"{now.key}: {now.ratio:.2f} and again {second.ratio:.2f}, but {before.ratio:.2f} was kept.")
    absent = kept.keys() - {now.key for now in found} if whole else ()
    return [*said, *(f"{key} was kept and is not measured any more; keep anew." for key in sorted(absent))]


def table(kept: dict[str, Any]) -> str:
    """What was kept, in Markdown."""
    shape, versions = kept["machine"], kept["versions"]
    lines = [
        f"Measured {kept['measured']}: {shape['model'] or shape['processor']} ({shape['processor']}), "
        f"{shape['cores']} cores, {shape['threads']} thread; torch {versions['torch']}, Python {versions['python']}; "
        f"seed {kept['seed']}, n = {kept['rounds']} rounds, scale {kept['scale']}.",
        "",
        "| what | against | kind | n | ratio | 95 % interval | ms | theirs, ms |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for one in read(kept).values():
        numbers = f"{one.ratio:.2f} | {one.low:.2f} to {one.high:.2f} | {1e3 * one.ours:.1f} | {1e3 * one.theirs:.1f}"
        lines.append(f"| {one.name} | {one.against} | {one.kind} | {one.n} | {numbers} |")
    return "\n".join(lines)


def paged(page: str, kept: dict[str, Any]) -> str:
    """A page with the table in its place."""
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n\n{table(kept)}\n\n{END}{rest.partition(END)[2]}"


def line(now: Ratio, before: Ratio | None) -> str:
    """A ratio on the terminal, beside the one that was kept."""
    was = f"{before.ratio:9.2f}" if before else f"{'new':>9}"
    return f"{now.name:22}{now.against:38}{now.kind:6}{now.ratio:9.2f} [{now.low:.2f}, {now.high:.2f}]{was}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=ROUNDS)
    ask.add_argument("--scale", type=int, default=SCALE, help="how many times the smallest work")
    ask.add_argument("--only", default="", help="cases whose names hold this")
    ask.add_argument("--keep", action="store_true", help="keep what is measured, and write the page's table")
    asked = ask.parse_args(arguments)
    if asked.keep and asked.only:
        ask.error("--keep measures all cases; leave --only out.")
    torch.set_num_threads(1)
    before = json.loads(KEPT.read_text()) if KEPT.exists() else {"ratios": [], "machine": machine()}
    kept, found = read(before), []
    print(f"{'what':22}{'against':38}{'kind':6}{'ratio':>9}  interval        kept", flush=True)
    for case in cases(asked.scale):
        if asked.only in f"{case.name} / {case.against}":
            found.append(measured(case, asked.rounds))
            print(line(found[-1], kept.get(found[-1].key)), flush=True)
    if asked.keep:
        now = document(found, asked.rounds, asked.scale)
        KEPT.write_text(json.dumps(now, indent=1) + "\n")
        PAGE.write_text(paged(PAGE.read_text(), now))
        return 0
    if before["machine"] != machine():
        print(f"Kept on another machine ({before['machine']}), so nothing is compared; make bench-keep keeps these.")
        return 0

    def again(key: str) -> Ratio:
        return measured(next(c for c in cases(asked.scale) if f"{c.name} / {c.against}" == key), asked.rounds)

    said = compared(found, kept, again, whole=not asked.only)
    for sentence in said:
        print(f"WORSE: {sentence}")
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
