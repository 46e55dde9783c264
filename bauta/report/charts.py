"""The charts of a report as inline SVG: sharp at any size, colored by the page's style sheet, and words to a reader.

They follow the page's colors (`page.css`), light or dark, by classes: no color and no font is named here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bauta.report.axes import RADIUS, Plane, Scale, color, dash, drawing, mark, padded, path, plane
from bauta.report.labels import placed
from bauta.report.markup import Markup, join, tag

if TYPE_CHECKING:
    from bauta.metrics.base import Interval
    from bauta.study.audit.document import Curve, Histogram, Line, Point

CROWDED = 0.5  # of the scale: what needs less of it is drawn closer as well
MARKED = 8  # signs on one line at most
CAP = 3.0
UNIT = (0.0, 1.0)
GAUGE = (140.0, 18.0)


def frontier(name: str, points: Sequence[Point], *, closer: bool = False) -> Markup:
    """Utility against the worst leak: every system a point with its two intervals, numbered as they come.

    closer: drawn on the range of the points and not on the whole scale, which then does without the numbers.
    """
    ends = [(end(point.leak), end(point.utility)) for point in points]
    over = [padded([x for pair in axis for x in pair]) if closer else UNIT for axis in zip(*ends, strict=True)]
    drawn = plane(over[0], over[1])
    even = [max(over[0][0], over[1][0]), min(over[0][1], over[1][1])]
    parts = [drawn.frame("worst leak (0 is chance, 1 everything)", "utility")]
    if even[0] < even[1]:
        ray = [(drawn.x(at), drawn.y(at)) for at in even]
        parts.append(tag("path", class_="even", d=path(ray)))
        if not closer:
            words = "as much leak as use"
            place = f"translate({drawn.x(0.2):g} {drawn.y(0.2) - 5:g}) rotate({slope(ray):g})"
            parts.append(tag("text", words, class_="aside", transform=place))
    parts += [better(drawn), *(bars(drawn, point, number) for number, point in enumerate(points))]
    places = [(drawn.x(point.leak.value), drawn.y(point.utility.value)) for point in points]
    parts += [sign(point, number, *at) for number, (point, at) in enumerate(zip(points, places, strict=True))]
    box = (drawn.x.start, drawn.y.end, drawn.x.end, drawn.y.start)
    if crowded(points) and not closer:
        places = []  # the numbers stand in the closer look
    for number, (at, where) in enumerate(zip(places, placed(places, box), strict=True), start=1):
        if math.dist(at, where) > 3.5 * RADIUS:
            parts.append(tag("line", class_="leader", x1=at[0], y1=at[1], x2=where[0], y2=where[1]))
        parts.append(tag("text", str(number), class_="number", x=where[0], y=where[1] + 4, text_anchor="middle"))
    words = (
        "Each point is one system. Further left, an attacker gets less; further up, the system is of more use. "
        + " ".join(
            f"{number}, {point.system}: utility {point.utility.value:.2f}, worst leak {point.leak.value:.2f}."
            for number, point in enumerate(points, start=1)
        )
    )
    return drawing(name, "Utility against the worst leak", words, *parts)


def crowded(points: Sequence[Point]) -> bool:
    """Whether the points need a closer look: they leave half of both scales empty."""
    if len(points) < 2:
        return False
    ends = [[x for point in points for x in end(getattr(point, axis))] for axis in ("leak", "utility")]
    return all(max(axis) - min(axis) < CROWDED for axis in ends)


def end(found: Interval) -> tuple[float, float]:
    """Both ends of an interval."""
    return found.low, found.high


def slope(ray: list[tuple[float, float]]) -> float:
    """The angle of a line in pixels, in degrees, clockwise."""
    (x1, y1), (x2, y2) = ray
    return math.degrees(math.atan2(y2 - y1, x2 - x1))


def better(drawn: Plane) -> Markup:
    """An arrow to the corner where there is much use and no leak."""
    x, y = drawn.x.start + 8, drawn.y.end + 8
    arrow = f"M{x + 16:g} {y + 16:g}L{x:g} {y:g}M{x + 8:g} {y:g}H{x:g}V{y + 8:g}"
    return join(tag("path", class_="better", d=arrow), tag("text", "better", class_="aside", x=x + 20, y=y + 22))


def bars(drawn: Plane, point: Point, number: int) -> Markup:
    """The two intervals of a point, with caps."""
    x, y = drawn.x(point.leak.value), drawn.y(point.utility.value)
    (left, right), (low, high) = [drawn.x(v) for v in end(point.leak)], [drawn.y(v) for v in end(point.utility)]
    c = CAP
    across = f"M{left:.2f} {y:.2f}H{right:.2f}M{left:.2f} {y - c:.2f}v{2 * c:g}M{right:.2f} {y - c:.2f}v{2 * c:g}"
    along = f"M{x:.2f} {low:.2f}V{high:.2f}M{x - c:.2f} {low:.2f}h{2 * c:g}M{x - c:.2f} {high:.2f}h{2 * c:g}"
    return tag("path", class_=f"bar {'bare' if point.bare else color(number)}", d=across + along)


def sign(point: Point, number: int, x: float, y: float) -> Markup:
    """The sign of a system; what nothing protects is a ring."""
    return ring(x, y) if point.bare else mark(number, x, y)


def ring(x: float, y: float) -> Markup:
    """A ring about a dot."""
    wide = tag("circle", class_="ring", cx=x, cy=y, r=RADIUS + 1.5)
    return join(wide, tag("circle", class_="core", cx=x, cy=y, r=1.5))


def curves(name: str, curve: Curve) -> Markup:
    """Lines over one pair of axes, each with its band; on a logarithmic scale without what is not above 0."""
    lines = [list(samples(line, curve.log_x)) for line in curve.lines]
    flat = [sample for line in lines for sample in line]
    if not flat:
        flat = [(UNIT[1], *UNIT, UNIT[1])]
    xs, ys = [s[0] for s in flat], [y for s in flat for y in s[1:]]
    unit = min(ys) >= UNIT[0] and max(ys) <= UNIT[1]
    if curve.log_x:
        across = (min(xs), max(xs)) if min(xs) < max(xs) else (min(xs) / 2, max(xs) * 2)
    elif curve.diagonal:
        across = UNIT
    else:
        across = padded(xs, 0.02)
    drawn = plane(across, UNIT if unit else padded(ys), log_x=curve.log_x)
    parts = [drawn.frame(curve.xlabel, curve.ylabel)]
    if curve.diagonal:
        chance = [(drawn.x(x), drawn.y(x)) for x in spread(drawn.x)]
        parts.append(tag("path", class_="even", d=path(chance)))
    parts += [band(drawn, line, number) for number, line in enumerate(lines) if line]
    parts += [stroke(drawn, line, number) for number, line in enumerate(lines) if line]
    told = "; ".join(line.label for line in curve.lines)
    return drawing(name, curve.title, f"{curve.ylabel} against {curve.xlabel}. Lines: {told}.", *parts)


def samples(line: Line, log: bool) -> Iterator[tuple[float, float, float, float]]:
    """x, y and the ends of the band, without what cannot be drawn."""
    lows, highs = line.low or line.y, line.high or line.y
    for x, y, low, high in zip(line.x, line.y, lows, highs, strict=True):
        if all(map(math.isfinite, (x, y, low, high))) and (x > 0 or not log):
            yield float(x), float(y), float(low), float(high)


def spread(scale: Scale, steps: int = 40) -> list[float]:
    """Values from one end of a scale to the other, as far apart as a straight line in data needs."""
    if not scale.log:
        return [scale.low, scale.high]
    return [scale.low * (scale.high / scale.low) ** (step / steps) for step in range(steps + 1)]


def band(drawn: Plane, line: list[tuple[float, float, float, float]], number: int) -> Markup:
    """The area between the ends of a line's intervals; a bar, where it has one point alone."""
    below = [(drawn.x(x), drawn.y(low)) for x, _, low, _ in line]
    above = [(drawn.x(x), drawn.y(high)) for x, _, _, high in line]
    if below == above:
        return join()
    if len(line) == 1:
        return tag("path", class_=f"bar {color(number)}", d=path([*below, *above]))
    return tag("path", class_=f"band {color(number)}", d=f"{path([*above, *reversed(below)])}Z")


def stroke(drawn: Plane, line: list[tuple[float, float, float, float]], number: int) -> Markup:
    """The line itself, with its sign on a few of its points."""
    points = [(drawn.x(x), drawn.y(y)) for x, y, _, _ in line]
    every = max(1, math.ceil(len(points) / MARKED))
    shown = points if every == 1 else points[every // 2 :: every]
    return join(
        tag("path", class_=f"stroke {color(number)} {dash(number)}", d=path(points)),
        *(mark(number, x, y, RADIUS - 0.7) for x, y in shown),
    )


def histogram(name: str, shown: Histogram) -> Markup:
    """The scores of genuine and of impostor pairs, each as shares of its own pairs, and the reader's threshold."""
    groups = (("impostor", shown.impostor), ("genuine", shown.genuine))
    shares = {what: [count / max(1, sum(counts)) for count in counts] for what, counts in groups}
    top = max(*(share for group in shares.values() for share in group), 0.01)
    drawn = plane((shown.edges[0], shown.edges[-1]), (0.0, 1.08 * top))
    parts = [drawn.frame("similarity (cosine)", "share of the pairs")]
    for what, group in shares.items():
        steps = [(drawn.x(shown.edges[0]), drawn.y(0))]
        for low, high, share in zip(shown.edges[:-1], shown.edges[1:], group, strict=True):
            steps += [(drawn.x(low), drawn.y(share)), (drawn.x(high), drawn.y(share))]
        steps.append((drawn.x(shown.edges[-1]), drawn.y(0)))
        parts.append(tag("path", class_=f"area {what}", d=f"{path(steps)}Z"))
    told = ""
    if shown.threshold is not None:
        at, right = drawn.x(shown.threshold), shown.threshold > (shown.edges[0] + shown.edges[-1]) / 2
        parts += [
            tag("line", class_="threshold", x1=at, x2=at, y1=drawn.y.start, y2=drawn.y.end),
            tag(
                "text",
                f"threshold {shown.threshold:.2f}",
                class_="aside",
                x=at - 5 if right else at + 5,
                y=drawn.y.end + 12,
                text_anchor="end" if right else "start",
            ),
        ]
        told = f" The reader says that two are the same person above {shown.threshold:.2f}."
    pairs = f"{sum(shown.genuine)} pairs of one person and {sum(shown.impostor)} of two, by their similarity."
    return drawing(name, shown.title, pairs + told, *parts)


def gauge(worst: Interval, bare: Interval | None) -> Markup:
    """A leak and its interval on a track from 0 to 1, with a line where the unprotected system stands.

    Hidden from screen readers: the numbers stand beside it.
    """
    width, height = GAUGE
    scale, y = Scale(0.0, 1.0, 6.0, width - 6.0), height / 2
    parts = [tag("line", class_="track", x1=scale.start, x2=scale.end, y1=y, y2=y)]
    if bare is not None:
        at = scale(bare.value)
        parts.append(tag("line", class_="tip", x1=at, x2=at, y1=1, y2=height - 1))
    low, high = (scale(x) for x in end(worst))
    parts += [
        tag("line", class_="reach", x1=low, x2=high, y1=y, y2=y),
        tag("circle", class_="dot", cx=scale(worst.value), cy=y, r=RADIUS),
    ]
    return tag("svg", *parts, viewBox=f"0 0 {width:g} {height:g}", class_="gauge", aria_hidden="true")


def swatch(number: int, *, bare: bool = False, line: bool = False) -> Markup:
    """The sign of a series for a legend, with a piece of its line. Hidden from screen readers."""
    parts = [tag("path", class_=f"stroke {color(number)} {dash(number)}", d="M1 9H27")] if line else []
    parts.append(ring(14, 9) if bare else mark(number, 14, 9))
    return tag("svg", *parts, viewBox="0 0 28 18", class_="swatch", aria_hidden="true")
