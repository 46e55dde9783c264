"""Tables: read back by other readers, with the very values that went in."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bauta.errors import UsageError
from bauta.metrics import Interval
from bauta.report import to_csv, to_markdown, to_text

ROWS = [
    {"network": "casia", "accuracy": Interval(0.94, 0.92, 0.961, 1200), "n": 1200, "safe": True, "note": None},
    {"network": "y1 | b\n", "accuracy": Interval(1.0, 0.997, 1.0, 1200), "n": 6, "safe": False, "extra": 0.12345},
]


def read_markdown(text: str) -> list[list[str]]:
    """The cells as a Markdown renderer sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    lines: list[list[str]] = []
    for before, token in pairwise(tokens):
        if before.type == "tr_open":
            lines.append([])
        if token.type == "inline" and before.type in ("th_open", "td_open"):
            lines[-1].append("".join(child.content for child in token.children or []))
    return lines


def test_markdown_as_a_renderer_reads_it() -> None:
    assert read_markdown(to_markdown(ROWS)) == [
        ["network", "accuracy", "n", "safe", "note", "extra"],
        ["casia", "0.94 [0.92, 0.96]", "1200", "yes", "-", "-"],
        ["y1 | b", "1.00 [1.00, 1.00]", "6", "no", "-", "0.12"],
    ]


def test_markdown_to_the_letter() -> None:
    rows = [{"name": "a", "rate": 0.5}, {"name": "bcde", "rate": -11.0}]
    assert to_markdown(rows, digits=1) == (
        "| name |  rate |\n"
        "| ---- | ----: |\n"
        "| a    |   0.5 |\n"
        "| bcde | -11.0 |\n"
    )  # fmt: skip


def test_text_to_the_letter() -> None:
    rows = [{"name": "a", "rate": Interval(0.5, 0.4, 0.6, 10), "why": "b"}, {"name": "bcde", "why": "c"}]
    assert to_text(rows) == (
        "name               rate  why\n"
        "----  -----------------  ---\n"
        "a     0.50 [0.40, 0.60]  b\n"
        "bcde                  -  c\n"
    )


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.floats() | st.none() | st.integers()}), min_size=1))
def test_any_text_stays_one_line_a_row(rows: list[dict[str, object]]) -> None:
    assert len(to_text(rows).splitlines()) == len(rows) + 2
    assert len(to_markdown(rows).splitlines()) == len(rows) + 2
    assert [len(line) for line in read_markdown(to_markdown(rows))] == [2] * (len(rows) + 1)


def test_csv_keeps_every_digit() -> None:
    third = 1 / 3
    rows = [{"name": 'a,"b"', "rate": Interval(third, 0.1, 0.7, 9), "x": third}, {"name": "c"}]
    first, second = csv.DictReader(io.StringIO(to_csv(rows)))
    assert first["name"] == 'a,"b"'
    assert [float(first[k]) for k in ("rate", "rate_low", "rate_high", "rate_n", "x")] == [third, 0.1, 0.7, 9, third]
    assert set(second.values()) == {"c", ""}


def test_rows_read_back_from_json_give_the_same_tables() -> None:
    plain = [{k: asdict(v) if isinstance(v, Interval) else v for k, v in row.items()} for row in ROWS]
    back = json.loads(json.dumps(plain))
    for draw in (to_markdown, to_text, to_csv):
        assert draw(back) == draw(ROWS)


def test_columns_choose_and_order() -> None:
    assert read_markdown(to_markdown(ROWS, ["n", "network"]))[1] == ["1200", "casia"]
    assert to_csv(ROWS, ["n"]) == "n\n1200\n6\n"
    assert to_csv([], ["n"]) == "n\n"
    with pytest.raises(UsageError, match="No row has a column m; there are network"):
        to_text(ROWS, ["n", "m"])
    with pytest.raises(UsageError, match="at least one column"):
        to_text([])
