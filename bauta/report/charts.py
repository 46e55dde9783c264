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

NEAR = 0.06  # of the whole scale: nearer points cover each other
CROWDED = 0.5  # of the whole scale: what crowds on more of it is not drawn closer
FAR = 18.0  # pixels: a number further away gets a line to its point
MARKED = 8  # signs on one line at most
CAP = 3.0
UNIT = (0.0, 1.0)
GAUGE = (140.0, 18.0)


def frontier(name: str, points: Sequence[Point], *, closer: bool = False) -> Markup:
    """Utility against the worst leak: every system a point with its two intervals, numbered as they come.

    closer: drawn on the range of the points that crowd (see `crowd`), which are then numbered here and not on the
    whole scale.
    """
    values = [(point.leak.value, point.utility.value) for point in points]
    dense = crowd(values)
    across, along = (near([values[n][axis] for n in dense]) if closer else UNIT for axis in (0, 1))
    drawn = plane(across, along)
    seen = [n for n, at in enumerate(values) if drawn.holds(*at)]
    named = seen if closer or not dense else [n for n in seen if n not in dense]
    parts = [drawn.frame("worst leak (0 is chance, 1 everything)", "utility"), *even(drawn), better(drawn)]
    parts += [bars(drawn, points[n], n) for n in seen]
    parts += [sign(points[n], n, drawn.x(values[n][0]), drawn.y(values[n][1])) for n in seen]
    places = {n: (drawn.x(values[n][0]), drawn.y(values[n][1])) for n in seen}
    box = (drawn.x.start, drawn.y.end, drawn.x.end, drawn.y.start)
    free = placed([places[n] for n in named], list(places.values()), box)
    for number, where in zip(named, free, strict=True):
        at = places[number]
        if math.dist(at, where) > FAR:
            parts.append(tag("line", class_="leader", x1=at[0], y1=at[1], x2=where[0], y2=where[1]))
        label = tag("text", str(number + 1), class_="number", x=where[0], y=where[1] + 4, text_anchor="middle")
        parts.append(label)
    words = [
        f"{n + 1}, {points[n].system}: utility {points[n].utility.value:.2f}, worst leak {points[n].leak.value:.2f}."
        for n in seen
    ]
    told = "Each point is one system. Further left, an attacker gets less; further up, the system is of more use."
    return drawing(name, "Utility against the worst leak", " ".join([told, *words]), *parts)


def crowd(values: Sequence[tuple[float, float]]) -> list[int]:
    """Which points lie so near to another that their signs would cover each other; none where that is all over."""
    found = [
        n
        for n, one in enumerate(values)
        if any(
            max(abs(a - b) for a, b in zip(one, other, strict=True)) < NEAR for other in [*values[:n], *values[n + 1 :]]
        )
    ]
    spans = [max(axis) - min(axis) for axis in zip(*(values[n] for n in found), strict=True)]
    return found if spans and max(spans) < CROWDED else []


def near(values: list[float]) -> tuple[float, float]:
    """The ends of a scale for some of the points, with room around them and little beyond 0 and 1."""
    low, high = padded(values, 0.3)
    edge = 0.06 * (high - low)
    return max(low, UNIT[0] - edge), min(high, UNIT[1] + edge)


def even(drawn: Plane) -> list[Markup]:
    """The line on which an attacker gets as much as the system is of use."""
    first, last = max(drawn.x.low, drawn.y.low), min(drawn.x.high, drawn.y.high)
    if first >= last:
        return []
    ray = [(drawn.x(at), drawn.y(at)) for at in (first, last)]
    parts = [tag("path", class_="even", d=path(ray))]
    if (first, last) == UNIT:
        place = f"translate({drawn.x(0.2):g} {drawn.y(0.2) - 5:g}) rotate({slope(ray):.1f})"
        parts.append(tag("text", "as much leak as use", class_="aside", transform=place))
    return parts


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
    """The two intervals of a point, with caps where they end and none where the plane does."""
    x, y = drawn.x(point.leak.value), drawn.y(point.utility.value)
    (left, right), (low, high) = [drawn.x(v) for v in end(point.leak)], [drawn.y(v) for v in end(point.utility)]
    drawn_as = f"M{left:.2f} {y:.2f}H{right:.2f}M{x:.2f} {low:.2f}V{high:.2f}"
    for value, at in zip(end(point.leak), (left, right), strict=True):
        if drawn.holds(value, point.utility.value):
            drawn_as += f"M{at:.2f} {y - CAP:.2f}v{2 * CAP:g}"
    for value, at in zip(end(point.utility), (low, high), strict=True):
        if drawn.holds(point.leak.value, value):
            drawn_as += f"M{x - CAP:.2f} {at:.2f}h{2 * CAP:g}"
    return tag("path", class_=f"bar {'bare' if point.bare else color(number)}", d=drawn_as)


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
