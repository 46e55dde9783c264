"""Errors are put where they matter, one at a time, and nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path
from random import Random

import pytest

from campaigns import mutants as campaign
from campaigns.mutation import mutants


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", {"a <= b"}),
        ("a == b != c", {"a != b != c", "a == b == c"}),
        ("x = a + b * c", {"x = a - b * c", "x = a + b / c"}),
        ("x += 1", {"x -= 1", "x += 2"}),
        ("x = a and (not b)", {"x = a or not b", "x = a and b"}),
        ("x = -y", {"x = y"}),
        ("x = (True, 0.0, 0.5)", {"x = (False, 0.0, 0.5)", "x = (True, 1.0, 0.5)", "x = (True, 0.0, 1.0)"}),
        ("def f():\n    return g", {"def f():\n    return None"}),
        ("def f():\n    return None", set()),
        ("if a:\n    b()", {"if not a:\n    b()", "if a:\n    pass"}),
        ("'''A text.'''\nx: tuple[int, 3]", set()),
        ("raise E(f'{a + 1}')", set()),
        ("def __repr__(self):\n    return 1 + 1", set()),
        ("__all__ = ['a' + 'b']", set()),
    ],
)
def test_the_errors_of_a_source(source: str, expected: set[str]) -> None:
    found = mutants(source)
    assert {mutant.source for mutant in found} == expected
    assert len(found) == len(expected)
    for mutant in found:
        ast.parse(mutant.source)
        assert mutant.line >= 1


GOOD = "def test_it():\n    from bauta.thing import larger\n    assert larger(2, 1) == 2 and larger(1, 2) == 2\n"


def test_who_is_killed_and_who_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path
    (place / "bauta").mkdir()
    (place / "bauta" / "__init__.py").write_text("")
    (place / "bauta" / "thing.py").write_text(
        "def larger(a, b):\n    while a < 0:\n        a += 1\n    return max(a, b)\n"
    )
    (place / "test_thing.py").write_text(GOOD)
    (place / "pyproject.toml").write_text("")
    monkeypatch.setattr(campaign, "SLACK", 5.0)
    tally = campaign.tried("bauta/thing.py", ["test_thing.py"], place, 99, Random(0))
    assert tally.there == 5
    assert tally.ends["killed"] == 1, tally
    assert {mutant.what for mutant in tally.survivors} == {"Lt -> LtE", "0 -> 1", "Add -> Sub", "1 -> 2"}
    assert "max(a, b)" in (place / "bauta" / "thing.py").read_text()
    (place / "test_thing.py").write_text("def test_it():\n    assert False\n")
    with pytest.raises(RuntimeError, match="fail without any error"):
        campaign.tried("bauta/thing.py", ["test_thing.py"], place, 1, Random(0))
