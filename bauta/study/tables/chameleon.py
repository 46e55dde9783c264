"""Rows of `chameleon` -> who is found by side, after files and by whom who knows the mask; what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bauta.metrics.base import Interval, wilson
from bauta.study.found import Found, interval
from bauta.study.published import CHAMELEON_RECALL, PROTEGO_UNPROTECTED
from bauta.study.records import Row
from bauta.study.retrieval import BORROWED, CROWD, OTHERS_MASK, SIDES
from bauta.study.tables.base import Cells, Table, failed, percent

NOBODY = "none"


class Key(NamedTuple):
    """Where a number stands: data set, protection, who is protected, what happened to the pictures."""

    data: str
    protection: str
    side: str
    after: str


class Numbers:
    """The rows of the study by `Key`, recognizer and metric."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = [row for row in rows if row.value is not None]
        self.numbers: dict[tuple[Key, str, str], Interval | None] = {}
        self.lines: dict[tuple[str, str], None] = {}
        self.readers: dict[str, None] = {}
        self.treatments: dict[str, None] = {}
        for row in self.rows:
            facts = {
                name: str(row.settings.get(name, "")) for name in ("data", "protection", "side", "file", "cleaned")
            }
            key = Key(facts["data"], facts["protection"], facts["side"], facts["cleaned"] or facts["file"])
            self.numbers[key, row.attack, row.metric] = spread(row)
            self.lines[key.data, key.protection] = None
            if facts["cleaned"]:
                self.treatments[facts["cleaned"]] = None
            elif facts["file"]:
                self.readers[row.attack] = None

    def get(self, data: str, protection: str, side: str, after: str, reader: str, metric: str) -> Interval | None:
        """A number; where nobody is protected, one for all sides, as long as no service had the files of one."""
        if protection == NOBODY and after == "PNG":
            side = "nobody"
        return self.numbers.get((Key(data, protection, side, after), reader, metric))

    def files(self) -> list[str]:
        """What happened to pictures on their way, in order."""
        found = {str(row.settings["file"]): None for row in self.rows if "file" in row.settings}
        return list(found)


def spread(row: Row) -> Interval | None:
    """A row's number. Where everybody's rate is 0, or 1, all draws are equal: only their number says how sure it is."""
    rate = row.metric.startswith(("rank-", "TAR@", *BORROWED))
    return wilson(round(row.value * row.n), row.n) if rate and row.value in (0, 1) and row.n else interval(row)


def chameleon_tables(rows: Iterable[Row]) -> list[Table]:
    """Retrieval by side, the worst person, after files, under attack, costs; the published figures."""
    rows = list(rows)
    numbers = Numbers(rows)
    judges = [
        r for r in numbers.readers if any(k.after not in ("", "PNG") for k, who, _ in numbers.numbers if who == r)
    ]
    judges = judges or list(numbers.readers)
    team = [r for r in numbers.readers if r not in judges]
    what = "Percent of probes whose nearest photo in the gallery is of the same person, mean over people."
    return [
        Table(
            "crowd",
            "Rank-1 in a crowd, by who is protected",
            f"{what} The gallery holds everybody's photos and those of a crowd. Recognizers outside of the team.",
            [by_side(numbers, line, judges, f"rank-1{CROWD}") for line in numbers.lines],
        ),
        Table(
            "closed",
            "Rank-1 among the people alone, by who is protected",
            f"{what} Nobody else is in the gallery, so that a far neighbor is enough.",
            [by_side(numbers, line, judges, "rank-1") for line in numbers.lines],
        ),
        Table(
            "worst-person",
            "Rank-1 in a crowd of the person who is protected least",
            "Percent; in brackets Wilson's interval on that person's probes.",
            [by_side(numbers, line, judges, f"rank-1{CROWD}, worst person") for line in numbers.lines],
        ),
        Table(
            "more",
            "Rank-5 in a crowd, and TAR at a FAR of 0.001, probes protected",
            "Percent, mean over people, each at a threshold of their own.",
            [more(numbers, line, judges) for line in numbers.lines],
        ),
        Table(
            "team",
            "Rank-1 in a crowd by the members of the team, probes protected",
            "Percent. The team sees the masks that were made against it: not what counts.",
            [whose(line) | ranks(numbers, line, "probe", "PNG", team) for line in numbers.lines] if team else [],
        ),
        Table(
            "files",
            "Rank-1 in a crowd after what services do to files",
            "Percent; all recognizers outside of the team, the highest counts. PNG is the file as it was written. "
            "Files of who is not protected go the same way.",
            [after_files(numbers, line, side, judges) for line in numbers.lines for side in ("probe", "both")],
        ),
        Table(
            "attacks",
            "Rank-1 in a crowd after somebody tried to take the mask off, probes protected",
            "Percent. SSIM: with the photo before protection. The key is the person's own mask.",
            attacked(numbers, judges),
        ),
        Table(
            "borrowed",
            "Another person under the same mask, in a crowd",
            "Percent of a person's probes that carry the next person's mask, whose own photos carry it too: how many "
            "are taken for the mask's owner, and how many are found as who they show.",
            [cells for line in numbers.lines for cells in borrowed(numbers, line, judges)],
        ),
        Table(
            "costs",
            "How visible, and how long",
            "SSIM, PSNR and largest change (of 255 levels): of photos that were not learned from.",
            [costs(numbers, line) for line in numbers.lines if line[1] != NOBODY],
            digits=3,
        ),
        Table(
            "published",
            "Recall when both sides are protected, as Protego states it",
            "Percent, of 20 people, by another recognizer on other data: beside our table and not one with it, without "
            "intervals. P3-Mask's own tables are not at hand.",
            published() if numbers.lines else [],
        ),
        failed(Found(rows)),
    ]


def whose(line: tuple[str, str]) -> Cells:
    """The first columns."""
    return {"data": line[0], "protection": line[1]}


def ranks(numbers: Numbers, line: tuple[str, str], side: str, after: str, readers: Sequence[str]) -> Cells:
    """A column a recognizer."""
    return {r: percent(numbers.get(*line, side, after, r, f"rank-1{CROWD}")) for r in readers}


def by_side(numbers: Numbers, line: tuple[str, str], readers: Sequence[str], metric: str) -> Cells:
    """A column for each side and recognizer."""
    cells = whose(line)
    for side in SIDES:
        for reader in readers:
            cells[f"{side}: {reader}"] = percent(numbers.get(*line, side, "PNG", reader, metric))
    return cells


def more(numbers: Numbers, line: tuple[str, str], readers: Sequence[str]) -> Cells:
    """Rank-5 and the true accept rate."""
    cells = whose(line)
    for name, metric in (("rank-5", f"rank-5{CROWD}"), ("TAR", "TAR@FAR=0.001")):
        for reader in readers:
            cells[f"{name}: {reader}"] = percent(numbers.get(*line, "probe", "PNG", reader, metric))
    return cells


def after_files(numbers: Numbers, line: tuple[str, str], side: str, readers: Sequence[str]) -> Cells:
    """A column a file; the recognizer that finds most."""
    cells = whose(line) | {"protected": side}
    for file in numbers.files():
        found = [i for r in readers if (i := numbers.get(*line, side, file, r, f"rank-1{CROWD}")) is not None]
        cells[file] = percent(max(found, key=lambda i: i.value, default=None))
    return cells


def attacked(numbers: Numbers, readers: Sequence[str]) -> list[Cells]:
    """Each treatment of each protection; untouched first."""
    lines = []
    for line in numbers.lines:
        if line[1] == NOBODY:
            continue
        first = ranks(numbers, line, "probe", "PNG", readers)
        lines.append(whose(line) | {"attack": "-"} | first | {"SSIM": numbers.get(*line, "", "", "a viewer", "SSIM")})
        for name in numbers.treatments:
            cells = ranks(numbers, line, "probe", name, readers)
            if any(value is not None for value in cells.values()):
                seen = numbers.get(*line, "", name, "a viewer", "SSIM")
                lines.append(whose(line) | {"attack": name} | cells | {"SSIM": seen})
    return lines


def borrowed(numbers: Numbers, line: tuple[str, str], readers: Sequence[str]) -> Iterator[Cells]:
    """One line, where it was asked."""
    cells = whose(line)
    for metric in BORROWED:
        for reader in readers:
            cells[f"{metric}: {reader}"] = percent(numbers.get(*line, OTHERS_MASK, "", reader, f"{metric}{CROWD}"))
    if any(cells[name] is not None for name in cells if name not in ("data", "protection")):
        yield cells


def costs(numbers: Numbers, line: tuple[str, str]) -> Cells:
    """What a viewer sees, and seconds."""
    cells = whose(line)
    for metric in ("SSIM", "PSNR", "largest change, levels", "seconds to learn a person", "seconds to apply"):
        cells[metric] = numbers.get(*line, "", "", "a viewer", metric)
    for row in numbers.rows:
        if (row.settings.get("data"), row.settings.get("protection")) == line and row.metric.startswith("seconds"):
            cells[row.metric] = row.value
    return cells


def published() -> list[Cells]:
    """Of FaceScrub; what is inferred says so."""
    lines: list[Cells] = [{"protection": NOBODY, "recall": PROTEGO_UNPROTECTED}]
    return lines + [{"protection": name, "recall": value} for name, value in CHAMELEON_RECALL.items()]
