"""Charts with their titles, legends and, folded away, the numbers they are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bauta.report.charts import crowd, curves, frontier, histogram, swatch
from bauta.report.markup import Markup, join, tag
from bauta.report.table import Row, shown
from bauta.report.tabular import tabular

if TYPE_CHECKING:
    from bauta.study.audit.document import Curve, Histogram, Line, Point

OPEN = 6  # figures that are seen at once; more are folded away
SAME = "The same numbers as a table"


def frontier_figure(points: Sequence[Point]) -> Markup:
    """The frontier, closer as well where the points are crowded, and who is who."""
    charts = [frontier("frontier", points)]
    if crowd([(point.leak.value, point.utility.value) for point in points]):
        charts.append(
            tag(
                "div",
                tag("p", "Those that crowd, closer:", class_="note"),
                frontier("frontier-closer", points, closer=True),
            )
        )
    key = [
        tag(
            "li",
            swatch(number - 1, bare=point.bare),
            tag(
                "div",
                tag("strong", f"{number}. {point.system}"),
                " (nothing protected)" if point.bare else "",
                tag("br"),
                f"utility {shown(point.utility, 2)}, worst leak {shown(point.leak, 2)} ({point.kind}), "
                f"by {point.attack}",
            ),
        )
        for number, point in enumerate(points, start=1)
    ]
    rows = [
        {"": number, "system": p.system, "utility": p.utility, "worst leak": p.leak, "of": p.kind, "attack": p.attack}
        for number, p in enumerate(points, start=1)
    ]
    return tag(
        "figure",
        tag("div", *charts, class_="pair"),
        tag("ol", *key, class_="key wide"),
        data(rows, "Utility and worst leak of every system", 3),
        class_="frontier",
    )


def curve_figure(curve: Curve, name: str) -> Markup:
    """One plane with lines."""
    key = [tag("li", swatch(n, line=True), tag("span", line.label)) for n, line in enumerate(curve.lines)]
    return figure(
        curve.title,
        curves(name, curve),
        tag("ul", *key, class_="key"),
        tag("p", curve.note, class_="note") if curve.note else join(),
        data([row for line in curve.lines for row in points_of(curve, line)], curve.title, 4),
    )


def points_of(curve: Curve, line: Line) -> list[Row]:
    """A line's points as lines of a table."""
    lows, highs = line.low or line.y, line.high or line.y
    banded = bool(line.low and line.high)
    return [
        {
            "line": line.label,
            curve.xlabel: x,
            curve.ylabel: {"value": y, "low": low, "high": high} if banded else y,
        }
        for x, y, low, high in zip(line.x, line.y, lows, highs, strict=True)
    ]


def histogram_figure(made: Histogram, name: str) -> Markup:
    """Genuine and impostor scores."""
    key = [
        tag("li", tag("span", class_=f"block {what}", aria_hidden="true"), tag("span", words))
        for what, words in (("genuine", "one person"), ("impostor", "two people"))
    ]
    rows = [
        {"from": low, "to": high, "one person": one, "two people": two}
        for low, high, one, two in zip(made.edges[:-1], made.edges[1:], made.genuine, made.impostor, strict=True)
    ]
    return figure(made.title, histogram(name, made), tag("ul", *key, class_="key"), data(rows, made.title, 3))


def figure(title: str, chart: Markup, *below: Markup) -> Markup:
    """A chart under its title."""
    return tag("figure", tag("figcaption", tag("h3", title)), chart, *below)


def data(rows: Sequence[Row], caption: str, digits: int) -> Markup:
    """What a chart is drawn from, folded away."""
    return tag("details", tag("summary", SAME), tabular(rows, caption, digits=digits), class_="data")


def grid(figures: Sequence[Markup]) -> Markup:
    """Figures side by side; the first few are open."""
    first, rest = figures[:OPEN], figures[OPEN:]
    more = (
        tag("details", tag("summary", f"{len(rest)} more"), tag("div", *rest, class_="grid"), class_="more")
        if rest
        else join()
    )
    return join(tag("div", *first, class_="grid"), more)
