"""The plane that a chart is drawn in: data to pixels, round ticks, grid and labels, and the marks that lie in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bauta.report.markup import Markup, join, tag

WIDTH, HEIGHT = 420.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 14.0, 46.0
SERIES = 7  # colors (`.s0` to `.s6` of page.css), shapes and, beyond these, dashes
RADIUS = 4.5
FEW = 2  # decades, of which the ticks are 1, 2 and 5; of more, the powers of ten


@dataclass(frozen=True)
class Scale:
    """Data from `low` to `high`, drawn from pixel `start` to pixel `end`, by its logarithm if `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; what lies outside is drawn at the end."""
        low, high, at = (self._inner(x) for x in (self.low, self.high, value))
        share = (at - low) / (high - low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def _inner(self, value: float) -> float:
        return math.log10(max(value, self.low)) if self.log else value

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers within the scale: 1, 2 or 5 times a power of ten apart; on a logarithmic scale, the powers."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            factors = (1, 2, 5) if math.log10(self.high / self.low) < FEW else (1,)
            found = [float(f"{factor}e{power}") for power in range(first, last + 1) for factor in factors]
        else:
            rough = (self.high - self.low) / most
            power = 10 ** math.floor(math.log10(rough))
            step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            found = [round(number * step, 12) for number in range(first, last + 1)]
        slack = 1e-9 * (self.high - self.low)
        return [tick for tick in found if self.low - slack <= tick <= self.high + slack]


@dataclass(frozen=True)
class Plane:
    """Two scales in one drawing."""

    x: Scale
    y: Scale

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies within both scales."""
        return self.x.low <= x <= self.x.high and self.y.low <= y <= self.y.high

    def frame(self, xlabel: str, ylabel: str) -> Markup:
        """Grid, tick labels and what the axes are."""
        left, right, top, bottom = self.x.start, self.x.end, self.y.end, self.y.start
        parts = []
        for tick in self.x.ticks():
            at = self.x(tick)
            parts += [
                tag("line", class_="rule", x1=at, x2=at, y1=top, y2=bottom),
                tag("text", plain(tick), class_="tick", x=at, y=bottom + 15, text_anchor="middle"),
            ]
        for tick in self.y.ticks():
            at = self.y(tick)
            parts += [
                tag("line", class_="rule", x1=left, x2=right, y1=at, y2=at),
                tag("text", plain(tick), class_="tick", x=left - 6, y=at + 4, text_anchor="end"),
            ]
        middle = (top + bottom) / 2
        return join(
            *parts,
            tag("path", class_="axis", d=f"M{left:g} {top:g}V{bottom:g}H{right:g}"),
            tag("text", xlabel, class_="label", x=(left + right) / 2, y=bottom + 36, text_anchor="middle"),
            tag(
                "text", ylabel, class_="label", text_anchor="middle", transform=f"translate(12 {middle:g}) rotate(-90)"
            ),
        )


def plane(x: tuple[float, float], y: tuple[float, float], *, log_x: bool = False) -> Plane:
    """The plane of one chart, for data within `x` and `y`."""
    return Plane(Scale(*x, LEFT, WIDTH - RIGHT, log_x), Scale(*y, HEIGHT - BOTTOM, TOP))


def padded(values: list[float], share: float = 0.06, least: float = 0.02) -> tuple[float, float]:
    """The ends of a scale on which all values have room around them."""
    low, high = min(values), max(values)
    room = max((high - low) * share, (least - (high - low)) / 2)
    return low - room, high + room


def drawing(name: str, title: str, words: str, *parts: Markup) -> Markup:
    """A chart as SVG, with its title and its description for those who do not see it. name: unique on the page."""
    return tag(
        "svg",
        tag("title", title, id=f"{name}-title"),
        tag("desc", words, id=f"{name}-desc"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_="chart",
    )


def mark(number: int, x: float, y: float, size: float = RADIUS) -> Markup:
    """The sign of series `number`, about its place: seven shapes, each met by another color every seven series."""
    shape = (number + number // SERIES) % SERIES
    s, arm = size, size / 2.6
    outline = (
        (),
        ((-s, -s), (s, -s), (s, s), (-s, s)),
        ((0, -1.25 * s), (1.15 * s, s), (-1.15 * s, s)),
        ((0, -1.35 * s), (1.35 * s, 0), (0, 1.35 * s), (-1.35 * s, 0)),
        ((0, 1.25 * s), (1.15 * s, -s), (-1.15 * s, -s)),
        cross(1.2 * s, arm),
        tuple(((a - b) * 0.71, (a + b) * 0.71) for a, b in cross(1.3 * s, arm)),
    )[shape]
    look = f"mark {color(number)}"
    if not outline:
        return tag("circle", class_=look, cx=x, cy=y, r=s)
    return tag("path", class_=look, d=f"{path([(x + a, y + b) for a, b in outline])}Z")


def cross(arm: float, half: float) -> tuple[tuple[float, float], ...]:
    """The corners of an upright cross."""
    a, h = arm, half
    return (
        *((-h, -a), (h, -a), (h, -h), (a, -h), (a, h), (h, h)),
        *((h, a), (-h, a), (-h, h), (-a, h), (-a, -h), (-h, -h)),
    )


def color(number: int) -> str:
    """The class of a series' color."""
    return f"s{number % SERIES}"


def dash(number: int) -> str:
    """The class of a series' dashes: solid for the first seven."""
    return f"dash{number // SERIES % 3}"


def path(points: list[tuple[float, float]]) -> str:
    """A line through pixels, to a hundredth."""
    return "M" + "L".join(f"{round(x, 2):g} {round(y, 2):g}" for x, y in points)


def plain(value: float) -> str:
    """A tick as people write it: 2,000 and 0.05."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"
