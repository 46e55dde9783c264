"""The parts of a report that are no charts: verdicts, pictures, threat models, cautions, tables and settings."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bauta.errors import BadFile
from bauta.report.charts import gauge
from bauta.report.markup import Markup, join, tag
from bauta.report.table import shown
from bauta.report.tabular import boxed, facts, flat, tabular
from bauta.study.audit.verdicts import HALF, HOLDS, LEAKS, LITTLE, NOT_SHOWN, NOT_THERE, OPEN, SOME, UNCLEAR

if TYPE_CHECKING:
    from bauta.study.audit.document import Document, GalleryRow, Picture, Threat, Verdict
    from bauta.study.sanity import Flag
    from bauta.study.tables.base import Table

DEEP = 2  # settings further down are folded away
PNG = b"\x89PNG\r\n\x1a\n"

# How a verdict is drawn, each with an outline of its own: color alone says nothing.
GOOD, CAUTION, BAD, UNKNOWN, ABSENT = "good", "caution", "bad", "unknown", "absent"
ICONS = {
    GOOD: "M12 2a10 10 0 1 0 0 20a10 10 0 1 0 0-20zM6.5 12.5l3.5 3.5l7.5-8",
    CAUTION: "M12 2.5L22.5 21H1.5zM12 9v6M12 17.4v1.2",
    BAD: "M8 2h8l6 6v8l-6 6H8l-6-6V8zM8 8l8 8M16 8l-8 8",
    UNKNOWN: "M4 4h16v16H4zM9.5 9.5a2.6 2.6 0 1 1 2.5 3.4v1.4M12 16.6v1.2",
    ABSENT: "M5 12h14",
}
# A verdict's word -> how it is drawn, and what it claims.
LEVELS = {
    OPEN: (BAD, f"the strongest attacker has at least half of what is there to know: a leak of {HALF:g} or more"),
    LEAKS: (CAUTION, f"he has something of it: the lower end of the interval is above {SOME:g}"),
    HOLDS: (
        GOOD,
        f"of all attacks that were run none got far: the upper end is at most {LITTLE:g}, and the attacks did succeed "
        "where nothing is protected. It is no proof that there is no better attack",
    ),
    UNCLEAR: (UNKNOWN, "the interval allows both"),
    NOT_SHOWN: (UNKNOWN, "no attack was run, or none succeeds where nothing is protected, so that its failure is none"),
    NOT_THERE: (ABSENT, "nothing of this kind leaves the device"),
}


def level(verdict: Verdict) -> str:
    """How a verdict is drawn."""
    return LEVELS[verdict.word][0] if verdict.word in LEVELS else UNKNOWN


def icon(level: str) -> Markup:
    """A sign for how a verdict stands, told apart by its outline; the word stands beside it."""
    drawn = tag("path", d=ICONS[level])
    return tag("svg", drawn, viewBox="0 0 24 24", class_="icon", aria_hidden="true")


def verdicts(found: Sequence[Verdict]) -> Markup:
    """All systems against all threats at a glance, then each in words."""
    threats, systems = (list(dict.fromkeys(getattr(v, name) for v in found)) for name in ("threat", "system"))
    cells = {(v.system, v.threat): v for v in found}
    head = tag("tr", tag("th", "system", scope="col"), *(tag("th", threat, scope="col") for threat in threats))
    body = [
        tag(
            "tr",
            tag("th", system, scope="row"),
            *(glance(cells.get((system, threat))) for threat in threats),
        )
        for system in systems
    ]
    table = tag(
        "table",
        tag("caption", "Every system against every threat", class_="unseen"),
        tag("thead", head),
        tag("tbody", *body),
        class_="glance",
    )
    long = [
        tag(
            "div",
            tag("h3", f"Against {threat}"),
            tag("div", *(judged(v) for v in found if v.threat == threat), class_="judged"),
            class_="threat",
        )
        for threat in threats
    ]
    words = [
        tag(
            "li",
            icon(LEVELS[word][0]),
            tag("span", tag("strong", word), f": {LEVELS[word][1]}."),
            class_=LEVELS[word][0],
        )
        for word in LEVELS
        if any(v.word == word for v in found)
    ]
    beside = tag("div", *long, class_="judged" if len(systems) == 1 else None)
    return join(boxed(table, "Every system against every threat"), tag("ul", *words, class_="words"), beside)


def glance(verdict: Verdict | None) -> Markup:
    """One cell of the overview."""
    if verdict is None:
        return tag("td", "-")
    worst = "" if verdict.worst is None else f"{verdict.worst.value:.2f}"
    words = join(icon(level(verdict)), tag("span", verdict.word), tag("span", worst, class_="worst"))
    return tag("td", tag("div", words, class_=f"badge {level(verdict)}"))


def judged(verdict: Verdict) -> Markup:
    """One verdict in words, with the worst case and its interval."""
    numbers = join()
    if verdict.worst is not None:
        words = f"worst leak{f' of {verdict.kind}' if verdict.kind else ''} {shown(verdict.worst, 2)}"
        numbers = tag("p", gauge(verdict.worst, verdict.bare), tag("span", words), class_="numbers")
    return tag(
        "article",
        tag("p", icon(level(verdict)), tag("strong", f"{verdict.system}: {verdict.word}"), class_="word"),
        tag("p", verdict.sentence),
        numbers,
        class_=f"verdict {level(verdict)}",
    )


def gallery(rows: Sequence[GalleryRow], folder: Path) -> Markup:
    """One table of pictures a system: a column is a person, a line what was seen of them or made of it."""
    if not rows:
        return join()
    systems = dict.fromkeys(row.system for row in rows)
    albums = (album(system, [row for row in rows if row.system == system], folder) for system in systems)
    return tag("div", *albums, class_="albums")


def album(system: str, rows: Sequence[GalleryRow], folder: Path) -> Markup:
    """The pictures of one system."""
    wide = max(len(row.pictures) for row in rows)
    lines = [
        tag(
            "tbody",
            tag("tr", tag("th", tag("span", row.label), colspan=str(max(1, wide)), scope="rowgroup")),
            tag("tr", *(tag("td", picture(row, one, folder)) for one in row.pictures)),
        )
        for row in rows
    ]
    caption = f"Pictures of {system}"
    table = tag("table", tag("caption", caption, class_="unseen"), *lines, class_="album")
    return tag("div", tag("h3", system), boxed(table, caption))


def picture(row: GalleryRow, one: Picture, folder: Path) -> Markup:
    """A picture with its scores under it; the file goes into the page."""
    if not one.file:
        return join()
    said = f"{row.label}: {one.label}" if one.label else row.label
    lines = [tag("div", tag("dt", name), tag("dd", value)) for name, value in one.scores.items()]
    below = tag("dl", *lines) if lines else join()
    image = tag("img", src=inlined(folder, one.file), alt=said, title=said, width="112")
    return tag("figure", image, tag("figcaption", below)) if lines else tag("figure", image)


def inlined(folder: Path, name: str) -> str:
    """A PNG below `folder` as a data URI. Raises `BadFile` for what lies elsewhere or is no PNG."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise BadFile(f"A report shows pictures of its own folder {folder}, but {name!r} lies outside of it.")
    try:
        read = path.read_bytes()
    except OSError as error:
        raise BadFile(f"The picture {path} cannot be read ({error}); make the report again.") from error
    if not read.startswith(PNG):
        raise BadFile(f"{path} is no PNG, which a report's pictures are; make the report again.")
    return f"data:image/png;base64,{base64.b64encode(read).decode()}"


def threats(found: Sequence[Threat]) -> Markup:
    """What each attacker sees, may do, knows and holds."""
    rows = [
        {
            "attack": threat.attack,
            "who": threat.threat or None,
            "sees": threat.sees or None,
            "may": threat.access or None,
            "knows": threat.knows or None,
            "holds": threat.holds or None,
            "run": "yes" if threat.run else f"no: {threat.why_not}",
        }
        for threat in found
    ]
    return tabular(rows, "What each attacker sees, may do, knows and holds")


def flags(found: Sequence[Flag]) -> Markup:
    """What makes numbers say less than they seem to."""
    return tabular([{"where": flag.cell, "why": flag.what} for flag in found], "What wants caution")


def tables(found: Sequence[Table]) -> Markup:
    """All tables, folded; a script can sort them."""
    note = tag("p", "Tables that are folded are not printed; they are in the file.", class_="printed")
    return join(note, *(folded(table) for table in found))


def folded(table: Table) -> Markup:
    """One table under its title."""
    return tag(
        "details",
        tag("summary", tag("h3", table.title), tag("span", lines(table.rows), class_="note")),
        tag("p", table.note, class_="note") if table.note else join(),
        tabular(table.rows, table.title, digits=table.digits),
        class_="table",
    )


def lines(rows: Sequence[object]) -> str:
    """How many there are."""
    return "1 line" if len(rows) == 1 else f"{len(rows)} lines"


def measured_with(document: Document) -> Markup:
    """What was made smaller, what was not run, and every setting, version and digest."""
    settings = flat(document.settings)
    near = [(", ".join(path), value) for path, value in settings if len(path) <= DEEP]
    deep = [(", ".join(path), value) for path, value in settings if len(path) > DEEP]
    parts = []
    if document.cuts:
        parts += [tag("h3", "What the time budget made smaller"), tag("ul", *(tag("li", cut) for cut in document.cuts))]
    if document.absent:
        rows = [{"what": what, "why": why} for what, why in document.absent]
        parts += [tag("h3", "What was not run"), tabular(rows, "What was not run")]
    for title, given in (
        ("Settings", near),
        ("Versions", list(document.versions.items())),
        ("Weights, by SHA-256", list(document.weights.items())),
    ):
        if given:
            parts += [tag("h3", title), facts(given, title)]
        if title == "Settings" and deep:
            parts.append(tag("details", tag("summary", f"{lines(deep)} of detail"), facts(deep, "Settings in detail")))
    return join(*parts)
