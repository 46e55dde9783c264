"""Verdicts: the words, by the numbers that they stand for, and what must never be claimed."""

from __future__ import annotations

from typing import Any

import pytest

from bauta.study.audit.verdicts import HOLDS, LEAKS, NOT_SHOWN, NOT_THERE, OPEN, UNCLEAR, verdicts
from bauta.study.records import Row

ALL = "a viewer, a foreign recognizer, the wire, the database, an insider"


def row(system: str, threat: str, metric: str, value: float, wide: float = 0.01, **more: Any) -> Row:
    said = {"threat": threat, "cut": 5, "exposed": ALL, "protection": "none" if system == "bare" else system}
    told = {"attack": "Someone()", "knows": "SCHEME"} | more
    return Row(
        f"{system} / {threat} / {metric} / {value}",
        system,
        "attack",
        told["attack"],
        metric,
        value,
        value - wide,
        value + wide,
        400,
        knows=told["knows"],
        settings=said | more.get("settings", {}),
    )


def word(threat: str, *rows: Row) -> str:
    (found,) = [one for one in verdicts(rows) if one.threat == threat]
    assert found.sentence.endswith(".")
    return found.word


STRONG = row("bare", "the wire", "AUC", 0.95)


@pytest.mark.parametrize(
    ("area", "wide", "said"),
    [
        (0.75, 0.02, OPEN),  # a leak of 0.5
        (0.74, 0.02, LEAKS),
        (0.60, 0.04, LEAKS),  # the lower end is a leak of 0.12
        (0.60, 0.07, UNCLEAR),
        (0.52, 0.04, HOLDS),  # the upper end is a leak of 0.12
        (0.52, 0.12, UNCLEAR),
        (0.40, 0.05, HOLDS),
    ],
)
def test_the_words_by_the_leak_and_its_interval(area: float, wide: float, said: str) -> None:
    assert word("the wire", STRONG, row("mine", "the wire", "AUC", area, wide)) == said


def test_an_attack_that_fails_on_the_bare_system_shows_nothing() -> None:
    blind = row("bare", "the wire", "AUC", 0.52, 0.05)
    held = row("mine", "the wire", "AUC", 0.5, 0.01)
    assert word("the wire", blind, held) == NOT_SHOWN
    assert word("the wire", held) == NOT_SHOWN, "nobody was run on the bare system"
    assert word("the wire", row("bare", "the database", "AUC", 0.9), held) == NOT_SHOWN, "that was another threat"
    assert word("the wire", blind, STRONG, held) == HOLDS, "one of them did succeed"
    assert word("the wire", blind, row("mine", "the wire", "AUC", 0.9)) == OPEN, "what is reached needs no proof"


def test_every_kind_of_leak_needs_an_attack_that_can() -> None:
    held = [row("mine", "the wire", "AUC", 0.5), row("mine", "the wire", "SSIM", 0.4)]
    (found,) = [one for one in verdicts([STRONG, *held]) if one.threat == "the wire"]
    assert found.word == NOT_SHOWN
    assert "what the face looks like" in found.sentence
    assert word("the wire", STRONG, row("bare", "the wire", "SSIM", 0.8), *held) == HOLDS


def test_a_picture_far_from_the_original_is_no_proof_and_a_near_one_is_open() -> None:
    def seen(system: str, value: float) -> Row:
        return row(system, "a viewer", "SSIM", value, 0.005, attack="a viewer", knows="")

    cleaned = [row("bare", "a viewer", "SSIM", 0.9), row("mine", "a viewer", "SSIM", 0.42)]
    assert word("a viewer", seen("bare", 1.0), seen("mine", 0.02)) == NOT_SHOWN
    assert word("a viewer", seen("bare", 1.0), seen("mine", 0.02), *cleaned) == HOLDS
    assert word("a viewer", seen("bare", 1.0), seen("mine", 0.9), *cleaned) == OPEN
    assert word("a viewer", seen("bare", 1.0), seen("mine", 0.02), cleaned[0]) == NOT_SHOWN


def test_what_does_not_leave_the_device_and_what_nobody_tried() -> None:
    said = {"settings": {"exposed": "the wire, the database, an insider"}}
    rows = [STRONG, row("mine", "the wire", "AUC", 0.5, **said)]
    found = {one.threat: one for one in verdicts(rows)}
    assert found["a viewer"].word == found["a foreign recognizer"].word == NOT_THERE
    assert "do not leave the device" in found["a viewer"].sentence
    assert found["the database"].word == NOT_SHOWN
    assert "no attack was measured" in found["the database"].sentence


def test_a_verdict_names_the_strongest_attacker_his_interval_and_what_the_bare_system_leaks() -> None:
    rows = [STRONG, row("mine", "the wire", "AUC", 0.7, attack="Weak()"), row("mine", "the wire", "AUC", 0.8)]
    (found,) = [one for one in verdicts(rows) if one.threat == "the wire"]
    assert (found.attack, found.knows, found.kind) == ("Someone()", "aware", "identity")
    assert found.worst is not None
    assert found.bare is not None
    assert (round(found.worst.value, 3), round(found.worst.high, 3)) == (0.6, 0.62)
    assert round(found.bare.value, 3) == 0.9
    assert "Someone() (aware) reaches AUC 0.80 [0.79, 0.81]" in found.sentence


def test_a_system_is_compared_with_the_bare_one_of_its_cut() -> None:
    other = row("bare", "the wire", "AUC", 0.95, settings={"cut": 20})
    assert word("the wire", other, row("mine", "the wire", "AUC", 0.5)) == NOT_SHOWN


def test_rows_that_failed_are_no_verdict() -> None:
    failed = Row("mine / x", "mine", "attack", "X()", "failed", None, settings={"threat": "the wire", "exposed": ALL})
    assert verdicts([STRONG, failed]) == []
