"""What the strongest attacker gets of a protected system, and what use is left after it.

Every leak is put on one scale, as Youden's index does for tests: 0 is what an attacker without any leak reaches, 1 is
all there is to know. AUC, TAR, rank-1, balanced accuracy and years of error then stand beside each other, and a utility
on the same scale can be held against them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from bauta.metrics.base import Interval, wilson
from bauta.study.found import EQ10, ITSELF, TAR, VIEWER, interval
from bauta.study.judge import FAR, INSIDE
from bauta.study.records import Row
from bauta.study.run import OF_PICTURES

IDENTITY, PICTURE, ATTRIBUTES, REPLAY = KINDS = ("identity", "picture", "attributes", "replay")
INFRINGING = (IDENTITY, PICTURE, ATTRIBUTES)

# What the mean of 4,000 aligned faces of LFW reaches on 866 pictures of other people, since whoever knows nothing may
# draw that: 0.435 [0.429, 0.441] and 0.446 [0.439, 0.452]; UTKFace's 0.47 and 0.50. By benchmarks/blind_guess.py.
MEAN_FACE = {"SSIM": 0.44, f"SSIM{INSIDE}": 0.45}

RATE = ("rank-1", f"rank-1{OF_PICTURES}")
AREA = ("AUC", f"AUC{OF_PICTURES}")
TRUE_ACCEPTS = (TAR, f"TAR@FAR={FAR:g}{OF_PICTURES}")
ACCEPTED = ("COS", "SRRA")
FLAT = 1e-6  # of an interval: rounding alone
BALANCED, AREA_OF, AGE = "balanced accuracy of ", "AUC of ", "MAE of age"
CHANCE = re.compile(r"chance ([\d.]+)")
BLIND = re.compile(r"always says the median age errs by ([\d.]+)")
# utility, the better measure first, with what a recognizer reaches that accepts everybody
USE = ((EQ10, 0.5), (ITSELF, 0.0))


@dataclass(frozen=True)
class Worst:
    """The strongest cell's row, the leak over all cells in [0, 1], and how many cells these are."""

    row: Row
    leak: Interval
    attacks: int


@dataclass(frozen=True)
class Net:
    """A system's utility in [0, 1], the worst leak and its kind, and utility minus leak in [-1, 1]."""

    utility: Interval
    kind: str
    worst: Worst
    net: Interval


def kind(metric: str) -> str:
    """What a metric says is leaked, one of `KINDS`; "" where it says nothing of a leak.

    CosSim and age difference say how much an answer changed and not whether it is right; acceptance at a fixed
    threshold is as high for a reader that accepts everybody; PSNR has no upper end, and SSIM stands for it. COS and
    SRRA say that the authorized recognizer takes a reconstruction for the person: a replay, and no sight of the person,
    since a picture that was fitted to a recognizer's features may show nobody and is accepted.
    """
    if metric in (*AREA, *RATE, *TRUE_ACCEPTS):
        return IDENTITY
    if metric in MEAN_FACE:
        return PICTURE
    if metric in ACCEPTED:
        return REPLAY
    return ATTRIBUTES if metric == AGE or metric.startswith((BALANCED, AREA_OF)) else ""


def leak(row: Row) -> Interval | None:
    """An attack's number as a leak in [0, 1], clipped; None where it says nothing of a leak or chance is unknown.

    A viewer's SSIM is none: where features are sent, nobody but the owner views the picture.
    """
    found, start = varied(row), chance(row)
    if row.role != "attack" or row.attack == VIEWER or found is None or start is None:
        return None
    return scaled(found, start, 0.0 if row.private_when == "high" else 1.0)


def varied(row: Row) -> Interval | None:
    """A row's number; where it is 0 or 1 in every draw, with Wilson's interval, as if each comparison were a trial.

    Of a TAR only the pairs of one person are, about half of them.
    """
    found = interval(row)
    if (
        found is None
        or not kind(row.metric)
        or found.high - found.low > FLAT
        or min(found.value, 1 - found.value) > FLAT
    ):
        return found
    trials = found.n // 2 if row.metric in TRUE_ACCEPTS else found.n
    return replace(wilson(round(found.value * trials), trials), n=found.n) if trials else found


def chance(row: Row) -> float | None:
    """What an attacker who knows nothing reaches by a row's metric: a constant, or what the row notes."""
    metric = row.metric
    if metric in RATE:
        noted = CHANCE.search(row.note)
        return float(noted[1]) if noted else 1 / row.n if row.n else None
    if metric in TRUE_ACCEPTS:
        return FAR
    if metric == AGE or metric.startswith(BALANCED):
        noted = (BLIND if metric == AGE else CHANCE).search(row.note)
        return float(noted[1]) if noted else None
    if metric in ACCEPTED:
        return 0.0
    return 0.5 if kind(metric) in (IDENTITY, ATTRIBUTES) else MEAN_FACE.get(metric)


def scaled(found: Interval, start: float, end: float) -> Interval:
    """A number on the scale on which `start` is 0 and `end` is 1, clipped to it."""
    if start == end:
        return Interval(0.0, 0.0, 0.0, found.n)
    value, low, high = (min(1.0, max(0.0, (x - start) / (end - start))) for x in (found.value, found.low, found.high))
    return Interval(value, min(low, high), max(low, high), found.n)


def worst_case(rows: Iterable[Row]) -> dict[str, dict[str, Worst]]:
    """System -> kind of leak -> the strongest attacker, over all attacks and all metrics of the kind.

    Give the rows of one metric to hear of that alone. The ends of `leak` are the highest lower and the highest upper
    end of all rows. The highest of many noisy numbers is too high on average, and the more so the more attacks were run
    on few people: the upper end still holds (the strongest attack's own upper end is not above it), the lower end errs
    toward a leak. Of equals the first by name counts, whatever the order of the rows.
    """
    cells: dict[tuple[str, str], list[tuple[Row, Interval]]] = {}
    for row in rows:
        found = leak(row)
        if found is not None:
            cells.setdefault((row.system, kind(row.metric)), []).append((row, found))
    made: dict[str, dict[str, Worst]] = {}
    for (system, what), members in cells.items():
        top, found = min(members, key=lambda pair: (-pair[1].value, -pair[1].low, -pair[1].high, repr(pair[0])))
        low, high = max(i.low for _, i in members), max(i.high for _, i in members)
        attacks = len({(row.cell, row.attack) for row, _ in members})
        made.setdefault(system, {})[what] = Worst(top, Interval(found.value, low, high, found.n), attacks)
    return made


def utilities(rows: Iterable[Row]) -> dict[str, Interval]:
    """System -> what its authorized recognizer is good for, in [0, 1]: Eq. 10 over 0.5, else how often it accepts.

    Of several authorized recognizers (``a + b, read by a``) the one that is served worst.
    """
    known: dict[str, dict[str, list[Interval]]] = {}
    for row in rows:
        found = interval(row) if row.role == "utility" else None
        if found is not None:
            known.setdefault(shared(row.system), {}).setdefault(row.metric, []).append(found)
    made: dict[str, Interval] = {}
    for system, metrics in known.items():
        for metric, start in USE:
            if metric in metrics:
                worst = min(metrics[metric], key=lambda i: (i.value, i.low, i.high, i.n))
                made[system] = scaled(worst, start, 1.0)
                break
    return made


def shared(system: str) -> str:
    """A system's name without which of its recognizers reads."""
    who, bar, service = system.partition(" | ")
    return who.partition(", read by ")[0] + bar + service


def net_utility(rows: Iterable[Row]) -> dict[str, Net]:
    """System -> what UP (PMT, Eq. 9) should have been: utility minus the worst leak over all attacks that were run.

    Of identity, picture and attributes the one that leaks most. The interval is conservative: from the lowest utility
    less the highest leak to the highest utility less the lowest leak. By Bonferroni's bound over the two 95 % intervals
    the lower end holds with at least 95 %, however many attacks there were; the upper end is not widened for their
    number and errs toward little use, as `worst_case` says. An attack that nobody ran is not in it: only the lower the
    leak that was found, the more does this say of the attacker.
    """
    rows = list(rows)
    uses, made = utilities(rows), {}
    for system, kinds in worst_case(rows).items():
        known = {what: worst for what, worst in kinds.items() if what in INFRINGING}
        use = uses.get(shared(system))
        if not known or use is None:
            continue
        what = max(sorted(known), key=lambda name: known[name].leak.value)
        low, high = (max(getattr(w.leak, end) for w in known.values()) for end in ("low", "high"))
        top = known[what].leak
        net = Interval(use.value - top.value, use.low - high, use.high - low, min(use.n, top.n))
        made[system] = Net(use, what, known[what], net)
    return made
