"""Would a test see it? `python -m campaigns.mutants --most 60 --seed 0`.

Small errors are put, one at a time, into the parts whose silent error would fake privacy: the metrics, the pipeline and
the attackers' `Victim` (`--file` takes some of them). Each time the tests of that file run, in a copy of the tree. An
error is *killed* where a test fails, *endless* where the tests take five times as long as without it, and *survives*
where nobody sees it: then a test is missing, or the error makes no difference.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from campaigns.mutation import Mutant, mutants

TARGETS: dict[str, tuple[str, ...]] = {
    "bauta/pipeline.py": ("tests/test_pipeline.py",),
    "bauta/attacks/base.py": ("tests/attacks/test_attacks_base.py",),
    "bauta/metrics/base.py": ("tests/metrics/test_metrics_base.py",),
    "bauta/metrics/draws.py": ("tests/metrics/test_draws.py",),
    "bauta/metrics/verification.py": ("tests/metrics/test_verification.py",),
    "bauta/metrics/attribute.py": ("tests/metrics/test_metrics_attribute.py",),
    "bauta/metrics/image.py": ("tests/metrics/test_metrics_image.py",),
    "bauta/metrics/diversity.py": ("tests/metrics/test_diversity.py",),
    "bauta/metrics/kernel_distance.py": ("tests/metrics/test_kernel_distance.py",),
    "bauta/metrics/privacy_score.py": ("tests/metrics/test_privacy_score.py",),
}
"""A file, and the tests that mirror it."""
COPIED = ("bauta", "tests", "campaigns", "pyproject.toml", "README.md")
LOADED = ("numpy", "scipy.stats", "sklearn.metrics", "torch", "torch.nn.functional", "pytest", "_pytest.assertion")
SLACK = 20.0  # seconds beyond five times what the tests take
LONGER = 5
KILLED, SURVIVED, ENDLESS = "killed", "survived", "endless"


@dataclass
class Tally:
    """What became of the errors in one file. seconds: what its tests take without one."""

    file: str
    there: int = 0
    seconds: float = 0.0
    ends: dict[str, int] = field(default_factory=lambda: dict.fromkeys((KILLED, SURVIVED, ENDLESS), 0))
    survivors: list[Mutant] = field(default_factory=list)


def tested(place: Path, tests: Sequence[str], most: float | None) -> str:
    """How the tests in a copy of the tree end: a process forks from this one, which has torch loaded already."""
    child = os.fork()
    if not child:
        code = 1
        try:
            code = _run(place, tests)
        finally:
            os._exit(code)
    end = None if most is None else time.monotonic() + most
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return SURVIVED if os.waitstatus_to_exitcode(status) == 0 else KILLED
        if end is not None and time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return ENDLESS
        time.sleep(0.02)


def _run(place: Path, tests: Sequence[str]) -> int:
    os.chdir(place)
    os.environ["PYTHONPATH"] = str(place)  # of what the tests start themselves
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # which take longer to load than many of the tests run
    sys.path[:] = [str(place), *(path for path in sys.path if path and Path(path) != Path(__file__).parents[1])]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("bauta", "campaigns", "tests")]:
        del sys.modules[name]
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    import pytest

    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))


def tried(file: str, tests: Sequence[str], place: Path, most: int, draw: Random) -> Tally:
    """The errors of one file, at most so many, drawn evenly."""
    target = place / file
    source = target.read_text()
    every = mutants(source)
    tally = Tally(file, len(every))
    began = time.monotonic()
    if tested(place, tests, None) != SURVIVED:
        raise RuntimeError(f"{' '.join(tests)} fail without any error; repair them first.")
    tally.seconds = time.monotonic() - began
    for mutant in sorted(draw.sample(every, min(most, len(every))), key=lambda one: one.line):
        target.write_text(mutant.source)
        for old in (target.parent / "__pycache__").glob(f"{target.stem}.*"):
            old.unlink()  # which is told from a new one by size and second alone
        end = tested(place, tests, LONGER * tally.seconds + SLACK)
        tally.ends[end] += 1
        if end == SURVIVED:
            tally.survivors.append(mutant)
    target.write_text(source)
    return tally


def campaign(files: Sequence[str], most: int, seed: int, told: Callable[[Tally], None] = lambda _: None) -> list[Tally]:
    """All files, one after the other, in one copy of the tree."""
    for name in LOADED:
        importlib.import_module(name)
    found, here = [], Path(__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="bauta-mutants-") as folder:
        for name in COPIED:
            if (here / name).is_dir():
                shutil.copytree(here / name, Path(folder) / name)
            else:
                shutil.copy(here / name, Path(folder) / name)
        for file in files:
            found.append(tried(file, TARGETS[file], Path(folder), most, Random(f"{seed}/{file}")))
            told(found[-1])
    return found


HEAD = f"{'file':<34}{'possible':>9}{'tried':>7}{'killed':>8}{'survived':>10}{'endless':>9}{'seconds a run':>15}"


def line(tally: Tally) -> str:
    """A row of the table."""
    tried = sum(tally.ends.values())
    return (
        f"{tally.file:<34}{tally.there:>9}{tried:>7}{tally.ends[KILLED]:>8}{tally.ends[SURVIVED]:>10}"
        f"{tally.ends[ENDLESS]:>9}{tally.seconds:>15.1f}"
    )


def main(words: Sequence[str] | None = None) -> int:
    """The command line. 0 whatever survives: not every error makes a difference, and somebody has to look."""
    ask = argparse.ArgumentParser(prog="python -m campaigns.mutants", description=(__doc__ or "").split("\n\n")[0])
    ask.add_argument("--file", action="append", choices=list(TARGETS))
    ask.add_argument("--most", type=int, default=60, help="errors of a file that are tried")
    ask.add_argument("--seed", type=int, default=0)
    said = ask.parse_args(words)
    print(HEAD, flush=True)

    def told(tally: Tally) -> None:
        print(line(tally), flush=True)
        for mutant in tally.survivors:
            print(f"    {tally.file}:{mutant.line} {mutant.what}", flush=True)

    campaign(said.file or list(TARGETS), said.most, said.seed, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
