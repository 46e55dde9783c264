"""Killing anywhere: `python -m campaigns.kills --kills 200 --seed 0`.

Each job is a command as people give it, on people who do not exist and networks that come with bauta. It is run once
undisturbed. Then it is started, killed by SIGKILL at a moment drawn evenly from the time that it takes, started again
as somebody would who goes on, killed again or not, until it ends by itself; and so on until there were so many kills.
After every kill no file with an ordinary name may be half, and at every end the outputs must be those of the
undisturbed run, byte for byte, but for how long things took.

`--job NAME` (repeated) takes some of the jobs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from campaigns.jobs import JOBS, Job

END = 600.0  # seconds that a command gets at most
AGAIN = 0.5  # the chance that a command that goes on is killed again


@dataclass
class Tally:
    """What happened to one job. half: files that were half after a kill. different: ends with other outputs."""

    whole: float = 0.0
    kills: int = 0
    ends: int = 0
    half: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failures(self) -> list[str]:
        """All that went wrong."""
        return self.half + self.different


def run(words: Sequence[str], home: Path, *, killed_after: float | None = None) -> int | None:
    """The command's exit code, or None where it was killed. Raises `RuntimeError` where it takes for ever."""
    here = Path(__file__).parents[1]
    given = {**os.environ, "BAUTA_HOME": str(home), "BAUTA_MIRROR": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(here)}
    with subprocess.Popen(words, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, said = process.communicate(timeout=END if killed_after is None else killed_after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if killed_after is None:
                raise RuntimeError(f"{' '.join(words)} did not end in {END:.0f} seconds") from None
            return None
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}: {said[-2000:]}")
    return process.returncode


def campaign(
    jobs: Mapping[str, Callable[[], Job]], kills: int, seed: int, told: Callable[[str, Tally], None] = lambda *_: None
) -> dict[str, Tally]:
    """At least `kills` kills, divided evenly among the jobs."""
    found = {}
    for place, (name, make) in enumerate(jobs.items()):
        share = kills // len(jobs) + (place < kills % len(jobs))
        with tempfile.TemporaryDirectory(prefix="bauta-kills-") as folder:
            found[name] = torture(make(), Path(folder), share, Random(f"{seed}:{name}"))
        told(name, found[name])
    return found


def torture(job: Job, place: Path, kills: int, draw: Random) -> Tally:
    """One job, killed so many times at least."""
    tally, began = Tally(), time.monotonic()
    given = place / "given"
    given.mkdir()
    job.prepare(given)
    job.before(None, place / "whole")
    start = time.monotonic()
    run(job.command(given, place / "whole"), place / "home")
    tally.whole = time.monotonic() - start
    expected = job.outputs(place / "whole")
    if not expected:
        raise RuntimeError(f"{type(job).__name__} left nothing that could be compared")
    while tally.kills < kills:
        out, home = place / "out", place / "again"
        job.before(place / "whole", out)
        go_on = True
        while go_on:
            wanted = tally.kills < kills and (not tally.kills or draw.random() < AGAIN or not out.exists())
            code = run(job.command(given, out), home, killed_after=draw.uniform(0, tally.whole) if wanted else None)
            if code is None:
                tally.kills += 1
                tally.half += [f"after kill {tally.kills}: {name}" for name in job.half(out)]
            go_on = code is None and not job.finished(out)
        tally.ends += 1
        if (came := job.outputs(out)) != expected:
            names = sorted(name for name in {*came, *expected} if came.get(name) != expected.get(name))
            tally.different.append(f"end {tally.ends}, after kill {tally.kills}: {', '.join(names)}")
        for folder in (out, home):
            shutil.rmtree(folder, ignore_errors=True)
    tally.seconds = time.monotonic() - began
    return tally


HEAD = f"{'job':<18}{'kills':>7}{'ends':>7}{'half files':>12}{'other ends':>12}{'seconds whole':>15}{'seconds':>9}"


def line(name: str, tally: Tally) -> str:
    """A row of the table."""
    return (
        f"{name:<18}{tally.kills:>7}{tally.ends:>7}{len(tally.half):>12}{len(tally.different):>12}"
        f"{tally.whole:>15.1f}{tally.seconds:>9.1f}"
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign, print its table and what failed; 1 where something did."""
    parser = argparse.ArgumentParser(description="Kill commands anywhere, go on, and compare what comes out.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--job", action="append", choices=list(JOBS))
    said = parser.parse_args(words)
    jobs = {name: JOBS[name] for name in said.job or JOBS}
    print(HEAD, flush=True)
    found = campaign(jobs, said.kills, said.seed, lambda name, tally: print(line(name, tally), flush=True))
    failures = {name: tally.failures for name, tally in found.items() if tally.failures}
    total = sum(tally.kills for tally in found.values())
    print(f"{total} kills, {sum(map(len, failures.values()))} failures")
    if failures:
        print(json.dumps(failures, indent=1))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
