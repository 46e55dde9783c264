"""Protections and attacks side by side: what their classes declare, and what was measured of them (PMT's Tables I, II).

What a protection modifies, whether it changes the wire and whether it has a key are read off its class; what it must be
given and what is trained it declares (`Protection.needs`, `Protection.trains`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from bauta.attacks import ALL as ATTACKS
from bauta.attacks.base import Attack, Wrapper
from bauta.errors import MissingData
from bauta.protections import ALL as PROTECTIONS
from bauta.protections import FeatureProtection, Protection
from bauta.study import records
from bauta.study.audit.threats import threat
from bauta.study.audit.verdicts import LITTLE
from bauta.study.declared import told
from bauta.study.records import Row
from bauta.study.sanity import is_bare
from bauta.study.tables.base import Cells, Table
from bauta.study.tradeoff import KINDS, utilities, worst_case

WORD = re.compile(r"[A-Za-z_]\w*")


def compared(folders: Sequence[Path] = ()) -> list[Table]:
    """Both tables; the first with the measured rows of audits and studies. Raises `MissingData` for an empty folder."""
    rows: dict[str, list[Row]] = {}
    for folder in folders:
        found = list(records.read(folder / "rows.jsonl"))
        if not found:
            raise MissingData(f"There are no rows in {folder / 'rows.jsonl'}; run an audit or a study there first.")
        rows[str(folder)] = found
    return [protections_table(rows), attacks_table()]


def protections_table(rows: dict[str, list[Row]]) -> Table:
    """One line a protection, or one for each of its systems that were measured."""
    known = {made.__name__: made for made in PROTECTIONS}
    measured: dict[str, list[Cells]] = {}
    others: list[Cells] = []
    for folder, found in rows.items():
        for system, line in systems(found).items():
            name = class_of(system, found, known)
            if name:
                measured.setdefault(name, []).append({"measured in": folder, **line})
            else:
                others.append({"protection": system, "measured in": folder, **line})
    lines: list[Cells] = []
    for name, made in known.items():
        facts = declared(made)
        lines += [{**facts, **line} for line in measured.get(name, [{}])]
    note = (
        "modifies: the stage that is rewritten. needs: what it must be given before it protects. trains: what is "
        "trained for it. service's model: whether any recognizer will do as it is. key: whether "
        "somebody who knows the method needs a secret to make the very same. utility and worst leaks: measured, in "
        "0..1, by the strongest attack that was run; 0 is chance. generic: whether no attack that was run, of "
        f"any kind, may have got beyond {LITTLE:g}."
    )
    return Table("protections", "What each protection modifies, needs and trains", note, lines + others)


def declared(made: type[Protection]) -> Cells:
    """What a class says of itself."""
    wide = issubclass(made, FeatureProtection) and made.changes_channels
    return {
        "protection": made.__name__,
        "modifies": made.stage.value,
        "needs": ", ".join(made.needs) or "nothing",
        "trains": made.trains or "nothing",
        "service's model": "one of its own" if wide else "as it is",
        "key": "seed" in inspect.signature(made).parameters,
    }


def systems(rows: Sequence[Row]) -> dict[str, Cells]:
    """Protected system -> its utility and its worst leaks."""
    kept = [row for row in rows if not is_bare(row) and not row.settings.get("quick")]
    uses, worst = utilities(kept), worst_case(kept)
    found: dict[str, Cells] = {}
    for system in dict.fromkeys(row.system for row in kept):
        kinds = worst.get(system, {})
        if system in uses or kinds:
            leaks = {f"leak of {kind}": kinds[kind].leak if kind in kinds else None for kind in KINDS}
            generic = all(one.leak.high <= LITTLE for one in kinds.values()) if kinds else None
            found[system] = {"system": system, "utility": uses.get(system), "generic": generic, **leaks}
    return found


def class_of(system: str, rows: Iterable[Row], known: dict[str, type[Protection]]) -> str:
    """The protection behind a system, by its rows' settings or its own name; "" where it is none of these."""
    settings = next((row.settings for row in rows if row.system == system), {})
    for text in (settings.get("recipe"), settings.get("protection"), system):
        found = WORD.match(str(text)) if text else None
        if found is not None and found[0] in known:
            return found[0]
    return ""


def attacks_table() -> Table:
    """One line an attack: what it sees, may do, knows and holds, unless it is told otherwise."""
    lines = [facts(made) for made in ATTACKS]
    note = "By default: the same attack under another threat model is `knowing(...)`. A wrapper guesses what it wraps."
    return Table("attacks", "What each attacker sees, may do, knows and holds", note, lines)


def facts(made: type[Attack]) -> Cells:
    """What an attack's class declares."""
    wraps = issubclass(made, Wrapper)
    who = "" if wraps else threat(made.default_knowledge, made.guesses)
    model = told(made.__name__, made.default_knowledge, who)
    return {
        "attack": model.attack,
        "threat": model.threat or "the wrapped attack's",
        "sees": model.sees,
        "may": model.access,
        "knows": model.knows,
        "holds": model.holds,
        "guesses": "what it wraps" if wraps else made.guesses.value,
    }
