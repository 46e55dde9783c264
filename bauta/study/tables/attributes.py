"""Rows of `pmt-attributes` -> Table VIII, every reader beside the paper's, and the strongest of them."""

from __future__ import annotations

from collections.abc import Iterable

from bauta.estimators.base import MAY_HAVE_SEEN
from bauta.metrics.base import Interval
from bauta.study.found import OWNER, VIEWER, Found
from bauta.study.published import PAPER_TABLE_VIII, PAPER_TABLE_VIII_COLUMNS
from bauta.study.records import Row
from bauta.study.tables.base import Cell, Cells, Table, cells, count, failed

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
            "years. bare: the best reader of the unprotected device. The best of several is a little lucky.",
            strongest(read),
            3,
        ),
        Table(
            "attributes",
            "Every reader",
            "CosSim, age difference: the reader's answers on the protected and on the clean picture, as the paper "
            f"measures. Third parties (ForeignEstimator) {MAY_HAVE_SEEN}; our own probes have not.",
            [line(cell, name) for cell, name in read],
            3,
        ),
        Table(
            "table-viii",
            "Table VIII, measured: third parties on the picture",
            "Low CosSim and a high age difference are the paper's measures of privacy. They say how much the answer "
            "changed, not whether it is right: the accuracies of the other tables do.",
            third_parties(read),
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


def accuracy(cell: Cell, name: str) -> Interval | None:
    """How right a reader is: balanced accuracy, or years of error."""
    return cell.get("MAE of age" if name == AGE else f"balanced accuracy of {name}")


def note(cell: Cell, name: str) -> str:
    """What chance would be."""
    row = cell.metrics.get("MAE of age" if name == AGE else f"balanced accuracy of {name}")
    return row.note if row else ""


def whose(cell: Cell, name: str) -> Cells:
    """The first columns of a line."""
    facts = cell.facts
    return {"data": facts.get("data"), "protection": facts.get("protection"), "cut": facts.get("cut"), "reads": name}


def line(cell: Cell, name: str) -> Cells:
    """One reader."""
    right = accuracy(cell, name)
    return whose(cell, name) | {
        "attack": cell.attack,
        "knows": cell.knows,
        "accuracy": None if name == AGE else right,
        "AUC": cell.get(f"AUC of {name}"),
        "CosSim": cell.get(f"CosSim of {name}"),
        "years off": right if name == AGE else None,
        "age difference": cell.get("age difference") if name == AGE else None,
        "faces": count(right),
        "chance": note(cell, name),
    }


def best(read: list[tuple[Cell, str]], name: str) -> tuple[Cell, Interval] | None:
    """The reader that is right most often, or errs least."""
    known = [(cell, right) for cell, _ in read if (right := accuracy(cell, name)) is not None]
    return max(known, key=lambda pair: -pair[1].value if name == AGE else pair[1].value, default=None)


def strongest(read: list[tuple[Cell, str]]) -> list[Cells]:
    """One line a system and attribute."""
    groups: dict[tuple[object, ...], list[tuple[Cell, str]]] = {}
    for cell, name in read:
        groups.setdefault(tuple(whose(cell, name).values()), []).append((cell, name))
    lines = []
    for (data, _, cut, read_name), members in groups.items():
        name = str(read_name)
        top, plain = best(members, name), best(groups.get((data, "bare", cut, name), []), name)
        if top is None:
            continue
        cell, right = top
        lines.append(
            whose(cell, name)
            | {
                "accuracy": None if name == AGE else right,
                "years off": right if name == AGE else None,
                "bare": plain[1] if plain else None,
                "by": cell.attack,
                "knows": cell.knows,
                "faces": right.n,
                "chance": note(cell, name),
            }
        )
    return lines


def third_parties(read: list[tuple[Cell, str]]) -> list[Cells]:
    """The paper's own measure: one line a system, one column an attribute."""
    lines: dict[tuple[object, ...], Cells] = {}
    for cell, name in read:
        if not cell.attack.startswith("ForeignEstimator(") or cell.facts.get("protection") == "bare":
            continue
        first = {k: v for k, v in whose(cell, name).items() if k != "reads"}
        entry = lines.setdefault(tuple(first.values()), first | dict.fromkeys(PAPER_TABLE_VIII_COLUMNS))
        entry[name] = cell.get("age difference" if name == AGE else f"CosSim of {name}")
    return list(lines.values())
