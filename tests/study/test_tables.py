"""Rows of pmt-abuse -> its tables, against numbers that are read off the rows by hand."""

from __future__ import annotations

import pytest
import tiny

from bauta.attacks import FILTERS, ClientHolder, ForeignRecognizer, Purify
from bauta.metrics import Interval, wilson
from bauta.report import depth_curve, to_csv, to_markdown, to_text
from bauta.report.table import measured
from bauta.study.found import CLEAN, EQ10, OWNER, STRANGER, TAR, VIEWER, Found, party
from bauta.study.records import Row
from bauta.study.tables import Table, depth_rows, tables

A, B, C = "mobilefacenet-casia", "mobilefacenet-relu6-ms1m", "mobilefacenet-y1-ms1m"
TWO = f"{A}@20 + {B}@21"
# as the attacks call themselves
FOREIGN = {name: ForeignRecognizer(tiny.recognizer(name)) for name in (A, B, C)}
RAW = {name: repr(attack) for name, attack in FOREIGN.items()}
SOFT, HARD = list(FILTERS)[:2]
PURE = {(name, f): repr(Purify(attack, f)) for name, attack in FOREIGN.items() for f in (SOFT, HARD)}
HOLDER = repr(ClientHolder())


def rows(system: str, attack: str, n: int = 1200, **numbers: float) -> list[Row]:
    """A cell with the metrics given by short names."""
    names = {"eq10": EQ10, "clean": CLEAN, "stranger": STRANGER, "auc": "AUC", "tar": TAR, "rank1": "rank-1"}
    names |= {"ssim": "SSIM", "cosine": "cosine to itself"}
    cell, role = f"{system} / {attack}", "utility" if attack == OWNER else "attack"
    return [
        Row(cell, system, role, attack, names[short], value, value - 0.01, value + 0.01, 200 if short == "rank1" else n)
        for short, value in numbers.items()
    ]


MEASURED = [
    *rows("bare", RAW[B], eq10=0.98, auc=0.99, tar=0.97, rank1=0.9),
    *rows(f"{A}@20", OWNER, eq10=0.96, clean=0.97, stranger=0.02, auc=0.994, cosine=0.94),
    *rows(f"{A}@20", VIEWER, 866, ssim=0.01),
    *rows(f"{A}@20 | JPEG 75", OWNER, eq10=0.95),
    *rows(f"{A}@20", RAW[B], eq10=0.02, stranger=0.05, auc=0.7, tar=0.1, rank1=0.05),
    *rows(f"{A}@20", PURE[B, SOFT], eq10=0.08, stranger=0.11, auc=0.71, tar=0.12, rank1=0.08),
    *rows(f"{A}@20", PURE[B, HARD], eq10=0.06, stranger=0.21, auc=0.79, tar=0.11, rank1=0.04),
    *rows(f"{A}@20", RAW[C], eq10=0.04, stranger=0.03, auc=0.6, tar=0.1, rank1=0.02),
    *rows(f"{A}@20", HOLDER, eq10=0.9, stranger=0.01, auc=0.96, tar=0.8, rank1=0.7),
    *rows(f"{TWO}, read by {A}", OWNER, 400, eq10=0.95, clean=0.96),
    *rows(f"{TWO}, read by {B}", OWNER, 400, eq10=0.97, clean=0.98),
    *rows(f"{TWO}, read by {A} | JPEG 75", OWNER, 400, eq10=0.9),
    *rows(TWO, RAW[C], 400, eq10=0.09, auc=0.8),
    # the depth curve, on fewer pairs; its default cut was measured above on more
    *rows(f"{A}@5", OWNER, 120, eq10=0.99, clean=0.99),
    *rows(f"{A}@5", RAW[B], 120, eq10=0.93, auc=0.97),
    *rows(f"{A}@5", RAW[C], 120, eq10=0.8, auc=0.9),
    *rows(f"{A}@5", PURE[B, SOFT], 120, eq10=0.95, auc=0.98),
    *rows(f"{A}@5", HOLDER, 120, eq10=0.5, auc=0.6),
    *rows(f"{A}@20", OWNER, 120, eq10=0.5, clean=0.5),
    *rows(f"{A}@20", RAW[B], 120, eq10=0.5, auc=0.5),
    Row(f"{A}@20 / greedy", f"{A}@20", "attack", "Greedy()", "failed", None, note="it reached too far"),
]


@pytest.fixture(scope="module")
def made() -> dict[str, Table]:
    return {table.name: table for table in tables(MEASURED)}


def values(row: dict[str, object]) -> dict[str, object]:
    """The row with each interval's value alone."""
    return {k: round(m.value, 6) if (m := measured(cell)) else cell for k, cell in row.items()}


def test_what_a_system_is_called_says_who_is_authorized() -> None:
    assert party("bare") == ((), "", "")
    assert party(f"{A}@20 | noise 0.1") == (((A, 20),), A, "noise 0.1")
    assert party(f"{TWO}, read by {B} | JPEG 75") == (((A, 20), (B, 21)), B, "JPEG 75")
    assert party(TWO).names == f"{A} + {B}"


def test_utility_and_survival(made: dict[str, Table]) -> None:
    (line,) = made["utility"].rows
    expected = {"authorized": A, "cut": "20", "read by": A, "clean": 97, "Eq. 10": 96, "strangers": 2, "cosine": 0.94}
    expected |= {"AUC": 0.994, "SSIM": 0.01, "pairs": 1200}
    assert expected.items() <= values(line).items()
    assert line["lost"] == pytest.approx(1)
    assert measured(line["Eq. 10"]) == pytest.approx((96, 95, 97, 1200))
    (line,) = made["survival"].rows
    assert {"as written": 96, "JPEG 75": 95}.items() <= values(line).items()


def test_acceptance_takes_the_best_filter_and_its_strangers(made: dict[str, Table]) -> None:
    first, second = (values(row) for row in made["acceptance"].rows)
    assert first == {
        "authorized": A, "reader": B, "clean": 98, "raw": 2, "purified": 8, "by": SOFT,
        "strangers raw": 5, "strangers purified": 11, "pairs": 1200,
    }  # fmt: skip
    assert (second["reader"], second["raw"], second["purified"], second["by"]) == (C, 4, None, None)


def test_leak_takes_the_best_filter_for_each_number(made: dict[str, Table]) -> None:
    clean, raw, purified, other = (values(row) for row in made["leak"].rows)
    assert (clean["picture"], clean["AUC"], clean["rank-1"]) == ("clean", 0.99, 0.9)
    assert (raw["picture"], raw["AUC"], raw["TAR"], raw["rank-1"], raw["people"]) == ("raw", 0.7, 0.1, 0.05, 200)
    found = tuple(purified[k] for k in ("picture", "AUC", "TAR", "rank-1", "by", "pairs"))
    assert found == ("purified", 0.79, 0.12, 0.08, HARD, 1200)
    assert (other["reader"], other["AUC"]) == (C, 0.6)
    (line,) = made["client"].rows
    assert {"Eq. 10": 0.9, "AUC": 0.96, "rank-1": 0.7, "as itself": None}.items() <= values(line).items()


def test_two_recognizers_have_tables_of_their_own(made: dict[str, Table]) -> None:
    own = [(row["read by"], values(row)["Eq. 10"], row["pairs"]) for row in made["two-utility"].rows]
    assert own == [(A, 95, 400), (B, 97, 400)]
    (line,) = made["two-survival"].rows
    assert (line["read by"], values(line)["JPEG 75"]) == (A, 90)
    (line,) = made["two-acceptance"].rows
    assert (line["reader"], values(line)["raw"]) == (C, 9)


def test_the_depth_curve_has_the_default_cut_on_the_most_pairs(made: dict[str, Table]) -> None:
    points = depth_rows(Found(MEASURED), A)
    assert [(p["cut"], p["layer"], p["pairs"]) for p in points] == [(5, "block3", 120), (20, "embedding", 1200)]
    shallow, deep = (values(p) for p in points)
    assert (shallow["foreign_raw"], shallow["raw_by"]) == (0.93, B)
    assert (shallow["foreign_purified"], shallow["purified_by"]) == (0.95, f"{B}, {SOFT}")
    assert (shallow["client_holder"], shallow["foreign_auc"]) == (0.5, 0.98)
    assert (deep["authorized"], deep["foreign_raw"], deep["raw_by"]) == (0.96, 0.04, C)
    assert (deep["foreign_purified"], deep["foreign_auc"]) == (0.08, 0.79)
    axes = depth_curve(points, default=20).axes[0]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}
    assert drawn["holder of the client part"] == [0.5, 0.9]
    assert [row["cut"] for row in made[f"depth-{A}"].rows] == [5, 20]


def test_the_paper_stands_beside_ours(made: dict[str, Table]) -> None:
    (line,) = made["table-vii"].rows
    assert {"authorized": A, A: 96, B: 2, C: 4, "pairs": 1200}.items() <= values(line).items()
    assert line["average unauthorized"] == pytest.approx(3)
    # the averages that the paper's rows have
    averages = [row["average unauthorized"] for row in made["table-vii-paper"].rows]
    assert averages == pytest.approx([7.7, 1.9, 9.6, 9.4, 3.2], abs=0.051)


def test_what_failed_is_said(made: dict[str, Table]) -> None:
    assert made["failed"].rows == [{"system": f"{A}@20", "attack": "Greedy()", "why": "it reached too far"}]


def test_a_rate_that_never_varied_has_an_interval() -> None:
    """No acceptance in 600 pairs is not the certainty that the draws claim."""
    none = Row("c", "s", "attack", "a", STRANGER, 0.0, 0.0, 0.0, 600)
    every = Row("c", "s", "attack", "a", EQ10, 1.0, 1.0, 1.0, 20)
    some = Row("c", "s", "attack", "a", "AUC", 1.0, 0.9, 1.0, 20)
    found = Found([none, every, some])
    assert found.get("s", "a", STRANGER) == wilson(0, 600)
    assert found.get("s", "a", EQ10) == wilson(20, 20)
    assert found.get("s", "a", "AUC") == Interval(1.0, 0.9, 1.0, 20)


def test_every_part_of_a_study_can_be_drawn() -> None:
    """A study that was stopped anywhere has tables of what is there."""
    for stop in range(1, len(MEASURED) + 1):
        for table in tables(MEASURED[:stop]):
            assert to_markdown(table.rows, digits=table.digits).count("\n") == len(table.rows) + 2
            assert to_text(table.rows)
            assert to_csv(table.rows)
