"""What is flagged, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny

from bauta.attacks import FILTERS, ForeignRecognizer, Purify
from bauta.study.found import CLEAN, EQ10, OWNER, VIEWER
from bauta.study.judge import INSIDE
from bauta.study.records import Row
from bauta.study.run import OF_PICTURES
from bauta.study.sanity import Flag, is_bare, sanity

READER = ForeignRecognizer(tiny.recognizer("weak-net"))
RAW, PURE = repr(READER), repr(Purify(READER, next(iter(FILTERS))))
FACTS: dict[str, object] = {"protection": "bare", "study": "pmt-reconstruction", "quick": False}


def row(metric: str, value: float, low: float, high: float, *, attack: str = "RecFace()", n: int = 200) -> Row:
    """An attack's number on the bare system."""
    facts = dict(FACTS)
    return Row(f"bare a@5 / {attack}", "bare a@5", "attack", attack, metric, value, low, high, n, settings=facts)


def on_pmt(one: Row) -> Row:
    return replace(
        one,
        cell=one.cell.replace("bare", "PMT"),
        system=one.system.replace("bare", "PMT"),
        settings={**one.settings, "protection": "PMT"},
    )


def whats(*rows: Row) -> list[str]:
    return [flag.what for flag in sanity(rows)]


@pytest.mark.parametrize(
    ("system", "facts", "bare"),
    [
        ("bare", {}, True),
        ("bare a@5", {}, True),
        ("utkface: bare a@5", {"protection": "bare"}, True),
        ("a@5, none | noise 0", {"protection": "none", "noise": 0.0}, True),
        ("a@5, none | noise 0.1", {"protection": "none", "noise": 0.1}, False),
        ("bare a@5", {"protection": "PMT"}, False),
        ("a@20", {}, False),
    ],
)
def test_where_nothing_is_protected(system: str, facts: dict[str, object], bare: bool) -> None:
    assert is_bare(Row("c", system, "attack", "A()", "AUC", 0.5, settings=facts)) is bare


@pytest.mark.parametrize(
    "weak",
    [
        row("AUC", 0.52, 0.49, 0.55),
        row(f"AUC{OF_PICTURES}", 0.45, 0.4, 0.49),
        row("AUC of gender", 0.55, 0.5, 0.6),
        row("SSIM", 0.43, 0.42, 0.45),
        row(f"SSIM{INSIDE}", 0.44, 0.43, 0.45),
        replace(
            row("MAE of age", 11, 10, 12.1), private_when="high", note="who always says the median age errs by 12.0"
        ),
    ],
)
def test_an_attack_that_cannot_beat_chance_on_the_bare_system(weak: Row) -> None:
    (what,) = whats(weak)
    assert what.startswith("no better than")
    assert weak.metric in what
    assert not whats(on_pmt(weak))
    assert not whats(replace(weak, attack=VIEWER))
    quick = replace(weak, settings={**weak.settings, "quick": True})
    assert not whats(quick)


def test_an_attack_that_beats_chance_is_not_flagged() -> None:
    strong = [
        row("AUC", 0.6, 0.51, 0.7),
        row("balanced accuracy of gender", 0.5, 0.5, 0.5),  # its threshold is off; its AUC says that it reads
        row("AUC of gender", 0.9, 0.85, 0.95),
        row(f"SSIM{INSIDE}", 0.9, 0.88, 0.92),
        row("SSIM", 0.4, 0.38, 0.42),  # of columns that nobody can know
        replace(row("MAE of age", 8, 7, 9), private_when="high", note="who always says the median age errs by 12.0"),
    ]
    assert whats(*strong) == []


def test_a_reader_that_knows_no_clean_faces() -> None:
    worse = row(CLEAN, 0.55, 0.5, 0.6, attack=RAW)
    better = on_pmt(row(CLEAN, 0.6, 0.55, 0.65, attack=RAW))
    purified, own = row(CLEAN, 0.5, 0.45, 0.55, attack=PURE), row(CLEAN, 0.5, 0.45, 0.55, attack="Comparison()")
    (flag,) = sanity([worse, better, purified, own])
    assert flag == Flag(better.cell, "weak-net decides only 60 % of the clean pairs rightly")
    # with both sides protected the gallery is not clean, and what it knew elsewhere counts
    assert whats(worse, replace(better, value=0.98, low=0.97, high=0.99)) == []


def test_a_metric_at_one_end_everywhere_tells_nothing() -> None:
    ones = [row("SRRA", 1.0, 1.0, 1.0, attack=name) for name in ("A()", "B()")]
    assert sanity(ones) == [Flag("all 2 cells of attack", "SRRA is 1: it tells nothing apart")]
    assert whats(ones[0]) == []
    assert whats(ones[0], replace(ones[1], low=0.99)) == []
    zero = row("SRRA", 0.0, 0.0, 0.0, attack="C()")
    assert whats(*ones, zero) == []
    assert len(whats(zero, replace(zero, cell="another"))) == 1
    views = [replace(one, metric="SSIM", attack=VIEWER) for one in ones]
    assert whats(*views) == []


def test_few_pairs_and_a_wide_interval() -> None:
    wide = on_pmt(row("AUC", 0.7, 0.55, 0.85, n=99))
    wider = replace(on_pmt(row("rank-1", 0.5, 0.3, 0.7, attack="B()", n=20)), note="chance 0.05")
    (flag,) = sanity([wide, wider])
    assert flag.cell == wider.cell
    assert flag.what == "only 20 comparisons: rank-1 0.50 [0.30, 0.70]; as few in 1 other cells of this system"
    assert whats(replace(wide, n=100)) == []
    assert whats(replace(wide, low=0.6, high=0.79)) == []
    assert whats(on_pmt(row("PSNR", 30.0, 25.0, 35.0, n=20))) == []
    own = Row("c", "s", "utility", OWNER, EQ10, 0.8, 0.6, 0.95, 20, "")
    assert len(whats(own)) == 1


def test_what_failed_is_flagged_even_when_quick() -> None:
    failed = Row("c", "s", "attack", "A()", "failed", None, note="no weights", settings={"quick": True})
    assert sanity([failed]) == [Flag("c", "not measured: no weights")]
