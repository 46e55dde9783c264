"""Rows of `pmt-ablation` -> Table X and Figure 11, the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Iterable

from bauta.study.found import EQ10, OWNER, Found
from bauta.study.presets.ablation import KAPPA, NOISE
from bauta.study.presets.variants import AUTHORIZED, UNAUTHORIZED
from bauta.study.published import PAPER_TABLE_X
from bauta.study.records import Row
from bauta.study.tables.base import Cells, Curve, Table, agreement, compared, failed, percent, printed, reached
from bauta.study.tables.noise import Points, curve, models, noises, points, traded
from bauta.types import Stage

PARTS = ("augmentation", "kernel", "aggregation")


def ablation_tables(rows: Iterable[Row]) -> list[Table]:
    """The eight combinations at each cut, and UP under noise with everything and with nothing."""
    found = Found(rows)
    systems = found.systems()
    return [
        Table(
            "table-x",
            f"Table X: augmentation, kernel and aggregation, on and off; UP({NOISE:g}, {KAPPA:g})",
            f"Percent by Eq. 10; UP, privacy and AUC as they are. {AUTHORIZED} is authorized and {UNAUTHORIZED} reads; "
            "the paper has IR50-Softmax and MobileFace on LFW, a threshold of 0.2, as many pairs as 104, to judge by "
            f"its numbers, and LPIPS with VGG for UP. Ours is {models(found)}, so only the order of the UPs compares. "
            "verdict: unauthorized acceptance against the line with nothing on, by whether intervals meet.",
            [line(found, system) for system in systems],
        ),
        Table(
            "figure-11",
            f"Figure 11: UP by noise at kappa {KAPPA:g}, with all three and with none",
            "The paper's curves have no numbers: not at hand.",
            [by_noise(found, system) for system in systems if len(noises(found, system, Stage.IMAGES)) > 1],
            3,
        ),
        failed(found),
    ]


def ablation_curves(rows: Iterable[Row]) -> list[Curve]:
    """Figure 11: UP against noise with everything and with nothing, one plot a cut."""
    found = Found(rows)
    series: dict[object, dict[str, Points]] = {}
    for system in found.systems():
        words = {True: "all three", False: "none of the three"}[all(on(found, system))]
        if all(on(found, system)) or not any(on(found, system)):
            lines = series.setdefault(found.facts(system)["cut"], {})
            lines[words] = points(found, system, "UP", Stage.IMAGES, KAPPA)
    ylabel = f"UP at kappa {KAPPA:g}"
    return [
        made
        for cut, lines in series.items()
        for made in curve(f"up_ablation_cut{cut}", f"Figure 11, cut {cut}", Stage.IMAGES, ylabel, lines)
    ]


def on(found: Found, system: str) -> tuple[bool, bool, bool]:
    """Which of the three a system has."""
    marks = found.facts(system)["on"]
    first, second, third = marks if isinstance(marks, list) else (False, False, False)
    return bool(first), bool(second), bool(third)


def whose(found: Found, system: str) -> Cells:
    """The first columns of a line."""
    return {"cut": found.facts(system)["cut"], **dict(zip(PARTS, on(found, system), strict=True))}


def line(found: Found, system: str) -> Cells:
    """One combination, here and in the paper."""
    far, paper = reached(found, system), PAPER_TABLE_X[on(found, system)]
    at = Stage.IMAGES, NOISE
    read = found.raw(system, UNAUTHORIZED, EQ10)
    cells = {
        **whose(found, system),
        "authorized": percent(found.get(system, OWNER, EQ10)),
        "unauthorized": percent(read),
        "UP": traded(found, system, "UP", *at, KAPPA),
        "utility": traded(found, system, "utility", *at, KAPPA),
        "privacy": traded(found, system, "privacy", *at),
        **dict(zip(("paper authorized", "paper unauthorized", "paper UP"), paper, strict=True)),
        "highest AUC": far["foreign_auc"],
        "client holder's AUC": far["client_auc"],
        "pairs": far["pairs"],
    }
    same = [s for s in found.systems() if found.facts(s)["cut"] == found.facts(system)["cut"]]
    nothing = next((s for s in same if not any(on(found, s))), None)
    if found.quick or nothing is None or nothing == system:
        return cells
    there = compared(printed(paper[1]), printed(PAPER_TABLE_X[on(found, nothing)][1]))
    return cells | {"verdict": agreement(there, compared(read, found.raw(nothing, UNAUTHORIZED, EQ10)))}


def by_noise(found: Found, system: str) -> Cells:
    """UP of a combination under each noise."""
    levels = noises(found, system, Stage.IMAGES)
    ups = {f"noise {noise:g}": traded(found, system, "UP", Stage.IMAGES, noise, KAPPA) for noise in levels}
    return whose(found, system) | ups
