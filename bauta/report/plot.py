"""Measured numbers -> pictures of them. matplotlib is imported when a picture is drawn, and no window ever opens."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from bauta.errors import UsageError
from bauta.report.table import Row, measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colors (2008), told apart by color-blind readers; dashes and markers tell them apart in print.
STYLES = (
    ("#0072B2", "-", "o"),
    ("#D55E00", "-", "s"),
    ("#E69F00", "--", "^"),
    ("#CC79A7", ":", "D"),
    ("#009E73", "-.", "v"),
    ("#56B4E9", "--", "P"),
    ("#000000", ":", "X"),
)
# What a depth curve draws, in order: the key in a row, and the words in the legend.
DEPTH = {
    "authorized": "authorized recognizer",
    "foreign_raw": "worst foreign recognizer",
    "foreign_purified": "worst foreign recognizer, purified",
    "client_holder": "holder of the client part",
}
Points = Sequence[tuple[float, object]]


def lines(
    series: Mapping[str, Points],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    ticks: Mapping[float, str] | None = None,
    marker: tuple[float, str] | None = None,
    percent: bool = False,
) -> Figure:
    """One line a series, with a band where its points are measurements with intervals.

    series: name in the legend -> (x, y) points in order; y is a number, a measurement (see `bauta.report.table`), or
    None for a gap. ticks: x -> its label. marker: an x to point out, and the words for it. percent: y is a rate in
    [0, 1], drawn as percent on the whole of that range. Raises `UsageError`.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    drawn = {name: [(float(x), *_ends(y, name)) for x, y in points] for name, points in series.items()}
    if not any(low == low for points in drawn.values() for _, _, low, _ in points):
        raise UsageError("A plot needs at least one measured point, but every series is empty.")
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for (name, points), (color, dash, sign) in zip(drawn.items(), cycle(STYLES), strict=False):
        if points:
            xs, values, lows, highs = zip(*points, strict=True)
            axes.plot(xs, values, dash, color=color, marker=sign, markersize=5, linewidth=1.8, label=name)
            axes.fill_between(xs, lows, highs, color=color, alpha=0.18, linewidth=0)
    if marker is not None:
        axes.axvline(marker[0], color="#555555", linestyle=(0, (4, 3)), linewidth=1.2, label=marker[1])
    if ticks is not None:
        long = any(len(label) > 4 for label in ticks.values())
        axes.set_xticks(list(ticks), list(ticks.values()), rotation=90 if long else 0)
    if percent:
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _ends(y: object, name: str) -> tuple[float, float, float]:
    """The value and the ends of its interval; NaN, which matplotlib leaves open, for a gap."""
    found = measured(y)
    if found is not None:
        return found.value, found.low, found.high
    if y is None:
        return (float("nan"),) * 3
    if isinstance(y, int | float):
        return (float(y),) * 3
    raise UsageError(f"{name!r} must hold numbers, measurements or None, got {y!r}.")


def depth_curve(
    rows: Sequence[Row], *, default: int | None = None, title: str = "", ylabel: str = "accepted as the person"
) -> Figure:
    """What each party recognizes against the cut: how deep the client's part reaches.

    rows: one a cut, with `cut` (how many layers the client holds), `layer` (the name of the last of them) and rates in
    [0, 1], as numbers or measurements, under `authorized`, `foreign_raw`, `foreign_purified` and `client_holder`; one
    that is absent everywhere is not drawn. default: the cut to point out. Raises `UsageError`.
    """
    cuts = {int(str(row["cut"])): row for row in rows if "cut" in row}
    if len(cuts) != len(rows):
        raise UsageError(f"A depth curve needs one row a cut, got {len(rows)} rows with {len(cuts)} different cuts.")
    series = {
        words: [(cut, cuts[cut].get(key)) for cut in sorted(cuts)]
        for key, words in DEPTH.items()
        if any(row.get(key) is not None for row in rows)
    }
    ticks = {float(cut): ": ".join(map(str, filter(None, (cut, cuts[cut].get("layer"))))) for cut in sorted(cuts)}
    marker = None if default is None else (float(default), f"default cut ({default})")
    xlabel = "layers that the client holds"
    return lines(series, xlabel=xlabel, ylabel=ylabel, title=title, ticks=ticks, marker=marker, percent=True)


def noise_curve(series: Mapping[str, Points], *, on: str, ylabel: str, title: str = "") -> Figure:
    """What noise does: name in the legend -> (standard deviation, measurement or None), `on` says of what noise.

    Raises `UsageError`.
    """
    return lines(series, xlabel=f"standard deviation of noise on {on}", ylabel=ylabel, title=title)


def save_figure(figure: Figure, path: Path | str) -> Path:
    """Write `figure` as .png, .svg or .pdf, by its name's ending: the same figure gives the same bytes, with no date.

    The file is there whole or not at all. Raises `UsageError` for another ending or a folder that is not there.
    """
    import matplotlib

    path = Path(path)
    undated: dict[str, dict[str, None]] = {
        ".png": {"Software": None},
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    if path.suffix not in undated:
        raise UsageError(f"A plot is written as {', '.join(undated)}; got {path.name!r}.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}; make it first.")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        # ids in an SVG are salted with the time unless told; text stays text, which screen readers can read
        with matplotlib.rc_context({"svg.hashsalt": "bauta", "svg.fonttype": "none"}):
            figure.savefig(temporary, dpi=150, metadata=undated[path.suffix])
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
