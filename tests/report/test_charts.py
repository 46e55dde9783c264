"""Charts: every coordinate by hand, every sign its own, every word in its place, and colors that can be read."""

from __future__ import annotations

import itertools
import math
import random
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bauta.metrics.base import Interval
from bauta.report import charts
from bauta.report.axes import SERIES, Scale, color, dash, mark, plain
from bauta.report.charts import crowd, curves, frontier, gauge, histogram
from bauta.report.labels import HALF, placed
from bauta.report.markup import Markup, join, tag
from bauta.study.audit.document import Curve, Histogram, Line, Point

SVG = "{http://www.w3.org/2000/svg}"
CSS = (Path(charts.__file__).parent / "page.css").read_text()

# the plane: 420 x 320 pixels, of which 62 are left of it, 14 right, 14 above and 46 below
LEFT, RIGHT, TOP, BOTTOM = 62, 406, 14, 274
NUMBER = r"-?\d+(?:\.\d+)?"


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def found(root: ElementTree.Element, *classes: str) -> list[ElementTree.Element]:
    return [node for node in root.iter() if set(classes) <= set(node.get("class", "").split())]


def pixels(node: ElementTree.Element) -> np.ndarray:
    """The corners of a path of absolute lines."""
    return np.array([float(x) for x in re.findall(NUMBER, node.get("d", ""))]).reshape(-1, 2)


def across(share: float) -> float:
    return LEFT + share * (RIGHT - LEFT)


def along(share: float) -> float:
    return BOTTOM - share * (BOTTOM - TOP)


def point(leak: float, utility: float, *, bare: bool = False, name: str = "a") -> Point:
    return Point(
        name, Interval(utility, utility - 0.1, utility + 0.05, 9), Interval(leak, leak - 0.2, leak + 0.1, 9),
        "identity", "Linkage()", bare,
    )  # fmt: skip


def test_ticks_are_round_and_within_the_scale() -> None:
    assert Scale(0, 1, 0, 1).ticks() == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert Scale(-0.6, 1, 0, 1).ticks() == [-0.5, 0, 0.5, 1]
    assert Scale(0.93, 1.001, 0, 1).ticks() == [0.94, 0.96, 0.98, 1]
    assert Scale(3, 22, 0, 1).ticks() == [5, 10, 15, 20]
    assert Scale(1e-4, 1, 0, 1, log=True).ticks() == [1e-4, 1e-3, 1e-2, 1e-1, 1]
    assert Scale(8, 300, 0, 1, log=True).ticks() == [10, 20, 50, 100, 200]
    assert Scale(10, 100, 0, 1, log=True).ticks() == [10, 20, 50, 100]
    assert [plain(x) for x in (0.1 + 0.2, 2000, 1e-4, 0, -0.5)] == ["0.3", "2,000", "0.0001", "0", "-0.5"]


def test_a_scale_is_a_straight_line_of_its_data_or_of_their_logarithm() -> None:
    rng = np.random.default_rng(0)
    for low, high in ((0.0, 1.0), (-3.0, 7.5), (0.2, 0.21)):
        for value in rng.uniform(low, high, 20):
            assert Scale(low, high, 274, 14)(value) == pytest.approx(274 + (value - low) / (high - low) * (14 - 274))
    for value in 10 ** rng.uniform(-4, 2, 20):
        assert Scale(1e-4, 100, 56, 406, log=True)(value) == pytest.approx(56 + (np.log10(value) + 4) / 6 * 350)
    assert Scale(0, 1, 10, 20)(1.5) == 20
    assert Scale(0, 1, 10, 20)(-2) == 10


def test_the_frontier_puts_every_point_and_both_intervals_where_they_belong() -> None:
    points = [point(0.3, 0.9), point(0.9, 0.5), point(0.7, 0.7, bare=True)]
    root = drawn(frontier("f", points))
    (circle,) = (node for node in found(root, "mark", "s0") if node.tag == f"{SVG}circle")
    assert (float(circle.get("cx", "")), float(circle.get("cy", ""))) == pytest.approx(
        (across(0.3), along(0.9)), abs=0.01
    )
    (square,) = found(root, "mark", "s1")
    assert pixels(square).mean(0) == pytest.approx((across(0.9), along(0.5)), abs=0.01)
    (ring,) = found(root, "ring")
    assert (float(ring.get("cx", "")), float(ring.get("cy", ""))) == pytest.approx((across(0.7), along(0.7)), abs=0.01)
    bars = found(root, "bar")
    assert [node.get("class") for node in bars] == ["bar s0", "bar s1", "bar bare"]
    for node, (leak, use) in zip(bars, ((0.3, 0.9), (0.9, 0.5), (0.7, 0.7)), strict=True):
        start = re.match(f"M({NUMBER}) ({NUMBER})H({NUMBER})M({NUMBER}) ({NUMBER})V({NUMBER})", node.get("d", ""))
        assert start is not None
        left, y, right, x, low, high = map(float, start.groups())
        assert (left, right) == pytest.approx((across(leak - 0.2), across(min(1, leak + 0.1))), abs=0.01)
        assert (low, high) == pytest.approx((along(use - 0.1), along(use + 0.05)), abs=0.01)
        assert (x, y) == pytest.approx((across(leak), along(use)), abs=0.01)
    assert [node.text for node in found(root, "number")] == ["1", "2", "3"]
    assert "better" in [node.text for node in found(root, "aside")]
    (even,) = found(root, "even")
    assert pixels(even) == pytest.approx(np.array([(LEFT, BOTTOM), (RIGHT, TOP)]), abs=0.01)
    words = root.find(f"{SVG}desc")
    assert words is not None
    assert "2, a: utility 0.50, worst leak 0.90." in str(words.text)


def test_points_that_crowd_are_drawn_closer_and_numbered_there_alone() -> None:
    values = [(0.95, 0.97), (0.96, 0.98), (0.2, 0.5), (0.99, 0.95)]
    assert crowd(values) == [0, 1, 3]
    assert crowd([(0.1, 0.1), (0.1, 0.2), (0.9, 0.9)]) == []
    assert crowd([(0.1, 0.1), (0.11, 0.1), (0.9, 0.9), (0.9, 0.91)]) == [], "two crowds far apart need no closer look"
    assert crowd([]) == crowd(values[:1]) == []
    points = [point(*value) for value in values]
    whole, closer = drawn(frontier("f", points)), drawn(frontier("g", points, closer=True))
    assert [node.text for node in found(whole, "number")] == ["3"]
    assert len(found(whole, "mark")) == 4
    assert [node.text for node in found(closer, "number")] == ["1", "2", "4"]
    assert len(found(closer, "mark")) == 3
    # the closer scale: 0.3 of 0.04 on either side of 0.95 to 0.99, and of 0.03 about 0.95 to 0.98
    (circle,) = found(closer, "mark", "s0")
    place = across((0.95 - 0.938) / 0.064), along((0.97 - 0.941) / 0.048)
    assert (float(circle.get("cx", "")), float(circle.get("cy", ""))) == pytest.approx(place, abs=0.01)


def test_numbers_cover_neither_points_nor_each_other() -> None:
    chance, box = random.Random(3), (LEFT, TOP, RIGHT, BOTTOM)
    for number in (2, 8, 16):
        points = [(chance.uniform(LEFT, RIGHT), chance.uniform(TOP, BOTTOM)) for _ in range(number)]
        labels = placed(points, points, box)
        for one, other in itertools.combinations(labels, 2):
            assert abs(one[0] - other[0]) >= 2 * HALF[0] or abs(one[1] - other[1]) >= 2 * HALF[1]
        for (x, y), (u, v) in itertools.product(labels, points):
            assert abs(x - u) > HALF[0] or abs(y - v) > HALF[1]
        assert all(LEFT < x < RIGHT and TOP < y < BOTTOM for x, y in labels)
        assert all(math.dist(a, b) < 90 for a, b in zip(labels, points, strict=True))


def test_a_curve_goes_through_its_points_within_its_band() -> None:
    x, y = np.array([1.0, 5, 10, 20]), np.array([0.9, 0.5, 0.4, 0.1])
    line = Line("one", *(axis.tolist() for axis in (x, y, y - 0.05, y + 0.1)))
    root = drawn(curves("c", Curve("n", "t", "cut", "accuracy", [line, Line("two", [1.0, 20.0], [0.2, 0.3])])))
    low, high = 1 - 0.02 * 19, 20 + 0.02 * 19
    at, up = across((x - low) / (high - low)), along(y)
    (stroke,) = found(root, "stroke", "s0")
    assert pixels(stroke) == pytest.approx(np.stack([at, up], 1), abs=0.01)
    (band,) = found(root, "band")
    expected = np.concatenate([np.stack([at, along(y + 0.1)], 1), np.stack([at, along(y - 0.05)], 1)[::-1]])
    assert pixels(band) == pytest.approx(expected, abs=0.01)
    assert len(found(root, "stroke", "s1")) == 1
    assert len(found(root, "mark", "s0")) == 4
    assert {node.text for node in found(root, "label")} == {"cut", "accuracy"}


def test_a_logarithmic_curve_leaves_out_what_is_not_above_zero_and_bends_chance() -> None:
    line = Line("roc", [0.0, 0.001, 0.1, 1.0], [0.1, 0.4, 0.8, 1.0])
    root = drawn(curves("c", Curve("n", "t", "FAR", "TAR", [line], log_x=True, diagonal=True)))
    (stroke,) = found(root, "stroke", "s0")
    expected = [(across(share), along(y)) for share, y in ((0, 0.4), (2 / 3, 0.8), (1, 1.0))]
    assert pixels(stroke) == pytest.approx(np.array(expected), abs=0.01)
    (chance,) = found(root, "even")
    bent = pixels(chance)
    fars = 10 ** (-3 + 3 * (bent[:, 0] - LEFT) / (RIGHT - LEFT))
    assert bent[:, 1] == pytest.approx(along(fars), abs=0.05)


def test_gaps_and_empty_curves_are_no_error() -> None:
    line = Line("gap", [1.0, 2.0, 3.0], [0.2, float("nan"), 0.4])
    root = drawn(curves("c", Curve("n", "t", "x", "y", [line])))
    assert len(pixels(found(root, "stroke")[0])) == 2
    assert found(drawn(curves("c", Curve("n", "t", "x", "y", []))), "axis")
    single = drawn(curves("c", Curve("n", "t", "x", "y", [Line("one", [5.0], [0.5], [0.4], [0.7])], log_x=True)))
    (bar,) = found(single, "bar")
    assert pixels(bar)[:, 1] == pytest.approx([along(0.4), along(0.7)], abs=0.01)


def test_a_histogram_shows_shares_and_the_threshold() -> None:
    shown = Histogram("h", "t", [-1.0, -0.5, 0.0, 0.5, 1.0], [0, 1, 1, 6], [5, 10, 5, 0], 0.3)
    root = drawn(histogram("h", shown))
    top = 1.08 * 0.75
    for what, counts in (("genuine", [0, 1, 1, 6]), ("impostor", [5, 10, 5, 0])):
        (area,) = found(root, "area", what)
        heights = pixels(area)[1:-1].reshape(4, 2, 2)
        for bin_, (count, step) in enumerate(zip(counts, heights, strict=True)):
            assert step[:, 0] == pytest.approx([across(bin_ / 4), across((bin_ + 1) / 4)], abs=0.01)
            assert step[:, 1] == pytest.approx([along(count / sum(counts) / top)] * 2, abs=0.01)
    (line,) = found(root, "threshold")
    assert float(line.get("x1", "")) == pytest.approx(across(1.3 / 2), abs=0.01)
    assert "threshold 0.30" in [node.text for node in found(root, "aside")]
    assert not found(drawn(histogram("h", Histogram("h", "t", [0.0, 1.0], [0], [0]))), "threshold")


def test_a_gauge_has_the_leak_its_interval_and_the_bare_system() -> None:
    root = ElementTree.fromstring(gauge(Interval(0.5, 0.25, 0.75, 9), Interval(1.0, 0.9, 1.0, 9)))
    place = {node.get("class"): node for node in root}
    assert float(place["dot"].get("cx", "")) == 6 + 0.5 * 128
    assert [float(place["reach"].get(end, "")) for end in ("x1", "x2")] == [6 + 0.25 * 128, 6 + 0.75 * 128]
    assert float(place["tip"].get("x1", "")) == 6 + 128
    assert root.get("aria-hidden") == "true"
    assert "tip" not in gauge(Interval(0.5, 0.25, 0.75, 9), None)


def test_signs_colors_and_dashes_tell_fifty_series_apart() -> None:
    def shape(number: int) -> str:
        (node,) = [ElementTree.fromstring(mark(number, 0, 0))]
        return f"{node.tag} {node.get('d')}"

    assert len({shape(n) for n in range(SERIES)}) == SERIES
    looks = [(shape(n), color(n), dash(n)) for n in range(SERIES * SERIES)]
    assert len({(a, b) for a, b, _ in looks}) == len(looks)


@pytest.mark.parametrize("kind", ["frontier", "curve", "histogram"])
def test_a_chart_says_what_it_shows_and_names_no_color(kind: str) -> None:
    name = "<b>&\"'"
    svg = {
        "frontier": lambda: frontier("x", [point(0.3, 0.9, name=name)]),
        "curve": lambda: curves("x", Curve("n", name, "x", "y", [Line(name, [0.0, 1.0], [0.0, 1.0])])),
        "histogram": lambda: histogram("x", Histogram("n", name, [0.0, 1.0], [1], [2])),
    }[kind]()
    root = drawn(svg)
    assert root.get("role") == "img"
    named = {node.get("id"): node.text for node in root.iter() if node.get("id")}
    assert list(named) == str(root.get("aria-labelledby")).split()
    assert all(named.values())
    assert name in "".join(map(str, named.values()))
    assert not re.search(r"style=|fill=|stroke=|font|#[0-9a-f]{3}|href", svg)


def test_only_tag_and_join_make_markup() -> None:
    assert tag("p", "<b>", Markup("<i></i>"), title='"&') == '<p title="&quot;&amp;">&lt;b&gt;<i></i></p>'
    assert tag("img", alt="") == '<img alt="">'
    assert tag("a", x=None, data_value=1.23456, class_="k") == '<a data-value="1.23" class="k"></a>'
    assert isinstance(join("<"), Markup)
    assert type(Markup("a") + "<") is str, "what is added to markup is text again, and escaped"


def luminance(code: str) -> float:
    """Relative luminance, by WCAG 2.2."""
    linear = []
    for place in (1, 3, 5):
        share = int(code[place : place + 2], 16) / 255
        linear.append(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


def test_text_stands_out_by_4_5_in_light_dark_and_print() -> None:
    schemes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in CSS.split(":root {")[1:]]
    assert len(schemes) == 3
    for scheme in schemes:
        tones = ("good", "caution", "bad", "unknown")
        pairs = [(text, "paper") for text in ("ink", "soft", "link", *tones)]
        pairs += [(text, f"{tone}-tint") for tone in tones for text in ("ink", "soft", tone)]
        for text, ground in pairs:
            light, dark = sorted((luminance(scheme[text]), luminance(scheme[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
        assert len({scheme[f"s{n}"] for n in range(SERIES)}) == SERIES
