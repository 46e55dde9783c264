"""Rows on disk: what is written is read, and a crash costs at most the row being written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bauta.attacks import Knows
from bauta.errors import BadFile
from bauta.study.records import KNOWS, Row, append, arrange, cells, complete, facts, read, resume

number = st.floats(allow_nan=False, allow_infinity=False) | st.none()
rows = st.builds(
    Row,
    cell=st.text(),
    system=st.text(),
    role=st.sampled_from(["utility", "attack"]),
    attack=st.text(),
    metric=st.text(),
    value=number,
    low=number,
    n=st.integers(0, 10**6),
    seed=st.integers(0, 2**128),
    note=st.text(),
    settings=st.dictionaries(st.text(), st.integers() | st.text(), max_size=3),
)


def row(cell: str, value: float = 0.5) -> Row:
    return Row(cell, "system", "attack", "attack", "AUC", value)


@given(st.lists(st.lists(rows, max_size=3), max_size=3))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, batches: list[list[Row]]) -> None:
    path = tmp_path_factory.mktemp("records") / "deep" / "rows.jsonl"
    for batch in batches:
        append(path, batch)
    assert list(read(path)) == [r for batch in batches for r in batch]


def test_each_line_is_one_json_object(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, [row("a"), row("b\nc")])
    lines = path.read_text().splitlines()
    assert [json.loads(line)["cell"] for line in lines] == ["a", "b\nc"]


def test_rows_are_put_in_the_order_of_their_cells(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, [row("c", 1), row("other"), row("a", 2), row("a", 1), row("b")])
    arrange(path, {"a": 0, "b": 0, "c": 1})
    assert [(r.cell, r.value) for r in read(path)] == [("a", 2), ("a", 1), ("b", 0.5), ("c", 1), ("other", 0.5)]
    before = path.stat().st_ino
    arrange(path, {"a": 0, "b": 0, "c": 1})
    assert path.stat().st_ino == before
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


def test_a_complete_cell_does_not_wait_for_the_next() -> None:
    """What comes after is only asked for when the complete one has been handed on; others wait, as they must."""
    asked = []

    def study() -> Iterator[Row]:
        for name in "ab":
            asked.append(name)
            yield from complete([row(name, 1), row(name, 2)])
        for name in "ccd":
            asked.append(name)
            yield row(name)

    found = cells(study())
    assert next(found) == ("a", [row("a", 1), row("a", 2)])
    assert asked == ["a"]
    assert [(cell, len(rows)) for cell, rows in found] == [("b", 2), ("c", 2), ("d", 1)]
    assert complete([]) == []


def test_that_a_row_is_the_last_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, complete([row("a"), row("a")]))
    assert "last" not in path.read_text()
    assert not any(r.last for r in read(path))


def test_no_file_has_no_rows(tmp_path: Path) -> None:
    assert list(read(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize("lost", [1, 2, 30])
def test_a_last_line_cut_off_is_skipped_and_the_next_rows_are_whole(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, [row("a"), row("b"), row("c")])
    path.write_bytes(path.read_bytes()[:-lost])
    assert list(read(path)) == [row("a"), row("b")], "what is read is what a resumed study skips"
    append(path, [row("d"), row("e")])
    assert list(read(path)) == [row("a"), row("b"), row("d"), row("e")]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, [row("a"), row("b")])
    good = path.read_text().splitlines()
    for broken in ("{", '{"cell": 1}', "[]", "null"):
        path.write_text("\n".join([good[0], broken, good[1]]) + "\n")
        with pytest.raises(BadFile, match="line 2"):
            list(read(path))


def test_a_whole_last_line_that_is_no_row_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"cell": "a"}\n')
    with pytest.raises(BadFile, match="line 1"):
        list(read(path))


def failed(cell: str) -> Row:
    return Row(cell, "system", "attack", "attack", "failed", None, note="no weights")


def test_a_cell_that_failed_is_not_done_and_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, [row("a"), row("a", 0.1), failed("b"), row("c"), failed("d")])
    assert resume(path) == {"a", "c"}
    assert list(read(path)) == [row("a"), row("a", 0.1), row("c")]
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize("lost", [1, 30])
def test_the_cell_of_a_torn_line_is_measured_again_as_a_whole(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "rows.jsonl"
    append(path, [row("a"), row("b"), row("b", 0.1)])
    path.write_bytes(path.read_bytes()[:-lost])
    assert resume(path) == {"a"}
    assert path.read_text() == json.dumps(facts(row("a"))) + "\n"


def test_what_is_whole_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    assert resume(path) == frozenset()
    assert not path.exists()
    path.touch()
    assert resume(path) == frozenset()
    append(path, [row("a"), row("b")])
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert resume(path) == {"a", "b"}
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    path.write_bytes(path.read_bytes()[:20])
    assert resume(path) == frozenset()
    assert path.read_bytes() == b""


def test_there_are_words_for_all_that_an_attack_may_know() -> None:
    assert list(KNOWS) == [known.name for known in Knows]
