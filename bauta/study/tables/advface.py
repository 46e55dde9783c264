"""Rows of `advface` -> what adversarial features cost, and what each attacker still makes of them."""

from __future__ import annotations

from collections.abc import Iterable

from bauta.metrics.base import Interval
from bauta.study.found import OWNER, Found
from bauta.study.published import MINUSFACE_ADVFACE
from bauta.study.records import Row
from bauta.study.tables.base import Cell, Cells, Table, cells, count, failed, percent
from bauta.study.tables.reconstruction import linked, reconstructed, whose
from bauta.study.verification import ACCURACY, LOST, TAR

DRAWN = "RecFace("
PROBED = "balanced accuracy of "


def advface_tables(rows: Iterable[Row]) -> list[Table]:
    """Recognition, pictures, linkage, attributes, epsilons, the game's rounds, and what others state."""
    rows = list(rows)
    found = Found(rows)
    attacks = [cell for cell in cells(rows) if cell.attack != OWNER]
    pictures = [cell for cell in attacks if cell.get("COS") is not None]
    return [
        Table(
            "recognition",
            "What the authorized recognizer loses",
            "Percent, on the whole protocol: the enrolled picture of each pair in the database, the live one clean "
            "(or both, where it says so). lost: to the bare recognizer on the same pairs, in points.",
            [recognition(found, name) for name in found.systems() if found.get(name, OWNER, ACCURACY) is not None],
        ),
        Table(
            "pictures",
            "Pictures out of the database",
            "Low is private, replay too. unaware: trained on clean pairs; aware: on pairs that the attacker protects "
            "himself, with the provider's shadow models and draws of his own. view: the columns that the recognizer "
            "looks at. COS, SRRA: the reconstruction replayed to the authorized recognizer, at its own threshold, at a "
            "FAR of 0.001 and at 0.2. AUC, rank-1: replayed to a foreign one.",
            [reconstructed(cell, quick=True) for cell in pictures],
            3,
        ),
        Table(
            "linkage",
            "Who is who, without a picture",
            "Templates that a student makes of the stored features, compared with clean photos.",
            [linked(cell) for cell in attacks if cell.get("AUC") is not None],
            3,
        ),
        Table(
            "attributes",
            "Gender, read off the stored features by the attacker's own probe",
            "Percent; balanced accuracy, 50 is chance.",
            [line for cell in attacks for line in probed(cell)],
        ),
        Table(
            "epsilons",
            "By epsilon: what RecFace draws, and what it costs",
            "SSIM with the original of the unaware and of the aware RecFace; points of accuracy lost.",
            [traded(found, pictures, name) for name in found.systems() if found.facts(name).get("epsilon") is not None],
            3,
        ),
        Table(
            "published",
            "What MinusFace states of AdvFace",
            "Its own reproduction, by a recovery network of its own on 1.3 million pictures; another recognizer and "
            "other data than here, without intervals. AdvFace's own tables are not at hand.",
            [dict(MINUSFACE_ADVFACE)] if pictures else [],
        ),
        failed(found),
    ]


def recognition(found: Found, name: str) -> Cells:
    """One system."""
    facts, accuracy = found.facts(name), found.get(name, OWNER, ACCURACY)
    return {
        "protection": facts.get("protection", name),
        "cut": facts.get("cut"),
        "accuracy": percent(accuracy),
        "accuracy lost": percent(found.get(name, OWNER, ACCURACY + LOST)),
        TAR: percent(found.get(name, OWNER, TAR)),
        f"{TAR} lost": percent(found.get(name, OWNER, TAR + LOST)),
        "pairs": count(accuracy),
    }


def probed(cell: Cell) -> list[Cells]:
    """The attributes that one attack reads."""
    named = [metric for metric in cell.metrics if metric.startswith(PROBED)]
    return [
        whose(cell) | {"attribute": metric.removeprefix(PROBED), "balanced accuracy": percent(cell.get(metric))}
        for metric in named
    ]


def traded(found: Found, pictures: Iterable[Cell], name: str) -> Cells:
    """One database: leak to either attacker, and cost."""
    facts = found.facts(name)
    drawn: dict[str, Interval | None] = {
        cell.knows: cell.get("SSIM") for cell in pictures if cell.system == name and cell.attack.startswith(DRAWN)
    }
    return {
        "protection": facts.get("protection", name),
        "cut": facts.get("cut"),
        "epsilon": facts.get("epsilon"),
        "rounds": facts.get("rounds"),
        "unaware": drawn.get("unaware"),
        "aware": drawn.get("aware"),
        "accuracy lost": percent(found.get(name, OWNER, ACCURACY + LOST)),
        TAR + LOST: percent(found.get(name, OWNER, TAR + LOST)),
    }
