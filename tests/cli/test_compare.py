"""`bauta compare`: what classes declare, and measured rows beside it."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from bauta import attacks, protections
from bauta.protections.base import FeatureProtection
from bauta.study.records import Row, append


def rows() -> list[Row]:
    said = {"protection": "PMT(steps=20)", "study": "audit"}
    own = Row("p / utility", "p", "utility", "x", "accuracy (Eq. 10)", 0.9, 0.88, 0.92, 100, settings=said)
    attack = Row("p / A()", "p", "attack", "A()", "AUC", 0.8, 0.7, 0.9, 100, settings=said)
    bare = Row("bare / A()", "bare", "attack", "A()", "AUC", 1.0, 1.0, 1.0, 100, settings={"protection": "none"})
    other = Row("q / A()", "q", "attack", "A()", "AUC", 0.5, 0.45, 0.52, 100, settings={"protection": "Mine()"})
    return [own, attack, bare, other]


def test_every_class_has_its_line_by_its_own_declaration(bauta) -> None:
    code, out, _ = bauta("compare", "--json")
    assert code == 0
    found = json.loads(out)
    lines = {line["protection"]: line for line in found["protections"]["rows"]}
    assert list(lines) == [made.__name__ for made in protections.ALL]
    for made in protections.ALL:
        line = lines[made.__name__]
        wide = issubclass(made, FeatureProtection) and made.changes_channels
        assert line["modifies"] == made.stage.value
        assert (line["service's model"] == "one of its own") == wide
        assert wide == ("server" in line["trains"]), made
        assert line["key"] == ("seed" in inspect.signature(made).parameters)
    assert lines["PMT"]["needs"] == "client layers"
    assert lines["JPEG"]["needs"] == lines["JPEG"]["trains"] == "nothing"
    assert lines["ScatterMask"]["needs"] == "recognizers, photos of the person, public faces"
    seen = {line["attack"]: line for line in found["attacks"]["rows"]}
    assert list(seen) == [made.__name__ for made in attacks.ALL]
    assert seen["Inversion"]["holds"] == "client layers"
    assert seen["Inversion"]["threat"] == "an insider"
    assert seen["Map2V"]["threat"] == "the database"
    assert "aware" in seen["Linkage"]["knows"]


def test_a_fit_that_is_given_nothing_says_so(bauta) -> None:
    """Who declares to need nothing does fit without anything."""
    simple = [made for made in protections.ALL if not made.needs]
    assert len(simple) > 5
    for made in simple:
        assert made().fit(None) is not None


def test_measured_rows_stand_beside(bauta, tmp_path: Path) -> None:
    append(tmp_path / "rows.jsonl", rows())
    code, out, _ = bauta("compare", str(tmp_path), "--json")
    assert code == 0
    lines = json.loads(out)["protections"]["rows"]
    (pmt,) = [line for line in lines if line["protection"] == "PMT"]
    assert pmt["measured in"] == str(tmp_path)
    assert round(pmt["utility"]["value"], 3) == 0.8
    assert round(pmt["leak of identity"]["value"], 3) == 0.6
    assert pmt["leak of picture"] is None
    assert pmt["generic"] is False
    (other,) = [line for line in lines if line["protection"] == "q"]
    assert other["generic"] is True
    assert not any(line.get("system") == "bare" for line in lines)
    code, out, _ = bauta("compare", str(tmp_path))
    assert (code, "0.80 [0.76, 0.84]" in out) == (0, True)


def test_a_folder_without_rows(bauta, tmp_path: Path) -> None:
    code, _, err = bauta("compare", str(tmp_path))
    assert (code, "There are no rows" in err) == (3, True)
