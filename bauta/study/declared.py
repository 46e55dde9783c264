"""The threat models of the attacks that rows name, read off their classes: no network is loaded to say who attacked."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bauta.attacks import ALL
from bauta.attacks.base import Access, Attack, Knowledge, Knows, Wrapper
from bauta.errors import BadFile
from bauta.study.audit.document import Threat
from bauta.study.audit.threats import threat
from bauta.study.records import Row
from bauta.study.tables.base import Cell, cells
from bauta.types import Stage

SEES = {
    Stage.IMAGES: "the picture",
    Stage.FEATURES: "the features on the wire",
    Stage.TEMPLATES: "the stored templates",
    Stage.SCORES: "the matcher's scores",
}
MAY = {
    Access.NONE: "look",
    Access.QUERY: "ask the system",
    Access.GRADIENT: "ask the system, and for gradients",
}
KNOWN = {
    Knows.NOTHING: "nothing of the protection (unaware)",
    Knows.SCHEME: "how it protects (aware)",
    Knows.KEYS: "how it protects, and its keys",
    Knows.DRAW: "how it protects, its keys, and this picture's draw",
}
NAMES = re.compile(r"\b[A-Z]\w*(?=\()")
CLASSES: dict[str, type[Attack]] = {attack.__name__: attack for attack in ALL}


def declared(rows: Iterable[Row]) -> list[Threat]:
    """Everybody who attacked in these rows, once for each of what he knew and saw."""
    made = [told for cell in cells(row for row in rows if row.role == "attack") if (told := of_cell(cell))]
    return list(dict.fromkeys(made))


def of_cell(cell: Cell) -> Threat | None:
    """The threat model of one cell: what the classes declare, but for what the cell says; None for no attack of ours.

    Of ``ClientHolder(RecFace())`` the outermost says what is seen, the innermost what is guessed; of all of them
    together they may and hold the most.
    """
    classes = [CLASSES[name] for name in NAMES.findall(cell.attack) if name in CLASSES]
    if not classes:
        return None
    known = [made.default_knowledge for made in classes]
    row = next(iter(cell.metrics.values()))
    try:
        sees = Stage(cell.sees) if cell.sees else known[0].sees
        knows = Knows[row.knows] if row.knows else max(one.knows for one in known)
    except (KeyError, ValueError) as error:
        raise BadFile(
            f"The rows of {cell.attack} state no threat model that there is ({error}); run it again."
        ) from error
    model = Knowledge(sees, max(one.access for one in known), knows, frozenset().union(*(one.holds for one in known)))
    inner = next((made for made in reversed(classes) if not issubclass(made, Wrapper)), None)
    who = "" if inner is None else threat(model, inner.guesses)
    return told(cell.attack, model, who)


def told(attack: str, model: Knowledge, who: str = "") -> Threat:
    """A threat model in words. who: the threat that it stands for."""
    holds = ", ".join(sorted(model.holds)) or "nothing"
    return Threat(attack, SEES[model.sees], MAY[model.access], KNOWN[model.knows], holds, who)
