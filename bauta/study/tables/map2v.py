"""Rows of MAP2V -> what was found, the privacy scores beside the paper's, what limits and queries do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bauta.metrics.base import Interval
from bauta.study.found import Found
from bauta.study.published import MAP2V_SCORES
from bauta.study.records import Row
from bauta.study.run import QUERIES
from bauta.study.tables.base import Cell, Cells, Table, cells, compared, count, failed
from bauta.study.validation import ANOTHER, BLIND, OWN, PSI, PSII, SAR, SEVERAL, SIMILARITY

FARS = ("0.01", "0.001", "0.0001")
UNASKED = (BLIND, ANOTHER)
PUBLISHED_BY = {"fast": "Map2VFast(", "published": "Map2V("}
HOW = (
    "Percent, in brackets 95 % intervals over people. PSI: is the reconstruction accepted as the very picture that was "
    "enrolled; PSII: as the person's other pictures; at the threshold that parts real pictures best. 50 is chance, 100 "
    "a full leak. SAR: reconstructions accepted at that FAR among real pictures. random prior: a face of the prior "
    "that nobody searched for. another photo: of the person, whom a system that is of use accepts. "
)
FOUND = {"more": "above", "less": "below", "alike": "not told apart"}
WORDS = {"more": "Map2VFast", "less": "Map2V", "alike": "not told apart"}


def map2v_tables(rows: Iterable[Row]) -> list[Table]:
    """What was found, scores, limits, queries, the two searches, the paper's table, and what could not be measured."""
    rows = list(rows)
    found, every = Found(rows), cells(row for row in rows if row.value is not None)
    final = [cell for cell in every if "after" not in cell.facts]
    free = [cell for cell in final if not cell.facts.get("limit")]
    return [
        Table(
            "found",
            "How like the enrolled template the reconstructions are, to the attacked system",
            "similarity: cosine, by the attacked system, asked once more by the judge. queries: pictures that the "
            "system was asked about, of all people together and the mean of each. SSIM: to the enrolled picture.",
            [line(cell) | similarity(cell, final) for cell in free if cell.attack not in UNASKED],
            3,
        ),
        Table("scores", "Privacy scores", HOW, [score for cell in free for score in scores(cell, final)], 1),
        Table(
            "beside",
            "MAP2V beside each scheme's own paper's attack",
            f"{HOW}attack: of the scheme's paper, which sees features (LinearInversion is ours); where nothing "
            "protects, attackers who have templates. MAP2V: Map2VFast, which sees similarities alone; its interval of "
            "PSI lies above or below the other's, or they are not told apart.",
            [facts for cell in free if cell.facts.get("beside") for facts in beside(cell, free)],
            1,
        ),
        Table(
            "limits",
            "Oracles that answer less, as a countermeasure",
            f"{HOW}The same search with as many queries, of which a limit may answer fewer.",
            limits(final),
            1,
        ),
        Table(
            "queries",
            "What queries buy",
            f"{HOW}queries: of each person, at most.",
            [after(cell, who) for cell in every if "after" in cell.facts for who in validators(cell)],
            1,
        ),
        Table(
            "searches",
            "Map2V and Map2VFast with the same queries",
            "better: whose 95 % interval lies above the other's, which says little of small differences.",
            searches(free),
            3,
        ),
        Table(
            "published",
            "The paper's table",
            "PSI and PSII in percent on LFW, 200 people, StyleGAN2, about 6,900 queries of two pictures; no intervals. "
            "Of DCTDP without its noise and PartialFace without its draws, as the released code attacks them.",
            [
                {"system": system, "validator": validator, PSI: scores[0], PSII: scores[1]}
                for system, by in MAP2V_SCORES.items()
                for validator, scores in by.items()
            ]
            if any(cell.facts.get("study") == "map2v" for cell in free)
            else [],
        ),
        failed(found),
    ]


def line(cell: Cell) -> Cells:
    """Whose line it is."""
    limit = cell.facts.get("limit")
    return {"system": cell.system, "attack": cell.attack} | ({"limit": limit} if limit else {})


def similarity(cell: Cell, others: Sequence[Cell]) -> Cells:
    """What one search found, beside what nobody searched for."""
    asked, own = cell.metrics.get(QUERIES), cell.get(SIMILARITY)
    unasked = {what: there for what in UNASKED if (there := beside_of(cell, others, what))}
    return {
        SIMILARITY: own,
        **{f"{SIMILARITY}, {what}": there.get(SIMILARITY) for what, there in unasked.items()},
        "SSIM": cell.get("SSIM"),
        **{f"SSIM, {what}": there.get("SSIM") for what, there in unasked.items()},
        "people": count(own),
        QUERIES: None if asked is None or asked.value is None else int(asked.value),
        "of each": None if asked is None or asked.value is None else round(asked.value / asked.n),
    }


def validators(cell: Cell) -> list[str]:
    """Who scored a cell, in order."""
    return list(dict.fromkeys(str(r.settings["validator"]) for r in cell.metrics.values() if "validator" in r.settings))


def scores(cell: Cell, others: Sequence[Cell]) -> list[Cells]:
    """One search by each validator."""
    if cell.attack in UNASKED:
        return []
    unasked = {what: there for what in UNASKED if (there := beside_of(cell, others, what))}
    return [line(cell) | score(cell, who, unasked) for who in validators(cell)]


def score(cell: Cell, who: str, unasked: Mapping[str, Cell]) -> Cells:
    """One validator's numbers."""
    own = cell.get(f"{PSI} by {who}")
    made: Cells = {"validator": who}
    for kind in (PSI, PSII):
        made[kind] = cell.get(f"{kind} by {who}")
        made |= {f"{kind}, {what}": there.get(f"{kind} by {who}") for what, there in unasked.items()}
    made |= {f"{SAR}{far}": cell.get(f"{SAR}{far} by {who}") for far in FARS}
    made |= {f"{SAR}{far}{SEVERAL}": cell.get(f"{SAR}{far}{SEVERAL} by {who}") for far in FARS}
    made["people"] = count(own)
    return made


def beside_of(cell: Cell, others: Sequence[Cell], what: str) -> Cell | None:
    """Pictures that nobody searched for, at the same system."""
    return next((other for other in others if other.system == cell.system and other.attack == what), None)


def limits(final: Sequence[Cell]) -> list[Cells]:
    """Each limited search under the one without a limit, by the attacked system and one that was not."""
    limited = [cell for cell in final if cell.facts.get("limit")]
    kinds = {(cell.system, cell.attack) for cell in limited}
    whole = [cell for cell in final if not cell.facts.get("limit") and (cell.system, cell.attack) in kinds]
    made: list[Cells] = []
    for cell in [*whole, *limited]:
        facts: Cells = {"system": cell.system, "attack": cell.attack, "limit": cell.facts.get("limit") or "none"}
        facts |= {SIMILARITY: cell.get(SIMILARITY), QUERIES: similarity(cell, final)[QUERIES]}
        for who in validators(cell):
            facts |= {f"{PSI} by {who}": cell.get(f"{PSI} by {who}"), f"{PSII} by {who}": cell.get(f"{PSII} by {who}")}
        made.append(facts)
    return made


def after(cell: Cell, who: str) -> Cells:
    """One validator's scores after some queries."""
    own = cell.get(f"{PSI} by {who}")
    return {
        "system": cell.system,
        "attack": cell.attack,
        QUERIES: cell.facts["after"],
        "validator": who,
        SIMILARITY: cell.get(SIMILARITY) if who == OWN else None,
        PSI: own,
        PSII: cell.get(f"{PSII} by {who}"),
        "people": count(own),
    }


def beside(cell: Cell, free: Sequence[Cell]) -> list[Cells]:
    """An attack that is not MAP2V's, and MAP2V's, by each validator."""
    others = [c for c in free if c.system == cell.system and c.attack.startswith(PUBLISHED_BY["fast"])]
    made: list[Cells] = []
    for other in others[:1]:
        for who in validators(cell):
            own, asked = cell.get(f"{PSI} by {who}"), other.get(f"{PSI} by {who}")
            facts: Cells = {"system": cell.system, "attack": cell.attack, "knows": cell.knows, "validator": who}
            facts |= {PSI: own, f"{PSI}, MAP2V": asked}
            facts |= {PSII: cell.get(f"{PSII} by {who}"), f"{PSII}, MAP2V": other.get(f"{PSII} by {who}")}
            made.append(facts | {"MAP2V is": FOUND.get(compared(asked, own)), "people": count(own)})
    return made


def searches(free: Sequence[Cell]) -> list[Cells]:
    """The two searches at each system where both ran."""
    made: list[Cells] = []
    for system in dict.fromkeys(cell.system for cell in free):
        here = {
            name: next((c for c in free if c.system == system and c.attack.startswith(begin)), None)
            for name, begin in PUBLISHED_BY.items()
        }
        fast, published = (None if (c := here[who]) is None else c.get(SIMILARITY) for who in ("fast", "published"))
        better = WORDS.get(compared(fast, published))
        if better is not None:
            made.append({"system": system, "Map2V": published, "Map2VFast": fast, "better": better})
    return made


def query_curves(rows: Iterable[Row]) -> dict[str, dict[str, list[tuple[float, Interval | None]]]]:
    """System -> legend -> (queries of each person, PSI by the attacked system or another), for a plot."""
    made: dict[str, dict[str, list[tuple[float, Interval | None]]]] = {}
    for cell in cells(row for row in rows if "after" in row.settings):
        for who in validators(cell):
            legend = f"{cell.attack.partition('(')[0]}, PSI by {who}"
            points = made.setdefault(cell.system, {}).setdefault(legend, [])
            points.append((float(str(cell.facts["after"])), cell.get(f"{PSI} by {who}")))
    return made
