"""Rows of `pmt-attributes` -> Table VIII, every reader beside the paper's, and the strongest of them."""

from __future__ import annotations

from collections.abc import Iterable

from bauta.estimators import BautaAttributes
from bauta.estimators.base import MAY_HAVE_SEEN
from bauta.metrics.base import Interval
from bauta.study.found import OWNER, VIEWER, Found
from bauta.study.published import PAPER_TABLE_VIII, PAPER_TABLE_VIII_COLUMNS
from bauta.study.records import Row
from bauta.study.tables.base import Cell, Cells, Table, cells, compared, count, failed
from bauta.study.tradeoff import leak

AGE = "age"


def attributes_tables(rows: Iterable[Row]) -> list[Table]:
    """The strongest reader of each attribute, all readers, third parties in the paper's form, and the paper's table."""
    rows = list(rows)
    found, made = Found(rows), [cell for cell in cells(rows) if cell.attack not in (OWNER, VIEWER)]
    read = [(cell, name) for cell in made if (name := attribute(cell))]
    return [
        Table(
            "attributes-strongest",
            "The strongest reader of each attribute",
            "accuracy: balanced over the classes. Of all readers, unaware and aware, on the picture, on its features "
            "and on RecFace's pictures of them, the one that is right most often; age: the one that errs least, in "
            "years. bare: the best reader of the unprotected device. highest AUC: of any of them, which a reader with "
            "the wrong threshold reaches too. verdict: by accuracy against chance and against bare, beyond the "
            "intervals. The best of several is a little lucky.",
            strongest(read, found.quick),
            3,
        ),
        Table(
            "attributes",
            "Every reader",
            "bare: the same reader's accuracy, or years off, where nothing is protected. CosSim, age difference: the "
            "reader's answers on the protected and on the clean picture, as the paper measures.",
            [line(cell, name, read) for cell, name in read],
            3,
        ),
        Table(
            "table-viii",
            "Table VIII, measured: third parties on the picture",
            "Low CosSim and a high age difference are the paper's measures of privacy. They say how much the answer "
            "changed, not whether it is right: the accuracies of the other tables do. verdict: whether the answer on "
            "PMT's picture differs more than on one with noise, as the paper has it of every attribute.",
            third_parties(read, found.quick),
        ),
        Table(
            "table-viii-paper",
            "Table VIII, as the paper has it",
            "Of deepface's networks, other ones than ours; no n and no intervals. noise: x plus Gaussian noise.",
            [
                {"data": data, "protection": protection} | dict(zip(PAPER_TABLE_VIII_COLUMNS, numbers, strict=True))
                for data, lines in PAPER_TABLE_VIII.items()
                for protection, numbers in lines.items()
            ]
            if read
            else [],
        ),
        failed(found),
    ]


def attribute(cell: Cell) -> str:
    """What an attack reads, "" for none."""
    names = [metric.rpartition(" of ")[2] for metric in cell.metrics if metric.startswith(("balanced", "MAE of"))]
    return names[0] if names else ""


def measure(name: str) -> str:
    """The metric that says how right a reader is: balanced accuracy, or years of error."""
    return "MAE of age" if name == AGE else f"balanced accuracy of {name}"


def accuracy(cell: Cell, name: str) -> Interval | None:
    """How right a reader is."""
    return cell.get(measure(name))


def note(cell: Cell, name: str) -> str:
    """What chance would be."""
    row = cell.metrics.get(measure(name))
    return row.note if row else ""


def whose(cell: Cell, name: str) -> Cells:
    """The first columns of a line."""
    facts = cell.facts
    return {"data": facts.get("data"), "protection": facts.get("protection"), "cut": facts.get("cut"), "reads": name}


def line(cell: Cell, name: str, read: list[tuple[Cell, str]]) -> Cells:
    """One reader."""
    right = accuracy(cell, name)
    return whose(cell, name) | {
        "attack": cell.attack,
        "knows": cell.knows,
        "accuracy": None if name == AGE else right,
        "years off": right if name == AGE else None,
        "bare": unprotected(cell, name, read),
        "AUC": cell.get(f"AUC of {name}"),
        "CosSim": cell.get(f"CosSim of {name}"),
        "age difference": cell.get("age difference") if name == AGE else None,
        "faces": count(right),
        "chance": note(cell, name),
        "reader": seen(cell.attack),
    }


def seen(attack: str) -> str:
    """Whether a reader knows the faces from before."""
    if (
        "ForeignEstimator(" not in attack or f"'{BautaAttributes.name}'" in attack
    ):  # ours gets none that it learned from
        return "has not seen these faces"
    return MAY_HAVE_SEEN


def unprotected(cell: Cell, name: str, read: list[tuple[Cell, str]]) -> Interval | None:
    """How right the same reader is where nothing is protected; an aware one then has nothing to be aware of."""
    place = whose(cell, name) | {"protection": "bare"}
    same = (other for other, reads in read if other.attack == cell.attack and whose(other, reads) == place)
    return next((right for other in same if (right := accuracy(other, name)) is not None), None)


def best(read: list[tuple[Cell, str]], name: str) -> tuple[Cell, Interval] | None:
    """The reader that is right most often, or errs least."""
    known = [(cell, right) for cell, _ in read if (right := accuracy(cell, name)) is not None]
    return max(known, key=lambda pair: -pair[1].value if name == AGE else pair[1].value, default=None)


def strongest(read: list[tuple[Cell, str]], quick: bool) -> list[Cells]:
    """One line a system and attribute."""
    groups: dict[tuple[object, ...], list[tuple[Cell, str]]] = {}
    for cell, name in read:
        groups.setdefault(tuple(whose(cell, name).values()), []).append((cell, name))
    lines = []
    for (data, protection, cut, read_name), members in groups.items():
        name = str(read_name)
        top, plain = best(members, name), best(groups.get((data, "bare", cut, name), []), name)
        if top is None:
            continue
        cell, right = top
        areas = [area for member, _ in members if (area := member.get(f"AUC of {name}")) is not None]
        highest = max(areas, key=lambda area: area.value, default=None)
        entry = whose(cell, name) | {
            "accuracy": None if name == AGE else right,
            "years off": right if name == AGE else None,
            "bare": plain[1] if plain else None,
            "by": cell.attack,
            "knows": cell.knows,
            "highest AUC": highest,
            "faces": right.n,
            "chance": note(cell, name),
        }
        silent = quick or protection == "bare"
        said = {} if silent else {"verdict": verdict(cell, name, plain[1] if plain else None, highest)}
        lines.append(entry | said)
    return lines


def verdict(cell: Cell, name: str, plain: Interval | None, area: Interval | None) -> str:
    """What the strongest reader reads, against chance and against the unprotected device."""
    gained = leak(cell.metrics[measure(name)])
    if gained is not None and gained.low <= 0:
        return "not above chance" if area is None or area.low <= 0.5 else "above chance by AUC alone"
    against = compared(accuracy(cell, name), plain)
    if not against:
        return ""
    worse = "more" if name == AGE else "less"
    return "above chance, less than bare" if against == worse else "no less than bare, beyond the intervals"


def third_parties(read: list[tuple[Cell, str]], quick: bool) -> list[Cells]:
    """The paper's own measure: one line a system, one column an attribute."""
    lines: dict[tuple[object, ...], Cells] = {}
    for cell, name in read:
        if not cell.attack.startswith("ForeignEstimator(") or cell.facts.get("protection") == "bare":
            continue
        first = {k: v for k, v in whose(cell, name).items() if k != "reads"}
        entry = lines.setdefault(tuple(first.values()), first | dict.fromkeys(PAPER_TABLE_VIII_COLUMNS))
        entry[name] = cell.get("age difference" if name == AGE else f"CosSim of {name}")
    if quick:
        return list(lines.values())
    return [
        entry | {"verdict": against_noise(entry, lines.get((data, "noise", cut)) if protection == "PMT" else None)}
        for (data, protection, cut), entry in lines.items()
    ]


def against_noise(pmt: Cells, noise: Cells | None) -> str:
    """Of which attributes PMT's picture changes the answer more than noise does, beyond the intervals."""
    said: dict[str, list[str]] = {}
    for name in PAPER_TABLE_VIII_COLUMNS:
        ours, theirs = pmt[name], noise[name] if noise else None
        if isinstance(ours, Interval) and isinstance(theirs, Interval):
            more = compared(ours, theirs) == ("more" if name == AGE else "less")
            said.setdefault("as in the paper" if more else "differs", []).append(name)
    return "; ".join(f"{words}: {', '.join(names)}" for words, names in said.items())
