"""The report: one HTML file that needs no network and no script, and that a script of its own makes handier.

The page's own style sheet and script are let in by their digests and everything else is kept out by its
content-security policy, so that a name in a row could not act even if it were not escaped. It holds real faces wherever
its document names pictures: it is its user's own file.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from bauta.report.figures import curve_figure, frontier_figure, grid, histogram_figure
from bauta.report.markup import Markup, join, tag
from bauta.report.sections import flags, gallery, measured_with, tables, threats, verdicts

if TYPE_CHECKING:
    from bauta.study.audit.document import Document

HERE = Path(__file__).parent
PLACE = re.compile(r"\{\{([A-Z_]+)\}\}")

READING = (
    "A leak is what an attacker reaches, on a scale on which 0 is what anybody reaches who has seen nothing and 1 is "
    "all there is to know. It is of identity (who is it?), of the picture (how like the original is what was drawn?) "
    "or of attributes (age, gender).",
    "Utility is how well the system still recognizes those whom it should, from 0 (it accepts everybody) to 1 (it "
    "makes no mistake).",
    "The worst leak is that of the strongest attack that was run. It is what an attacker gets at least: an attack that "
    "nobody ran is not in it.",
    "On the short scale beside a verdict the dot is the worst leak, the bar its interval, and the upright line the "
    "same where nothing is protected.",
    "In brackets are 95 % intervals, over people. Where two intervals overlap, do not call one system better.",
    "Unaware: the attacker knows nothing of the protection. Aware: he knows how it works and trains on pictures that "
    "he protects himself. He is the one to count on, since a published protection is known.",
    "An attack that fails on the unprotected system says nothing by failing on a protected one. Such attacks, and "
    "numbers from few comparisons, stand under what wants caution.",
)


def page(document: Document, folder: Path = Path()) -> str:
    """The whole report as HTML. folder: where the files of its gallery lie, whose bytes go into the page.

    Every text of the document is escaped. Raises `BadFile` for a picture that is not there, or none.
    """
    shell, style, script = ((HERE / f"page.{ending}").read_text(encoding="utf-8") for ending in ("html", "css", "js"))
    filled = {
        "TITLE": join(document.title),
        "STYLE": style,
        "STYLE_HASH": digest(style),
        "SCRIPT": script,
        "SCRIPT_HASH": digest(script),
        "BODY": body(document, folder),
    }
    # in one pass, so that a name like {{SCRIPT}} in a row stays a name
    return PLACE.sub(lambda match: filled[match[1]], shell)


def digest(text: str) -> str:
    """A source as a content-security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def body(document: Document, folder: Path) -> Markup:
    """Everything that is seen."""
    parts = [(name, title, content) for name, title, content in sections(document, folder) if content]
    links = [tag("li", tag("a", title, href=f"#{name}")) for name, title, _ in parts]
    return join(
        tag(
            "header",
            tag("h1", document.title),
            tag("p", document.made, class_="note") if document.made else join(),
            *(tag("p", sentence, class_="summary") for sentence in document.summary),
            cautions(document),
        ),
        tag("nav", tag("ul", *links), aria_label="Sections"),
        tag(
            "main",
            *(tag("section", tag("h2", title), content, id=name) for name, title, content in parts),
        ),
    )


def cautions(document: Document) -> Markup:
    """How much wants caution, said at the top."""
    if not document.flags:
        return join()
    number = len(document.flags)
    words = "1 number wants caution" if number == 1 else f"{number} numbers want caution"
    return tag("p", tag("a", words, href="#caution"), class_="summary")


def sections(document: Document, folder: Path) -> list[tuple[str, str, Markup]]:
    """Anchor, title and content of each part, in order; one without content is not shown."""
    told_apart = [curve for curve in document.curves if curve.diagonal]
    dials = [curve for curve in document.curves if not curve.diagonal]
    numbered = {id(curve): f"curve-{number}" for number, curve in enumerate(document.curves, start=1)}
    scores = [
        *(curve_figure(curve, numbered[id(curve)]) for curve in told_apart),
        *(histogram_figure(shown, f"scores-{n}") for n, shown in enumerate(document.histograms, start=1)),
    ]
    pictures = gallery(document.gallery, folder)
    if document.faces_left_out:
        pictures = tag("p", "This report was made without faces.", class_="note")
    return [
        ("verdicts", "Verdicts", verdicts(document.verdicts) if document.verdicts else join()),
        ("use-and-leak", "Use against leak", frontier_figure(document.points) if document.points else join()),
        ("scores", "Who can be told from whom", grid(scores) if scores else join()),
        (
            "dials",
            "What depth, budget, noise and queries change",
            grid([curve_figure(c, numbered[id(c)]) for c in dials]) if dials else join(),
        ),
        ("pictures", "What attackers saw and recovered", pictures),
        ("threats", "Threat models", threats(document.threats)),
        ("caution", "What wants caution", flags(document.flags)),
        ("tables", "All tables", tables(document.tables) if document.tables else join()),
        ("settings", "How this was measured", measured_with(document)),
        ("reading", "How to read it", tag("ul", *(tag("li", sentence) for sentence in READING))),
    ]
