"""Threat models in words: what an attack declares (`Knowledge`), as a reader of a report needs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from bauta.attacks import ALL
from bauta.attacks.base import Access, Attack, Knowledge, Knows
from bauta.study.audit.document import Threat
from bauta.study.records import Row
from bauta.study.tables.base import Cell, cells
from bauta.types import Stage

SEES = {
    Stage.IMAGES: "the picture",
    Stage.FEATURES: "the features on the wire",
    Stage.TEMPLATES: "the templates in the database",
    Stage.SCORES: "the matcher's scores",
}
MAY = {
    Access.NONE: "nothing but look",
    Access.QUERY: "ask the system",
    Access.GRADIENT: "run the system and take gradients",
}
KNOWN = {
    Knows.NOTHING: "nothing of the protection (unaware)",
    Knows.SCHEME: "how the protection works (aware)",
    Knows.KEYS: "how it works, and its keys",
    Knows.DRAW: "how it works, its keys and this picture's draw",
}
NAMES = re.compile(r"\b[A-Z]\w*(?=\()")
CLASSES: dict[str, type[Attack]] = {attack.__name__: attack for attack in ALL}


def declared(attack: str) -> Knowledge | None:
    """The threat model that an attack's classes declare, None for what is no attack of ours.

    attack: as rows have it, ``ClientHolder(RecFace())``. No network is loaded for it. It sees what the outermost one
    sees; of what is wrapped in it, it may and holds the most.
    """
    every = [CLASSES[name].default_knowledge for name in NAMES.findall(attack) if name in CLASSES]
    if not every:
        return None
    holds = frozenset().union(*(known.holds for known in every))
    most = max(known.access for known in every), max(known.knows for known in every)
    return Knowledge(every[0].sees, *most, holds)


def threat(attack: str, known: Knowledge) -> Threat:
    """One attack's threat model in words."""
    return Threat(attack, SEES[known.sees], MAY[known.access], KNOWN[known.knows], ", ".join(sorted(known.holds)))


def threats(rows: Iterable[Row]) -> list[Threat]:
    """Everybody who attacked in these rows, once for each of what he knew and saw."""
    made = [told for cell in cells(row for row in rows if row.role == "attack") if (told := of_cell(cell))]
    return list(dict.fromkeys(made))


def of_cell(cell: Cell) -> Threat | None:
    """The threat model of one cell: what the classes declare, but for what the cell says of it."""
    known = declared(cell.attack)
    if known is None:
        return None
    row = next(iter(cell.metrics.values()))
    if row.knows:
        known = replace(known, knows=Knows[row.knows])
    if cell.sees:
        known = replace(known, sees=Stage(cell.sees))
    return threat(cell.attack, known)
