"""Rows of any study -> the strongest attacker on each system, what use is left after him, and what wants caution."""

from __future__ import annotations

from collections.abc import Iterable

from bauta.metrics.base import Interval
from bauta.study.found import Found, interval
from bauta.study.records import KNOWS, Row
from bauta.study.sanity import sanity
from bauta.study.tables.base import Cells, Table
from bauta.study.tables.noise import thresholds, traded
from bauta.study.tradeoff import KINDS, MEAN_FACE, Net, Worst, net_utility, worst_case
from bauta.types import Stage

KAPPA = 0.5


def worst_tables(rows: Iterable[Row]) -> list[Table]:
    """The worst case of each system and kind of leak, the net utility, and the flags of `sanity`."""
    rows = list(rows)
    found, kinds = Found(rows), worst_case(rows)
    return [
        Table(
            "worst-case",
            "The strongest attacker on each system",
            "number: by the measure named. leak: the same from 0, which is chance, to 1; of a picture, chance is the "
            f"mean face's SSIM of {MEAN_FACE['SSIM']:g}. replay: what the authorized recognizer takes for the person. "
            "Of all attacks and measures of a kind, the highest; the highest of many is a little lucky, and the more "
            "so on few faces.",
            [strongest(system, kind, by[kind]) for system, by in kinds.items() for kind in KINDS if kind in by],
            3,
        ),
        Table(
            "net-utility",
            "What UP should have been: utility minus the worst leak",
            "utility: how far the authorized recognizer's Eq. 10 is above the 0.5 of one that accepts everybody (where "
            "there are no pairs: how often it accepts). worst leak: of identity, picture and attributes. net utility: "
            "from -1 to 1; the two intervals add up, and the lower end holds with at least 95 %. An attack that nobody "
            "ran is not in it.",
            [left(found, system, net) for system, net in net_utility(rows).items()],
            3,
        ),
        Table(
            "sanity",
            "What wants caution",
            "",
            [{"cell": flag.cell, "what": flag.what} for flag in sanity(row for row in rows if row.value is not None)],
        ),
    ]


def strongest(system: str, kind: str, worst: Worst) -> Cells:
    """One line: a system, a kind of leak, and who gets most."""
    return {
        "system": system,
        "leaks": kind,
        "attack": worst.row.attack,
        "knows": KNOWS.get(worst.row.knows, ""),
        "measure": worst.row.metric,
        "number": interval(worst.row),
        "leak": worst.leak,
        "n": worst.leak.n,
        "attacks": worst.attacks,
    }


def left(found: Found, system: str, net: Net) -> Cells:
    """One line: a system's utility, its worst leak and what is left; UP beside it, where it was measured."""
    line: Cells = {
        "system": system,
        "utility": net.utility,
        "worst leak": net.worst.leak,
        "of": net.kind,
        "attack": net.worst.row.attack,
        "knows": KNOWS.get(net.worst.row.knows, ""),
        "net utility": net.net,
        **up(found, system, net),
    }
    return line if found.quick else line | {"verdict": verdict(net.net)}


def up(found: Found, system: str, net: Net) -> Cells:
    """UP of the same system under the same noise."""
    name = system.partition(" | ")[0]
    kappas = thresholds(found, name)
    if not kappas:
        return {}
    kappa = KAPPA if KAPPA in kappas else kappas[0]
    noise = float(str(net.worst.row.settings.get("noise", 0.0)))
    return {f"UP at kappa {kappa:g}": traded(found, name, "UP", Stage.IMAGES, noise, kappa)}


def verdict(net: Interval) -> str:
    """Whether the recognizer gains more than the strongest attacker."""
    if net.low > 0:
        return "more use than leak"
    return "no more use than leak" if net.high < 0 else "no difference beyond the interval"
