"""The page under those who mean it harm: `python -m campaigns.page --seed 0 --minutes 60`.

`bauta serve` runs in a process of its own and is spoken to over a socket: paths that lead out, guesses of the token,
foreign hosts and origins, bombs, slow clients, two hundred uploads at once, HTML in names, its own OpenAPI with what
does not belong there (where schemathesis is installed), and in the end `--minutes` of ordinary use. All the while
somebody else asks for simple things.

Failures are: an answer of 500 or above, one that should have been refused, one without the security headers, a process
that dies, somebody else who waits for more than 10 seconds, memory beyond the bound (all processes of the page
together, by 3 GiB over what they had), and in ordinary use files that stay or memory that grows by more than 48 MiB.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random

from campaigns.openapi import openapi
from campaigns.served import Served, watched
from campaigns.soak import mask_file, soak
from campaigns.visitors import VISITS, Tally

STARVED = 10.0  # seconds
MIB = 1 << 20
BOUND = 3 << 30  # a photo of 60 million pixels, which is taken, is 0.7 GB, and is looked at in several forms
SOAK, OPENAPI = "ordinary use", "OpenAPI"
SHOWN = 5  # failures of a kind


def visited(page: Served, name: str, visit: Callable[[Served, Tally], None]) -> Tally:
    """What came of one kind of visitor, with somebody else beside it."""
    tally, before, began = Tally(name), page.memory(), time.monotonic()
    with watched(page) as other:
        try:
            visit(page, tally)
        except OSError as error:
            tally.failures.append(f"{type(error).__name__}: {error}")
    tally.seconds, tally.others, tally.memory = time.monotonic() - began, other.slowest, max(0, other.memory - before)
    tally.failures += other.wrong
    if other.slowest > STARVED:
        tally.failures.append(f"somebody else waited for {other.slowest:.1f} s")
    if tally.memory > BOUND:
        tally.failures.append(f"memory grew by {tally.memory / MIB:,.0f} MiB, bound {BOUND / MIB:,.0f}")
    if page.process.poll() is not None:
        tally.failures.append(f"the page died with {page.process.returncode}")
    return tally


HEAD = (
    f"{'visitors':<16}{'tries':>7}{'refused':>9}{'answered':>10}{'failures':>10}{'seconds':>9}{'slowest':>9}"
    f"{'others':>8}{'more MiB':>10}"
)


def line(tally: Tally) -> str:
    """A row of the table."""
    if tally.left_out:
        return f"{tally.name:<16}{tally.left_out}"
    return (
        f"{tally.name:<16}{tally.tries:>7}{tally.refused:>9}{tally.answered:>10}{len(tally.failures):>10}"
        f"{tally.seconds:>9.1f}{tally.slowest:>9.2f}{tally.others:>8.2f}{tally.memory / MIB:>10,.0f}"
    )


def campaign(
    names: Sequence[str], scale: float, minutes: float, seed: int, told: Callable[[Tally], None] = lambda _: None
) -> list[Tally]:
    """All kinds of visitors, one after the other, to one page; and how it ends."""
    with tempfile.TemporaryDirectory(prefix="bauta-page-") as folder:
        page = Served(Path(folder))
        key, found = mask_file(Path(folder) / "me.mask"), list[Tally]()
        try:
            for name in names:
                tally = visited(page, name, partial(asked, name, scale, minutes, Random(f"{seed}/{name}"), key))
                found.append(tally)
                told(tally)
                if page.process.poll() is not None:
                    break
        finally:
            wrong = page.close()
        found.append(Tally("the end", 1, failures=wrong))
        told(found[-1])
    return found


def asked(name: str, scale: float, minutes: float, draw: Random, key: bytes, page: Served, tally: Tally) -> None:
    """One kind by its name."""
    if name == SOAK:
        soak(page, key, draw, minutes, tally)
        return
    visit, tries = (openapi, 60) if name == OPENAPI else VISITS[name]
    visit(page, draw, max(1, round(tries * scale)), tally)


def main(words: Sequence[str] | None = None) -> int:
    """The command line; 1 where anything failed."""
    ask = argparse.ArgumentParser(prog="python -m campaigns.page", description=(__doc__ or "").split("\n\n")[0])
    kinds = [*VISITS, OPENAPI, SOAK]
    ask.add_argument("--minutes", type=float, default=1.0, help="of ordinary use")
    ask.add_argument("--scale", type=float, default=1.0, help="of the numbers of tries")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--kind", action="append", choices=kinds, help="only these")
    said = ask.parse_args(words)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for clients that hold many connections
    print(HEAD, flush=True)

    def told(tally: Tally) -> None:
        print(line(tally), flush=True)
        for failure in tally.failures[:SHOWN]:
            print(f"    {failure[:400]}", flush=True)

    found = campaign(said.kind or kinds, said.scale, said.minutes, said.seed, told)
    failures = sum(len(tally.failures) for tally in found)
    print(f"{sum(tally.tries for tally in found)} tries, {failures} failures")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
