"""A study's folder -> the document of its report: what was measured, and no verdicts, which only an audit gives."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bauta import zoo
from bauta.errors import BadFile, MissingData
from bauta.faces.images import encode_png, write_bytes
from bauta.metrics import SSIM
from bauta.metrics.base import Interval
from bauta.study import records
from bauta.study.audit.document import Curve, Document, GalleryRow, Line, Picture, Point
from bauta.study.declared import declared
from bauta.study.found import Found
from bauta.study.gallery import ORIGINAL, PROTECTED, safe, shown
from bauta.study.records import Row
from bauta.study.sanity import is_bare, sanity
from bauta.study.tables import curves, depth_rows, study_of, tables
from bauta.study.tables.map2v import query_curves
from bauta.study.tradeoff import Net, net_utility
from bauta.types import Images

ROWS, SETTINGS, FACES = "rows.jsonl", "settings.json", "faces"
SHOWN = 5  # people in a gallery
WORDS = {PROTECTED: "protected, as a viewer sees it"}
DEPTH = {
    "authorized": "authorized recognizer",
    "foreign_raw": "worst foreign recognizer",
    "foreign_purified": "worst foreign recognizer, purified",
    "client_holder": "holder of the client part",
}
Points = Iterable[tuple[float, Interval | None]]


def reported(folder: Path, *, faces: bool = True) -> Document:
    """Everything that a study's folder holds, as a report shows it.

    faces: whether pictures of people are shown; they are then written to `folder`/faces, whence the page takes them.
    Raises `MissingData` without rows, `BadFile` for settings or pictures that are none.
    """
    rows = list(records.read(folder / ROWS))
    if not rows:
        raise MissingData(f"There are no rows in {folder / ROWS}; run the study first.")
    settings = stated(folder / SETTINGS)
    measured = [row for row in rows if row.value is not None]
    net = net_utility(measured)
    versions = settings.pop("versions", {})
    when = datetime.fromtimestamp((folder / ROWS).stat().st_mtime).astimezone()
    return Document(
        title=f"Study {settings.get('study', study_of(rows))}",
        made=f"last measured on {when:%Y-%m-%d at %H:%M}",
        summary=summary(measured, settings, net),
        verdicts=(),
        points=[point(system, found, measured) for system, found in net.items()],
        curves=every_curve(measured),
        histograms=(),
        gallery=galleries(folder) if faces else (),
        threats=declared(rows),
        tables=tables(rows),
        flags=sanity(rows),
        cuts=("This was a quick run, which is there to see a study work: its numbers say nothing.",)
        if settings.get("quick")
        else (),
        absent=without_point(measured, net),
        settings=settings,
        versions={str(name): str(version) for name, version in dict(versions).items()},
        weights=digests(rows),
        faces_left_out=not faces,
    )


def stated(path: Path) -> dict[str, Any]:
    """The settings of a study, none if they are not there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path} holds no settings of a study ({error}); delete it and run the study again.") from error
    if not isinstance(found, dict) or not isinstance(found.get("versions", {}), dict):
        raise BadFile(f"{path} holds no settings of a study, but {found!r:.40}; delete it and run the study again.")
    return found


def summary(rows: Sequence[Row], settings: Mapping[str, object], net: Mapping[str, Net]) -> list[str]:
    """What was measured, and what is left of the best and of the bare system."""
    systems = {row.system for row in rows}
    attacks = {row.attack for row in rows if row.role == "attack"}
    on = f", on {settings['data']}" if "data" in settings else ""
    said = [f"{len(systems)} systems under {len(attacks)} attacks{on}: {len(rows):,} numbers, each with its interval."]
    hidden = {system: found for system, found in net.items() if not bare(system, rows)}
    if hidden:
        best = max(hidden, key=lambda system: (hidden[system].net.value, system))
        found = hidden[best]
        which = f"Of the {len(hidden)} protected systems {best} leaves most use over leak" if len(hidden) > 1 else best
        said.append(
            f"{which}: utility {number(found.utility)}, worst leak {number(found.worst.leak)}, which is of "
            f"{found.kind} and by {found.worst.row.attack}."
        )
    return said


def number(found: Interval) -> str:
    """A number with its interval, in a sentence."""
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def bare(system: str, rows: Iterable[Row]) -> bool:
    """Whether nothing protects a system."""
    return next((is_bare(row) for row in rows if row.system == system), False)


def point(system: str, found: Net, rows: Iterable[Row]) -> Point:
    """A system in the plane of use and leak."""
    return Point(system, found.utility, found.worst.leak, found.kind, found.worst.row.attack, bare=bare(system, rows))


def without_point(rows: Iterable[Row], net: Mapping[str, Net]) -> list[tuple[str, str]]:
    """The systems that lack a utility or a leak, so that they are nowhere among use and leak."""
    systems = dict.fromkeys(row.system for row in rows)
    why = "its utility and a leak were not both measured, so that it is not set against the others"
    return [(system, why) for system in systems if net and system not in net]


def every_curve(rows: Sequence[Row]) -> list[Curve]:
    """Accuracy against depth, whatever the study plots against noise, and leaks against queries."""
    found, made = Found(rows), []
    for name in found.chosen():
        cuts = depth_rows(found, name)
        if len(cuts) > 1:
            series = {
                words: [(float(str(cut["cut"])), interval(cut.get(key))) for cut in cuts]
                for key, words in DEPTH.items()
            }
            made.append(
                Curve(
                    f"depth-{name}",
                    f"Depth of the cut, {name}",
                    "layers that the client holds",
                    "accuracy (Eq. 10)",
                    lines(series),
                    note=", ".join(f"{cut['cut']}: {cut['layer']}" for cut in cuts if cut.get("layer")),
                )
            )
    for curve in curves(rows):
        what = f"standard deviation of noise on {curve.on}"
        made.append(Curve(curve.name, curve.title, what, curve.ylabel, lines(curve.series)))
    for system, asked in query_curves(rows).items():
        name, what = f"queries-{safe(system)}", "queries of each person"
        made.append(Curve(name, system, what, "PSI (%), 50 is chance", lines(asked), log_x=True))
    return [curve for curve in made if curve.lines]


def interval(cell: object) -> Interval | None:
    """A cell of a table, if it is a measurement."""
    return cell if isinstance(cell, Interval) else None


def lines(series: Mapping[str, Points]) -> list[Line]:
    """Lines with bands, of what was measured."""
    made = []
    for label, points in series.items():
        there = sorted((x, y.value, y.low, y.high) for x, y in points if y is not None and math.isfinite(y.value))
        if there:
            made.append(Line(label, *(tuple(axis) for axis in zip(*there, strict=True))))
    return made


def galleries(folder: Path) -> list[GalleryRow]:
    """The pictures that a study has kept, each as a PNG below `folder`, with its SSIM to the original."""
    made = []
    for system, rows in shown(folder, SHOWN).items():
        truth = rows[ORIGINAL]
        for label, images in rows.items():
            scores = None if label == ORIGINAL else SSIM(images.nan_to_num(), truth)
            made.append(
                GalleryRow(system, WORDS.get(label, label), pictures(folder, f"{system} {label}", images, scores))
            )
    return made


def pictures(folder: Path, name: str, images: Images, scores: Tensor | None) -> list[Picture]:
    """One line of a gallery; who is not there has an empty place."""
    made = []
    for place, image in enumerate(images):
        who = f"person {place + 1}"
        if not bool(torch.isfinite(image).all()):
            made.append(Picture("", who))
            continue
        file = f"{FACES}/{safe(name)}-{place + 1}.png"
        write_bytes(folder / file, encode_png(image))
        made.append(Picture(file, who, {} if scores is None else {"SSIM": f"{float(scores[place]):.2f}"}))
    return made


def digests(rows: Iterable[Row]) -> dict[str, str]:
    """The SHA-256 of the files of every recognizer that a row names."""
    text = "\n".join(sorted({f"{row.system}\n{row.attack}" for row in rows}))
    words = set(re.findall(r"[\w.-]+", text))
    return {
        f"{record.name}, {Path(file.name).name}": file.sha256
        for record in (*zoo.WEIGHTS, *zoo.registered_weights())
        if record.name in words
        for file in record.files
        if file.sha256 is not None
    }
