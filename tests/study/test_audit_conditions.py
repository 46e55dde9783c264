"""Conditions that fail a build: the grammar, and what is true of which system."""

from __future__ import annotations

import pytest

from bauta.errors import UsageError
from bauta.study.audit.conditions import condition, conditions, findings
from bauta.study.records import Row

NAMES = ["PMT(steps=20)", "AdvFace(), cut 5"]


def attacked(system: str, metric: str, value: float, cell: str = "a") -> Row:
    return Row(f"{system} / {cell}", system, "attack", "Comparison()", metric, value, value - 0.02, value + 0.02, 100)


def used(system: str, value: float) -> Row:
    own = "accuracy (Eq. 10)"
    return Row(f"{system} / utility", system, "utility", "the authorized recognizer", own, value, value, value, 100)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("worst linkage > 0.1", ("identity", ">", 0.1, "")),
        ("  identity>=.25 ", ("identity", ">=", 0.25, "")),
        ("worst picture < 1", ("picture", "<", 1.0, "")),
        ("replay <= 0.", ("replay", "<=", 0.0, "")),
        ("utility < 0.9 for AdvFace(), cut 5", ("utility", "<", 0.9, "AdvFace(), cut 5")),
        ("worst leak > 0.5 for PMT(steps=20)", ("leak", ">", 0.5, "PMT(steps=20)")),
    ],
)
def test_what_is_read(text: str, said: tuple[str, str, float, str]) -> None:
    found = condition(text)
    assert (found.quantity, found.comparison, found.number, found.system) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "worst utility < 0.9",
        "linkage = 0.1",
        "linkage > -0.1",
        "linkage > 1e-3",
        "linkage > 1.5",
        "linkage > nan",
        "linkage > __import__('os')",
        "linkage > 0.1 and picture > 0.1",
        "linkage > 0.1 for ",
        "secrets > 0.1",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        condition(text)


def test_a_system_that_will_not_be_there_is_refused_before_anything_is_run() -> None:
    assert conditions(["linkage > 0.1 for AdvFace()"], NAMES)[0].concerns(NAMES) == ["AdvFace(), cut 5"]
    with pytest.raises(UsageError, match="speaks of Gray"):
        conditions(["linkage > 0.1 for Gray()"], NAMES)
    with pytest.raises(UsageError, match="none but the bare one"):
        conditions(["linkage > 0.1"], [])


def test_what_is_true_is_found_for_every_protected_system() -> None:
    rows = [
        attacked("bare", "AUC", 1.0),
        attacked(NAMES[0], "AUC", 0.6),
        attacked(NAMES[0], "AUC", 0.55, "b"),
        attacked(NAMES[1], "AUC", 0.9),
        used(NAMES[0], 0.95),
        used(NAMES[1], 0.75),
    ]
    # an AUC of 0.6 is a leak of 0.2; Eq. 10 of 0.75 is a utility of 0.5

    def said(text: str) -> list[str]:
        return [one.system for one in findings(conditions([text], NAMES), rows, NAMES)]

    assert said("worst linkage > 0.1") == NAMES
    assert said("worst linkage > 0.2") == [NAMES[1]]
    assert said("worst linkage > 0.9") == []
    assert said("utility < 0.6") == [NAMES[1]]
    assert said("utility < 0.6 for PMT(steps=20)") == []
    assert said("worst leak > 0.5") == [NAMES[1]]


def test_what_was_not_measured_fails_too_and_says_so() -> None:
    (found,) = findings(conditions(["worst picture > 0.1"], NAMES[:1]), [attacked(NAMES[0], "AUC", 0.6)], NAMES[:1])
    assert found.value is None
    assert "cannot be answered for PMT(steps=20): picture was not measured" in str(found)
