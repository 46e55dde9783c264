"""Rows of chameleon -> its tables, each number in its place, read off rows that were made by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from scipy.stats import binomtest

from bauta.metrics.base import Interval
from bauta.report import to_csv, to_markdown
from bauta.report.table import measured
from bauta.study.records import Row
from bauta.study.tables import Table, study_of, tables
from bauta.study.tables.chameleon import chameleon_tables

JUDGES, TEAM = ("judge a", "judge b"), ("member",)
SIDES = ("probe", "gallery", "both")
RETRIEVAL = ("rank-1", "rank-5", "rank-1 in a crowd", "rank-5 in a crowd", "rank-1 in a crowd, worst person")
BORROWED = ("taken for the mask's owner in a crowd", "found as himself in a crowd")
METRICS = (*RETRIEVAL, "TAR@FAR=0.001")
COSTS = {"SSIM": 0.94, "PSNR": 35.0, "largest change, levels": 16.0}
SECONDS = {"seconds to learn a person": 9.5, "seconds to apply": 0.004}


def rate(number: int) -> float:
    """Numbers that all differ, in (0, 1)."""
    return number / 2000


class Study:
    """Rows as the study writes them, each with a number of its own, and where each number was put."""

    def __init__(self, quick: bool = False) -> None:
        self.rows: list[Row] = []
        self.put: dict[tuple[str, ...], float] = {}
        self.numbers, self.quick = count(1), quick

    def cell(self, data: str, protection: str, judge: str, metrics: tuple[str, ...], **facts: str) -> None:
        common = {"study": "chameleon", "quick": self.quick, "data": data, "protection": protection, "recipe": "x()"}
        for metric in metrics:
            value = rate(next(self.numbers))
            key = f"{data} / {protection} / {'adaptive' if 'cleaned' in facts else 'retrieval'}"
            system = f"{data} / {protection}"
            self.put[data, protection, judge, metric, *facts.values()] = value
            settings = {**facts, **common}
            self.rows.append(
                Row(key, system, "attack", judge, metric, value, value / 2, value + 0.001, 12, settings=settings)
            )

    def nobody(self, data: str) -> None:
        for judge in (*JUDGES, *TEAM):
            self.cell(data, "none", judge, METRICS, side="nobody", file="PNG")
        for judge in JUDGES:
            for side in SIDES:
                self.cell(data, "none", judge, METRICS, side=side, file="JPEG 75")

    def protected(self, data: str, name: str, cleaned: tuple[str, ...]) -> None:
        for metric, value in {**COSTS, **SECONDS}.items():
            settings: dict[str, object] = {"study": "chameleon", "quick": self.quick, "data": data, "protection": name}
            ends = (None, None) if metric in SECONDS else (value - 0.5, value + 0.5)
            system = f"{data} / {name}"
            self.rows.append(
                Row(f"{system} / retrieval", system, "attack", "a viewer", metric, value, *ends, 12, settings=settings)
            )
        for file in ("PNG", "JPEG 75"):
            for judge in (*JUDGES, *(TEAM if file == "PNG" else ())):
                for side in SIDES:
                    self.cell(data, name, judge, METRICS, side=side, file=file)
        for treatment in cleaned:
            for judge in JUDGES:
                self.cell(data, name, judge, METRICS, side="probe", cleaned=treatment)
            self.cell(data, name, "a viewer", ("SSIM",), cleaned=treatment)

    def percent(self, *where: str) -> float:
        return 100 * self.put[where]


@pytest.fixture(params=[False, True], ids=["full", "quick"])
def study(request: pytest.FixtureRequest) -> Study:
    made = Study(request.param)
    made.nobody("celeb12")
    made.protected("celeb12", "P3-Mask", ("blur 1", "the key"))
    for judge in JUDGES:
        made.cell("celeb12", "P3-Mask", judge, BORROWED, side="another's mask")
    made.protected("celeb12", "PGD", ("blur 1",))
    made.nobody("lfw")
    made.protected("lfw", "P3-Mask", ("blur 1",))
    return made


LINES = [("celeb12", "none"), ("celeb12", "P3-Mask"), ("celeb12", "PGD"), ("lfw", "none"), ("lfw", "P3-Mask")]


def drawn(study: Study) -> dict[str, Table]:
    return {table.name: table for table in tables(study.rows)}


def number(cell: object) -> Interval:
    found = measured(cell)
    assert found is not None
    return found


def heads(table: Table, *columns: str) -> list[tuple[object, ...]]:
    return [tuple(row[column] for column in columns) for row in table.rows]


def test_every_table_is_there_and_no_worst_case(study: Study) -> None:
    made = drawn(study)
    expected = ["crowd", "closed", "worst-person", "more", "team", "files", "attacks", "borrowed", "costs", "published"]
    assert list(made) == expected
    assert study_of(study.rows) == "chameleon"
    for table in made.values():
        assert len(to_markdown(table.rows, digits=table.digits).splitlines()) == len(table.rows) + 2
        assert to_csv(table.rows)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("crowd", "rank-1 in a crowd"),
        ("closed", "rank-1"),
        ("worst-person", "rank-1 in a crowd, worst person"),
    ],
)
def test_each_side_has_its_column_and_who_is_not_protected_one_number_for_all(
    study: Study, name: str, metric: str
) -> None:
    table = drawn(study)[name]
    assert heads(table, "data", "protection") == LINES
    for row, (data, protection) in zip(table.rows, LINES, strict=True):
        assert list(row) == ["data", "protection", *(f"{side}: {judge}" for side in SIDES for judge in JUDGES)]
        for side in SIDES:
            for judge in JUDGES:
                found = number(row[f"{side}: {judge}"])
                there = "nobody" if protection == "none" else side
                value = study.percent(data, protection, judge, metric, there, "PNG")
                assert (found.value, found.low, found.high) == pytest.approx((value, value / 2, value + 0.1))
                assert found.n == 12


def test_more_ranks_and_the_true_accept_rate_are_of_protected_probes(study: Study) -> None:
    table = drawn(study)["more"]
    assert heads(table, "data", "protection") == LINES
    for row, (data, protection) in zip(table.rows, LINES, strict=True):
        side = "nobody" if protection == "none" else "probe"
        for judge in JUDGES:
            for column, metric in (("rank-5", "rank-5 in a crowd"), ("TAR", "TAR@FAR=0.001")):
                expected = study.percent(data, protection, judge, metric, side, "PNG")
                assert number(row[f"{column}: {judge}"]).value == pytest.approx(expected)


def test_the_team_stands_apart(study: Study) -> None:
    table = drawn(study)["team"]
    for row, (data, protection) in zip(table.rows, LINES, strict=True):
        assert list(row) == ["data", "protection", *TEAM]
        side = "nobody" if protection == "none" else "probe"
        expected = study.percent(data, protection, "member", "rank-1 in a crowd", side, "PNG")
        assert number(row["member"]).value == pytest.approx(expected)


def test_after_files_the_recognizer_that_finds_most_counts(study: Study) -> None:
    def raised(row: Row) -> Row:
        """The first judge finds more in JPEG files of the celebrities, whatever comes first in the rows."""
        first = row.attack == JUDGES[0] and row.settings.get("file") == "JPEG 75" and "celeb12" in row.system
        return replace(row, value=0.9, low=0.8, high=0.95) if first else row

    study.rows = [raised(row) for row in study.rows]
    table = drawn(study)["files"]
    assert heads(table, "data", "protection", "protected") == [(*x, side) for x in LINES for side in ("probe", "both")]
    for row in table.rows:
        data, protection, side = str(row["data"]), str(row["protection"]), str(row["protected"])
        assert list(row) == ["data", "protection", "protected", "PNG", "JPEG 75"]
        png = "nobody" if protection == "none" else side
        # of two judges the later one has the higher number, except where it was raised
        expected = study.percent(data, protection, JUDGES[1], "rank-1 in a crowd", png, "PNG")
        assert number(row["PNG"]).value == pytest.approx(expected)
        jpeg = number(row["JPEG 75"])
        if data == "celeb12":
            assert (jpeg.value, jpeg.low, jpeg.high) == pytest.approx((90, 80, 95))
        else:
            expected = study.percent(data, protection, JUDGES[1], "rank-1 in a crowd", side, "JPEG 75")
            assert jpeg.value == pytest.approx(expected)


def test_who_borrows_a_mask_has_a_line_where_it_was_asked(study: Study) -> None:
    table = drawn(study)["borrowed"]
    assert heads(table, "data", "protection") == [("celeb12", "P3-Mask")]
    for judge in JUDGES:
        for metric in BORROWED:
            expected = study.percent("celeb12", "P3-Mask", judge, metric, "another's mask")
            column = f"{metric.removesuffix(' in a crowd')}: {judge}"
            assert number(table.rows[0][column]).value == pytest.approx(expected)


def test_clean_files_that_no_service_had_are_left_open(study: Study) -> None:
    study.rows = [r for r in study.rows if "none" not in r.system or r.settings["file"] == "PNG"]
    none = [row for row in drawn(study)["files"].rows if row["protection"] == "none"]
    assert len(none) == 4
    assert all(row["JPEG 75"] is None and measured(row["PNG"]) for row in none)


def test_attacks_stand_under_what_they_attack(study: Study) -> None:
    table = drawn(study)["attacks"]
    assert heads(table, "data", "protection", "attack") == [
        ("celeb12", "P3-Mask", "-"),
        ("celeb12", "P3-Mask", "blur 1"),
        ("celeb12", "P3-Mask", "the key"),
        ("celeb12", "PGD", "-"),
        ("celeb12", "PGD", "blur 1"),
        ("lfw", "P3-Mask", "-"),
        ("lfw", "P3-Mask", "blur 1"),
    ]
    for row in table.rows:
        data, protection, attack = str(row["data"]), str(row["protection"]), str(row["attack"])
        after = "PNG" if attack == "-" else attack
        for judge in JUDGES:
            expected = study.percent(data, protection, judge, "rank-1 in a crowd", "probe", after)
            assert number(row[judge]).value == pytest.approx(expected)
        seen = COSTS["SSIM"] if attack == "-" else study.put[data, protection, "a viewer", "SSIM", attack]
        assert number(row["SSIM"]).value == pytest.approx(seen)
        assert "member" not in row


def test_costs_are_of_what_protects(study: Study) -> None:
    table = drawn(study)["costs"]
    assert heads(table, "data", "protection") == [line for line in LINES if line[1] != "none"]
    for row in table.rows:
        assert {k: number(row[k]).value for k in COSTS} == COSTS
        assert {k: row[k] for k in SECONDS} == SECONDS
    faster = [
        replace(r, value=1.5) if r.metric == "seconds to learn a person" and r.system == "lfw / P3-Mask" else r
        for r in study.rows
    ]
    costs = next(table for table in tables(faster) if table.name == "costs")
    assert [row["seconds to learn a person"] for row in costs.rows] == [9.5, 9.5, 1.5]


def test_published_figures_are_beside_and_without_intervals(study: Study) -> None:
    rows = drawn(study)["published"].rows
    assert rows[:2] == [{"protection": "none", "recall": 71.68}, {"protection": "Protego", "recall": 18.09}]
    assert all("inferred" in str(row["protection"]) for row in rows[2:])


def test_where_everybody_is_found_or_nobody_the_number_of_people_says_how_sure_that_is(study: Study) -> None:
    study.rows = [
        replace(row, value=1.0, low=1.0, high=1.0)
        if "none" in row.system
        else replace(row, value=0.0, low=0.0, high=0.0)
        for row in study.rows
        if row.metric in METRICS
    ]
    made = drawn(study)
    for name, column in (("crowd", "probe: judge a"), ("closed", "probe: judge a"), ("more", "TAR: judge a")):
        for row in made[name].rows:
            everybody = row["protection"] == "none"
            ends = binomtest(12 if everybody else 0, 12).proportion_ci(method="wilson")
            found = number(row[column])
            assert (found.low, found.high) == pytest.approx((100 * ends.low, 100 * ends.high)), name


def test_what_failed_is_said_and_leaves_no_line(study: Study) -> None:
    facts: dict[str, object] = {"study": "chameleon", "quick": study.quick, "data": "lfw", "protection": "PGD"}
    study.rows.append(
        Row("lfw / PGD / retrieval", "lfw / PGD", "attack", "", "failed", None, note="no team", settings=facts)
    )
    made = drawn(study)
    assert made["failed"].rows == [{"system": "lfw / PGD", "attack": "", "why": "no team"}]
    assert heads(made["crowd"], "data", "protection") == LINES


def test_the_first_cell_alone_is_drawn_too() -> None:
    """While the study goes on; who is of the team is told by what they were not asked, so here nobody is."""
    first = Study()
    for judge in (*JUDGES, *TEAM):
        first.cell("celeb12", "none", judge, METRICS, side="nobody", file="PNG")
    made = drawn(first)
    assert list(made) == ["crowd", "closed", "worst-person", "more", "files", "published"]
    assert heads(made["crowd"], "data", "protection") == [("celeb12", "none")]


def test_no_rows_give_no_tables() -> None:
    assert [table.name for table in chameleon_tables([]) if table.rows] == []
