"""Rows of `pmt-reconstruction` -> Table VI with the attackers that it leaves out, and who can still be linked."""

from __future__ import annotations

from collections.abc import Iterable

from bauta.metrics.base import Interval
from bauta.study.found import EQ10, OWNER, TAR, VIEWER, Found
from bauta.study.judge import INSIDE, STRICT_FAR
from bauta.study.presets.variants import SHALLOW
from bauta.study.published import PAPER_TABLE_VI_LFW
from bauta.study.records import Row
from bauta.study.run import OF_PICTURES
from bauta.study.tables.base import Cell, Cells, Table, cells, count, failed
from bauta.study.tradeoff import MEAN_FACE

SHOWN = 0.5  # of SSIM: a picture above it shows the face, one below a tenth nothing that we could make out
BLANK = 0.1
PERCEPTUAL = ("LPIPS", "perceptual")


def reconstruction_tables(rows: Iterable[Row]) -> list[Table]:
    """Systems, reconstructions, linkage, and the paper's table."""
    rows = list(rows)
    found, made = Found(rows), cells(rows)
    attacks = [cell for cell in made if cell.attack not in (OWNER, VIEWER)]
    pictures = [cell for cell in attacks if cell.get("COS") is not None]
    templates = [cell for cell in attacks if cell.get("AUC") is not None]
    return [
        Table(
            "systems",
            "What is attacked",
            "accepted: of the authorized recognizer, by Eq. 10 at its own LFW threshold. viewer: SSIM of what is sent "
            "as a picture with the original.",
            [system(found, name) for name in found.systems()],
            3,
        ),
        Table(
            "table-vi",
            "Table VI: reconstructions",
            "view: SSIM and PSNR of the columns that the authorized recognizer looks at; nobody can know the others "
            "from its features. COS, SRRA: by the authorized recognizer, at its own threshold and at the paper's 0.2. "
            "AUC, rank-1: of an independent recognizer that compares the reconstructions with photos. unaware "
            "attackers know nothing of the protection, aware ones train on pictures that they protect themselves. "
            "perceptual: LPIPS, or its form over an unauthorized recognizer's layers. verdict: against the paper's "
            f"SSIM on LFW; above {SHOWN:g} a face is seen, and the mean face of all people reaches "
            f"{MEAN_FACE['SSIM']:g}.",
            [reconstructed(cell, found.quick) for cell in pictures],
            3,
        ),
        Table(
            "linkage",
            "Who is who, without a picture",
            "Templates made of the leak, compared with clean photos (on both sides protected: with protected ones).",
            [linked(cell) for cell in templates],
            3,
        ),
        Table(
            "table-vi-paper",
            "Table VI on LFW, as the paper has it",
            "IR50-Softmax cut after five layers; no n and no intervals. Its black box is the unaware RecFace.",
            [
                {"protection": protection, "attack": attack}
                | dict(zip(("SSIM", "PSNR", "COS", "SRRA at 0.2"), numbers, strict=True))
                for protection, lines in PAPER_TABLE_VI_LFW.items()
                for attack, numbers in lines.items()
            ]
            if pictures
            else [],
        ),
        failed(found),
    ]


def system(found: Found, name: str) -> Cells:
    """One protected system: what it is good for, and what it shows."""
    own = found.get(name, OWNER, EQ10)
    facts = found.facts(name)
    return {
        "protection": facts.get("protection", name),
        "cut": facts.get("cut"),
        "accepted": own,
        "AUC": found.get(name, OWNER, "AUC"),
        "viewer": found.get(name, VIEWER, "SSIM"),
        "pairs": count(own),
    }


def whose(cell: Cell) -> Cells:
    """The first columns of a line."""
    return {
        "protection": cell.facts.get("protection", cell.system),
        "cut": cell.facts.get("cut"),
        "attack": cell.attack,
        "sees": cell.sees,
        "knows": cell.knows,
    }


def reconstructed(cell: Cell, quick: bool) -> Cells:
    """One attack that makes pictures."""
    similar = cell.get("SSIM")
    line = whose(cell) | {
        "SSIM": similar,
        "SSIM, view": cell.get(f"SSIM{INSIDE}"),
        "PSNR": cell.get("PSNR"),
        "PSNR, view": cell.get(f"PSNR{INSIDE}"),
        "perceptual": perceptual(cell),
        "COS": cell.get("COS"),
        "SRRA": cell.get("SRRA"),
        f"SRRA at FAR {STRICT_FAR:g}": cell.get(f"SRRA at FAR {STRICT_FAR:g}"),
        "SRRA at 0.2": cell.get("SRRA at 0.2"),
        "AUC": cell.get(f"AUC{OF_PICTURES}"),
        "rank-1": cell.get(f"rank-1{OF_PICTURES}"),
        "faces": count(similar),
    }
    return line if quick else line | {"verdict": verdict(cell, cell.get(f"SSIM{INSIDE}") or similar)}


def perceptual(cell: Cell) -> Interval | None:
    """How far the pictures are from the originals to a network's layers."""
    return next((cell.get(metric) for metric in cell.metrics if metric.startswith(PERCEPTUAL)), None)


def verdict(cell: Cell, similar: Interval | None) -> str:
    """What the picture shows, beside what the paper says of it."""
    if similar is None:
        return ""
    if similar.low > SHOWN:
        shows = "a face is seen"
    elif similar.high < BLANK:
        shows = "no face"
    else:
        shows = "less than the mean face" if similar.high < MEAN_FACE["SSIM"] else "traces"
    paper = PAPER_TABLE_VI_LFW.get(str(cell.facts.get("protection")), {}).get(cell.attack.split("(")[0])
    if paper is None or cell.knows != "unaware" or cell.facts.get("cut") != SHALLOW:
        return f"{shows}; not in the paper"
    return f"{shows}; {paper[0]:g} in the paper"


def linked(cell: Cell) -> Cells:
    """One attack that makes templates."""
    area = cell.get("AUC")
    return whose(cell) | {
        "AUC": area,
        "TAR at FAR 0.01": cell.get(TAR),
        "rank-1": cell.get("rank-1"),
        "people": count(cell.get("rank-1")),
        "pairs": count(area),
    }
