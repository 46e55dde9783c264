"""UP and its two terms, as tables and curves find them among the rows."""

from __future__ import annotations

from bauta.metrics.base import Interval
from bauta.study.found import Found
from bauta.study.tables.base import Curve
from bauta.study.up import term
from bauta.types import Stage


def models(found: Found) -> str:
    """Who the privacy-infringing models are; "" where UP was not measured."""
    return next((attack for _, attack, metric in found.by if metric.startswith("UP(")), "")


def traded(found: Found, system: str, what: str, stage: Stage, *at: float) -> Interval | None:
    """UP, utility, privacy or cosine of a system at a noise and, for the first two, a threshold."""
    return found.get(system, models(found), term(what, stage, *at))


def noises(found: Found, system: str, stage: Stage) -> list[float]:
    """The noises under which UP was measured at a stage."""
    levels = {
        float(str(row.settings["noise"]))
        for (name, _, metric), row in found.by.items()
        if name == system and metric.startswith("UP(") and row.settings.get("noise on") == stage.value
    }
    return sorted(levels)


def thresholds(found: Found, system: str) -> list[float]:
    """The thresholds at which UP was measured."""
    names = [metric for name, _, metric in found.by if name == system and metric.startswith("UP(")]
    return sorted({float(name.partition(", ")[2].partition(")")[0]) for name in names})


Points = list[tuple[float, Interval | None]]


def points(found: Found, system: str, what: str, stage: Stage, *kappa: float) -> Points:
    """A measure of a system against the noise."""
    return [(noise, traded(found, system, what, stage, noise, *kappa)) for noise in noises(found, system, stage)]


def curve(name: str, title: str, stage: Stage, ylabel: str, series: dict[str, Points]) -> list[Curve]:
    """One plot, of the series that are more than a point; none where there is no such series."""
    long = {words: line for words, line in series.items() if len(line) > 1}
    on = {Stage.IMAGES: "the pictures, in units of [0, 1]", Stage.FEATURES: "the features, relative to their own"}[
        stage
    ]
    return [Curve(name, title, on, ylabel, long)] if long else []
