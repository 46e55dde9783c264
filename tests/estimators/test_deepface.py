"""The adapter to deepface, which is not installed here: a module that answers as its releases do stands in for it.

So what is held is the conversion of what goes in and comes out, not that the package itself reads faces well.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch

from bauta.errors import MissingPackage, ShapeError
from bauta.estimators import estimator

STAND_IN = """
asked = []
def analyze(img_path, actions, enforce_detection, detector_backend, align, silent):
    asked.append((img_path.copy(), actions, enforce_detection, detector_backend, align, silent))
    return [ANSWER]
"""
ANSWER = {
    "age": 31,
    "gender": {"Woman": 75.0, "Man": 25.0},
    "race": {
        "asian": 5.0, "indian": 10.0, "black": 15.0, "white": 20.0, "middle eastern": 20.0, "latino hispanic": 30.0,
    },
    "emotion": {
        "angry": 1.0, "disgust": 2.0, "fear": 3.0, "happy": 60.0, "sad": 4.0, "surprise": 0.0, "neutral": 30.0,
    },
    "region": {"x": 0, "y": 0, "w": 8, "h": 6},
}  # fmt: skip


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    """A package called deepface on the path, for one test."""
    package = folder / "deepface"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "DeepFace.py").write_text(f"ANSWER = {answer!r}\n{STAND_IN}")
    monkeypatch.syspath_prepend(folder)
    for name in ("deepface", "deepface.DeepFace"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch):
    yield
    for name in ("deepface", "deepface.DeepFace"):
        sys.modules.pop(name, None)


def test_without_the_package_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deepface", None)
    with pytest.raises(MissingPackage, match="pip install deepface"):
        estimator("deepface")


def test_answers_become_logits_in_the_order_of_our_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, ANSWER)
    network = estimator("deepface")
    images = torch.zeros(2, 3, 6, 8)
    images[1, 0] = 1.0  # red
    images[1, 2] = 0.5  # and half blue
    found = network(images)
    assert found["age"].tolist() == [[31.0], [31.0]]
    assert found["gender"].exp()[0].tolist() == pytest.approx([0.25, 0.75]), "male first"
    assert found["race"].exp()[0].tolist() == pytest.approx([0.2, 0.15, 0.05, 0.1, 0.5]), "the last two are other"
    assert found["emotion"].exp()[0].tolist() == pytest.approx([0.01, 0.02, 0.03, 0.6, 0.04, 0, 0.3], abs=1e-6)
    assert all(guess.isfinite().all() and len(guess) == 2 for guess in found.values())
    assert found["emotion"][0, 5] < math.log(1e-6)

    from deepface import DeepFace  # the stand-in

    picture, actions, *how = DeepFace.asked[1]
    assert picture.shape == (6, 8, 3)
    assert picture.dtype == "uint8"
    assert picture[0, 0].tolist() == [128, 0, 255], "blue first, as OpenCV reads"
    assert set(actions) == {"age", "gender", "race", "emotion"}
    assert how == [False, "skip", False, True], "the face is found and aligned already"


@pytest.mark.parametrize("answer", [{**ANSWER, "gender": "Woman"}, {"age": 31}, None, {**ANSWER, "age": None}])
def test_answers_of_another_make_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    stand_in(tmp_path, monkeypatch, answer)
    with pytest.raises(MissingPackage, match="otherwise"):
        estimator("deepface")(torch.zeros(1, 3, 6, 8))


def test_pictures_have_three_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, ANSWER)
    with pytest.raises(ShapeError):
        estimator("deepface")(torch.zeros(1, 1, 6, 8))
