"""Rows of `frequency` -> what each scheme costs and leaks, and whether the published order of leaks is found again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from bauta.metrics.base import Interval
from bauta.study.found import OWNER, Found, most
from bauta.study.presets.frequency import BYTES, CLIENT_TIME, TRAINER
from bauta.study.presets.frequencynetworks import TWIN
from bauta.study.published import (
    FREQUENCY_ACCURACY,
    FREQUENCY_ACCURACY_COLUMNS,
    FREQUENCY_RECOVERY,
    FREQUENCY_STORAGE,
)
from bauta.study.records import Row
from bauta.study.run import OF_PICTURES
from bauta.study.tables.base import Cell, Cells, Table, cells, compared, count, failed, percent
from bauta.study.tables.reconstruction import linked
from bauta.study.verification import ACCURACY, LOST, TAR

LINEAR, LEARNED = "LinearInversion(", "RecFace("
LEAKS_MOST_FIRST = tuple(FREQUENCY_RECOVERY["MinusFace"])
LIGHT = (
    "Gray pictures are under a random color cast, one a picture, the same for the twin and the attackers; cast: how "
    "strong, 0 for pictures in true color. "
)
WORDS = {"more": "as published", "less": "the other way round", "alike": "not told apart"}


def frequency_tables(rows: Iterable[Row]) -> list[Table]:
    """Recognition, training, recovery, the order of leaks, linkage, cost, and what the papers print."""
    rows = list(rows)
    found = Found(rows)
    attacks = [cell for cell in cells(rows) if cell.attack not in (OWNER, TRAINER)]
    pictures = [cell for cell in attacks if cell.get("SSIM") is not None]
    return [
        Table(
            "recognition",
            "What each scheme costs the recognizer",
            f"Percent, folds of people that no network learned from, both pictures protected. {LIGHT}lost: to the "
            "unprotected twin on the same pairs, in points. published: LFW by IR-50 on MS1M, no match for networks "
            "that learned from some thousand gray pictures.",
            [recognition(found, name) for name in found.systems() if found.get(name, OWNER, ACCURACY) is not None],
        ),
        Table(
            "training",
            "Learning curves",
            "Percent, on the same pairs after each epoch. It chooses nothing: the last epoch's network counts.",
            [line for name in found.systems() for line in curve(found, name)],
        ),
        Table(
            "recovery",
            "Pictures out of what crosses the wire",
            f"Low is private. {LIGHT}The attackers hold none of the victims' people and none that a network learned "
            "from. has the keys: the papers' white-box attacker; where a scheme has no keys, knowing it is the same. "
            "aware: keys of his own, the black-box one. has the draw: of each picture, the enhanced white-box one. "
            "PPFR-FD's and PartialFace's channels give InverseDCT no contrast, and a gray field has an SSIM too. "
            "COS: to the unprotected twin. verification: "
            "percent of the pairs that a recognizer, which took no part, decides rightly with the reconstruction for "
            "the first picture; 50 is chance. published: by a white-box U-Net (PartialFace, Table 3; MinusFace).",
            [recovered(cell) for cell in pictures],
            3,
        ),
        Table(
            "order",
            "The published order of leaks: DuetFace, PPFR-FD, DCTDP, PartialFace, MinusFace",
            "By SSIM under the cast. as published: the interval of the one that should leak more lies above the "
            "other's. The best attacker is the luckiest of several, so his number is a little high.",
            order(pictures, found.quick),
            3,
        ),
        Table(
            "linkage",
            "Who is who, without a picture",
            "Templates that a student makes of the protected channels, compared with clean photos.",
            [linked(cell) for cell in attacks if cell.get("AUC") is not None],
            3,
        ),
        Table(
            "cost",
            "What the client pays for a face",
            "milliseconds: one face at a time, on the machine of the study. KB: as 32-bit numbers. times: in units of "
            "MinusFace's picture, here and as MinusFace prints it; DuetFace sends four masks beside its channels.",
            [paid(found, name) for name in found.systems() if found.get(name, OWNER, CLIENT_TIME) is not None],
        ),
        Table(
            "published",
            "What the papers print of accuracy",
            "MinusFace's Table 1, IR-50 on MS1M: percent, and TPR at an FPR of 1e-4 on IJB. No n, no intervals.",
            [
                {"protection": name} | dict(zip(FREQUENCY_ACCURACY_COLUMNS, numbers, strict=True))
                for name, numbers in FREQUENCY_ACCURACY.items()
            ]
            if pictures
            else [],
        ),
        failed(found),
    ]


def recognition(found: Found, name: str) -> Cells:
    """One network."""
    facts, accuracy = found.facts(name), found.get(name, OWNER, ACCURACY)
    return {
        "protection": name,
        "accuracy": percent(accuracy),
        "accuracy lost": percent(found.get(name, OWNER, ACCURACY + LOST)),
        TAR: percent(found.get(name, OWNER, TAR)),
        f"{TAR} lost": percent(found.get(name, OWNER, TAR + LOST)),
        "pairs": count(accuracy),
        "cast": facts.get("cast"),
        "published": FREQUENCY_ACCURACY.get(name, (None,))[0],
    }


def curve(found: Found, name: str) -> list[Cells]:
    """One network's accuracy by epoch."""
    epochs = [metric for system, who, metric in found.by if (system, who) == (name, TRAINER) and "epoch" in metric]
    if not epochs:
        return []
    seconds = found.get(name, TRAINER, "seconds of training")
    line: Cells = {"protection": name, "recipe": found.facts(name).get("recipe")}
    line |= {f"epoch {metric.rpartition(' ')[2]}": percent(found.get(name, TRAINER, metric)) for metric in epochs}
    return [line | {"minutes": None if seconds is None else seconds.value / 60}]


def recovered(cell: Cell) -> Cells:
    """One attack that draws pictures."""
    name = str(cell.facts.get("protection", cell.system))
    similar, verified = cell.get("SSIM"), cell.get(f"verification{OF_PICTURES}")
    printed = FREQUENCY_RECOVERY["PartialFace"].get(name) or FREQUENCY_RECOVERY["MinusFace"].get(name)
    return {
        "protection": name,
        "data": cell.facts.get("data"),
        "attack": cell.attack,
        "knows": cell.knows,
        "SSIM": similar,
        "PSNR": cell.get("PSNR"),
        "COS": cell.get("COS"),
        "verification": percent(verified),
        "AUC": cell.get(f"AUC{OF_PICTURES}"),
        "rank-1": cell.get(f"rank-1{OF_PICTURES}"),
        "faces": count(similar),
        "cast": cell.facts.get("cast"),
        "published": "" if printed is None or not white_box(cell) else words(printed),
    }


def words(printed: tuple[float, float, float | None]) -> str:
    """The papers' numbers in one cell."""
    similar, ratio, verified = printed
    return f"SSIM {similar:g}, PSNR {ratio:g}" + ("" if verified is None else f", verification {verified:g}")


def white_box(cell: Cell) -> bool:
    """Whether this is the attacker of the papers' tables."""
    return cell.attack.startswith(LEARNED) and cell.knows == "has the keys"


VIEWS: dict[str, Callable[[Cell], bool]] = {
    "U-Net with the keys, as in the papers": white_box,
    "the best without linear inversion": lambda cell: not cell.attack.startswith(LINEAR),
    "the best of all": lambda cell: True,
}


def order(pictures: Sequence[Cell], quick: bool) -> list[Cells]:
    """Each two neighbors of the published order, by three choices of attackers; a quick run has no verdict."""
    own = [cell for cell in pictures if "data" not in cell.facts]
    made: list[Cells] = []
    for view, counts in VIEWS.items():
        leaks = {name: leak([c for c in own if c.system == name and counts(c)]) for name in LEAKS_MOST_FIRST}
        for one, other in pairwise(LEAKS_MOST_FIRST):
            (first, by), (second, other_by) = leaks[one], leaks[other]
            verdict = WORDS.get(compared(first, second))
            if verdict is None:
                continue
            line: Cells = {"cell": view, "leaks more": one, "than": other, "SSIM": first, "other SSIM": second}
            line |= {"by": by, "other by": other_by}
            made.append(line if quick else line | {"verdict": verdict})
    return made


def leak(attackers: Iterable[Cell]) -> tuple[Interval | None, str]:
    """The highest SSIM that these attackers reach, and who reaches it."""
    reached = most([(f"{c.attack}, {c.knows}", i) for c in attackers if (i := c.get("SSIM")) is not None])
    return (None, "") if reached is None else (reached[1], reached[0])


def paid(found: Found, name: str) -> Cells:
    """One client."""
    sent, least = (found.get(who, OWNER, BYTES) for who in (name, "MinusFace"))
    return {
        "protection": name,
        "milliseconds": found.get(name, OWNER, CLIENT_TIME),
        "faces": count(found.get(name, OWNER, CLIENT_TIME)),
        "KB": None if sent is None else sent.value / 1024,
        "times": None if sent is None or least is None else sent.value / least.value,
        "times, published": FREQUENCY_STORAGE.get(name),
        "note": "the picture itself would do" if name == TWIN else "",
    }
