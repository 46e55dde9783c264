"""Bauta's own attribute network in studies and audits: where nobody else's is, and never on whom it learned from."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from bauta.estimators import estimator
from bauta.study import infringing
from bauta.study.audit.laying import estimating
from bauta.study.presets import attributes as preset
from bauta.study.tables.attributes import seen
from bauta.types import Faces, Source

LEARNED, HELD = "Arnold_Schwarzenegger", "George_W_Bush"


@pytest.fixture(autouse=True)
def _nothing_but_bauta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path))


def of(*people: str) -> Faces:
    """Pictures that lie in folders with these people's names, as LFW's do."""
    sources = [Source(f"{name}/{name}_0001.jpg", f"{i:064x}") for i, name in enumerate(people)]
    return Faces(tiny.pictures(len(people)), source=sources)


def test_an_audit_asks_it_about_people_whom_it_has_not_learned_from() -> None:
    asked = ["race", "gender", "hair"]
    assert estimating(asked, of(HELD)) == {"race": "bauta-attributes", "gender": "bauta-attributes"}
    assert estimating(asked, of(HELD, LEARNED)) == {}
    assert estimating([], of(HELD)) == {}


def test_the_attribute_study_falls_back_on_it() -> None:
    assert not preset.borrowed()
    for attribute in ("age", "gender", "race", "emotion"):
        (attack,) = preset.third_party(attribute)
        assert repr(attack) == f"ForeignEstimator('{attribute}', 'bauta-attributes')"
        assert seen(repr(attack)) == seen("MLPProbe('race')") == "has not seen these faces"
    assert seen("ForeignEstimator('age', 'age-gender')") == "may have seen these faces"


@pytest.mark.mirror
def test_others_networks_come_first_where_they_are(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAUTA_MIRROR", str(mirror))
    assert preset.borrowed()
    assert preset.third_party("race") == []
    assert repr(*preset.third_party("emotion")) == "ForeignEstimator('emotion', 'emotion')"
    assert estimating(["gender", "race"], of(HELD)) == {"gender": "age-gender", "race": "bauta-attributes"}


def test_privacy_models_fall_back_on_it() -> None:
    found = infringing._attribute_networks.__wrapped__()
    assert [one.name for one in found] == [
        f"disagreement on {attribute} (bauta-attributes)" for attribute in ("gender", "race", "emotion")
    ]
    images = tiny.pictures(2)
    for one in found:
        assert one(images, images).abs().max() < 1e-6


def test_it_says_of_whom_it_has_learned() -> None:
    assert estimator("bauta-attributes").learned(of(LEARNED, HELD)).tolist() == [True, False]
