"""What a report of an audit shows, as data: `bauta.report.page` draws it, and computes nothing.

Every number is measured before it comes here. Numbers with an interval are `Interval`s; text is plain text, never
markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bauta.metrics.base import Interval
from bauta.study.sanity import Flag
from bauta.study.tables.base import Table


@dataclass(frozen=True)
class Verdict:
    """What follows for one protection against one threat.

    threat: "a viewer", "a foreign recognizer", "the wire", "the database", "an insider". word: how it stands, one of
    `WORDS` in `bauta.study.audit.verdicts`. sentence: the same in full, with who reached what. worst: the leak of the
    strongest attacker in [0, 1] (0 is chance), None where nothing was measured. kind: what leaks most, "identity",
    "picture" or "attributes". attack, knows: that attacker and what he knows of the protection. bare: the same threat's
    worst leak where nothing is protected.
    """

    threat: str
    system: str
    word: str
    sentence: str
    attack: str = ""
    knows: str = ""
    kind: str = ""
    worst: Interval | None = None
    bare: Interval | None = None


@dataclass(frozen=True)
class Point:
    """One system in the plane of utility and the worst leak, both in [0, 1]. bare: nothing is protected."""

    system: str
    utility: Interval
    leak: Interval
    kind: str
    attack: str
    bare: bool = False


@dataclass(frozen=True)
class Line:
    """A labelled line; low and high are the ends of a band, empty where there is none."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Curve:
    """Lines over one pair of axes: a ROC, or privacy against depth, budget or queries. name: for files and anchors.

    log_x: whether x is drawn by its logarithm. diagonal: whether chance is the line from (0, 0) to (1, 1). note: how to
    read it.
    """

    name: str
    title: str
    xlabel: str
    ylabel: str
    lines: Sequence[Line]
    log_x: bool = False
    diagonal: bool = False
    note: str = ""


@dataclass(frozen=True)
class Histogram:
    """Cosines of genuine and impostor pairs, in bins between `edges` (one more than counts).

    threshold: above which the reader says "same person", None where it has none.
    """

    name: str
    title: str
    edges: Sequence[float]
    genuine: Sequence[int]
    impostor: Sequence[int]
    threshold: float | None = None


@dataclass(frozen=True)
class Picture:
    """One picture of a gallery. file: a PNG, relative to the report's folder. scores: what stands under it, as text,
    such as {"SSIM": "0.31"}."""

    file: str
    label: str
    scores: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GalleryRow:
    """The same people in the same columns: the originals, the protected, or what one attack made of them."""

    system: str
    label: str
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Threat:
    """An attack and its declared threat model, in words."""

    attack: str
    sees: str
    access: str
    knows: str
    holds: str
    threat: str = ""
    run: bool = True
    why_not: str = ""


@dataclass(frozen=True)
class Document:
    """Everything that a report shows.

    made: date and time, as text. versions, weights (name -> SHA-256), settings: as they are printed. cuts: sentences
    that say what the time budget made smaller. absent: what was not run, and why. pictures are only in `gallery`, which
    is empty where faces are left out; faces_left_out says that they were left out on purpose.
    """

    title: str
    made: str
    summary: Sequence[str]
    verdicts: Sequence[Verdict]
    points: Sequence[Point]
    curves: Sequence[Curve]
    histograms: Sequence[Histogram]
    gallery: Sequence[GalleryRow]
    threats: Sequence[Threat]
    tables: Sequence[Table]
    flags: Sequence[Flag]
    cuts: Sequence[str]
    absent: Sequence[tuple[str, str]]
    settings: Mapping[str, object]
    versions: Mapping[str, str]
    weights: Mapping[str, str]
    faces_left_out: bool = False
