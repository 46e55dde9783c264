"""Bad input by the thousand: `python -m campaigns.fuzz --tries 10000 --seed 0`.

Every try makes a damaged file or request out of a small valid one, or one that was never valid, and hands it to the
very function that bauta reads such files with, in a worker process. All that may come out is a result or a
`BautaError` with one sentence. Failures are: any other exception, a process that dies, more than 10 seconds of
processor time, three minutes in which it gets none, more memory than the kind's bound (1 GiB; 4 GiB for pictures), and
code run out of a file.

`--again KIND:NUMBER` repeats one try of the same seed here, with the whole trace.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from campaigns import arena, models, pages, pictures, priors, records, sets, texts, weights
from campaigns.arena import MIB, Kind, Outcome

PICTURES = 0.5  # the share of the tries that pictures get, of all formats together


def every() -> list[Kind]:
    """All kinds."""
    return [k for part in (pictures, weights, models, priors, records, sets, texts, pages) for k in part.kinds()]


def shares(kinds: Sequence[Kind], tries: int) -> dict[str, int]:
    """How many tries each kind gets; at least one."""
    seen = [kind for kind in kinds if isinstance(kind, pictures.Pictures)]
    both = 0 < len(seen) < len(kinds)
    share = {True: PICTURES / len(seen), False: (1 - PICTURES) / (len(kinds) - len(seen))} if both else {}
    return {kind.name: max(1, round(tries * share.get(kind in seen, 1 / len(kinds)))) for kind in kinds}


def campaign(
    kinds: Sequence[Kind], tries: int, seed: int, told: Callable[[Kind, list[Outcome]], None] = lambda *_: None
) -> dict[str, list[Outcome]]:
    """The outcomes of every kind, by its name."""
    found: dict[str, list[Outcome]] = {}
    with tempfile.TemporaryDirectory(prefix="bauta-fuzz-") as place:
        for kind, number in zip(kinds, shares(kinds, tries).values(), strict=True):
            base = Path(place) / f"made-{kind.name}"
            base.mkdir()
            kind.prepare(base)
            found[kind.name] = list(arena.tries(kind, range(number), seed, Path(place)))
            told(kind, found[kind.name])
    return found


HEAD = (
    f"{'kind':<16}{'tries':>7}{'sentences':>11}{'fine':>7}{'failures':>10}{'seconds':>9}{'slowest':>9}{'most MiB':>10}"
)


def line(name: str, outcomes: Sequence[Outcome]) -> str:
    """A row of the table."""
    count = Counter(outcome.verdict for outcome in outcomes)
    spent = [outcome.seconds for outcome in outcomes]
    memory = max(outcome.memory for outcome in outcomes) / MIB
    return (
        f"{name:<16}{len(outcomes):>7}{count['sentence']:>11}{count['fine']:>7}{count['failure']:>10}"
        f"{sum(spent):>9.1f}{max(spent):>9.2f}{memory:>10,.0f}"
    )


def again(kind: Kind, number: int, seed: int) -> None:
    """One try in this process, without limits, with the trace of what it raises."""
    place = Path(tempfile.mkdtemp(prefix="bauta-fuzz-"))
    for part in ("made", "try"):
        (place / part).mkdir()
    kind.prepare(place / "made")
    thing = kind.damaged(arena.drawn(kind, number, seed), place / "try")
    print(f"{kind.name}:{number} in {place}: {str(thing)[:500]}")
    began = time.monotonic()
    try:
        kind.read(thing)
    except BaseException:
        traceback.print_exc()
    print(
        f"{time.monotonic() - began:.2f} s; the witness {'is' if (place / 'try/witness').exists() else 'is not'} there"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where anything failed."""
    ask = argparse.ArgumentParser(prog="python -m campaigns.fuzz", description=(__doc__ or "").split("\n\n")[0])
    ask.add_argument("--tries", type=int, default=10_000, help="in all; half of them are pictures")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--kinds", help="only these, with commas between")
    ask.add_argument("--again", metavar="KIND:NUMBER", help="repeat one try here and show where it ends")
    asked = ask.parse_args(arguments)
    known = {kind.name: kind for kind in every()}
    if asked.again:
        name, _, number = asked.again.partition(":")
        again(known[name], int(number), asked.seed)
        return 0
    kinds = [known[name] for name in asked.kinds.split(",")] if asked.kinds else list(known.values())
    print(HEAD, flush=True)

    def told(kind: Kind, outcomes: list[Outcome]) -> None:
        print(line(kind.name, outcomes), flush=True)
        seen: Counter[str] = Counter()
        for outcome in outcomes:
            if outcome.verdict == "failure" and (seen.update([outcome.said[:60]]) or seen[outcome.said[:60]] <= 3):
                print(f"    {kind.name}:{outcome.number} {outcome.said[:400]}", flush=True)

    found = campaign(kinds, asked.tries, asked.seed, told)
    whole = [outcome for outcomes in found.values() for outcome in outcomes]
    print(line("all", whole))
    return int(any(outcome.verdict == "failure" for outcome in whole))


if __name__ == "__main__":
    sys.exit(main())
