"""Attribute networks, others' and one of ours: `estimator("age-gender")` builds one with its published weights."""

from __future__ import annotations

from collections.abc import Callable

from bauta.errors import UsageError
from bauta.estimators.age_gender import AgeGender, age_gender
from bauta.estimators.base import Estimator
from bauta.estimators.deepface import DeepFace
from bauta.estimators.embedded import BautaAttributes, bauta_attributes, read_attributes
from bauta.estimators.emotion import Emotion, emotion

__all__ = [
    "ESTIMATORS",
    "AgeGender",
    "BautaAttributes",
    "DeepFace",
    "Emotion",
    "Estimator",
    "estimator",
    "read_attributes",
]

ESTIMATORS: dict[str, Callable[[], Estimator]] = {
    AgeGender.name: age_gender,
    Emotion.name: emotion,
    DeepFace.name: DeepFace,
    BautaAttributes.name: bauta_attributes,
}


def estimator(name: str) -> Estimator:
    """The estimator called `name`, ready to use. Raises `UsageError`, `MissingWeights`, `MissingPackage`."""
    if name not in ESTIMATORS:
        raise UsageError(f"No estimator is called {name!r}; there are {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[name]()
