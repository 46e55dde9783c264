"""Plots: what was drawn is what was given, and the same figure is the same bytes."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from bauta.errors import UsageError
from bauta.metrics import Interval
from bauta.report import depth_curve, lines, save_figure

ROWS = [
    {
        "cut": cut,
        "layer": f"block{cut}",
        "authorized": {"value": 0.98, "low": 0.96, "high": 0.99, "n": 300},
        "foreign_raw": Interval(0.9 - cut / 25, 0.85 - cut / 25, 0.92 - cut / 25, 300),
        "foreign_purified": None if cut == 9 else 0.95 - cut / 25,
        "client_holder": 0.99,
    }
    for cut in (17, 5, 9)
]


def test_a_depth_curve_draws_what_it_is_given() -> None:
    figure = depth_curve(ROWS, default=17)
    drawn = {line.get_label(): line for line in figure.axes[0].lines}
    raw = drawn["worst foreign recognizer"]
    assert raw.get_xdata().tolist() == [5, 9, 17]
    assert raw.get_ydata().tolist() == pytest.approx([0.7, 0.54, 0.22])
    purified = drawn["worst foreign recognizer, purified"].get_ydata().tolist()
    assert math.isnan(purified[1])
    assert drawn["authorized recognizer"].get_ydata().tolist() == [0.98] * 3
    assert drawn["default cut (17)"].get_xdata() == [17, 17]
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["5: block5", "9: block9", "17: block17"]
    band = figure.axes[0].collections[1].get_paths()[0].vertices  # of the second series
    assert {tuple(v) for v in np.round(band, 6).tolist()} >= {(5, 0.65), (5, 0.72), (17, 0.17), (17, 0.24)}


def test_what_nobody_measured_is_not_drawn() -> None:
    rows = [{k: v for k, v in row.items() if k != "client_holder"} for row in ROWS]
    assert "holder of the client part" not in [line.get_label() for line in depth_curve(rows).axes[0].lines]


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_same_figure_same_bytes(ending: str, tmp_path: Path) -> None:
    """Also from another process, whose hashes and clock differ."""
    first = save_figure(lines({"a": [(0, 0.1), (1, 0.2)]}, xlabel="x", ylabel="y"), tmp_path / f"first{ending}")
    code = (
        "import sys; from bauta.report import lines, save_figure\n"
        "save_figure(lines({'a': [(0, 0.1), (1, 0.2)]}, xlabel='x', ylabel='y'), sys.argv[1])"
    )
    second = tmp_path / f"second{ending}"
    subprocess.run([sys.executable, "-c", code, second], check=True)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"first{ending}", f"second{ending}"]


def test_an_svg_says_in_words_what_it_shows(tmp_path: Path) -> None:
    path = save_figure(depth_curve(ROWS, default=9, title="MobileFaceNet"), tmp_path / "curve.svg")
    words = {
        "".join(node.itertext()).strip() for node in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")
    }
    assert words >= {"MobileFaceNet", "authorized recognizer", "17: block17", "default cut (9)", "40%"}


def test_a_png_shows_colors_that_the_color_blind_can_tell_apart(tmp_path: Path) -> None:
    path = save_figure(depth_curve(ROWS), tmp_path / "curve.png")
    with Image.open(path) as image:
        found = {color for _, color in image.convert("RGB").getcolors(1 << 24) or []}
    assert found >= {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0xE6, 0x9F, 0x00), (0xCC, 0x79, 0xA7)}


def test_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one measured point"):
        lines({"a": [(0, None)], "b": []}, xlabel="x", ylabel="y")
    with pytest.raises(UsageError, match="one row a cut"):
        depth_curve([*ROWS, ROWS[0]])
    with pytest.raises(UsageError, match="numbers, measurements or None"):
        lines({"a": [(0, "many")]}, xlabel="x", ylabel="y")
    figure = depth_curve(ROWS)
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        save_figure(figure, tmp_path / "curve.bmp")
    with pytest.raises(UsageError, match="make it first"):
        save_figure(figure, tmp_path / "no" / "curve.png")


def test_importing_the_report_imports_no_matplotlib() -> None:
    code = "import sys, bauta.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
