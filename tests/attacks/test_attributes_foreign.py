"""Somebody else's attribute network on a leaked picture."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Tensor

from bauta.attacks import Guess, Knows, Victim
from bauta.attacks.attributes.foreign import ForeignEstimator
from bauta.errors import UsageError
from bauta.estimators import AgeGender, Emotion
from bauta.ops.seeds import seeded
from bauta.pipeline import Pipeline
from bauta.types import Stage


@pytest.fixture(scope="module")
def network() -> AgeGender:
    with seeded(0):
        return AgeGender().frozen()


def test_it_reads_the_attribute_off_the_picture(network: AgeGender) -> None:
    leak = tiny.pictures(70)
    for attribute, columns in (("age", 1), ("gender", 2)):
        attack = ForeignEstimator(attribute, network)
        victim = Victim(Pipeline(tiny.recognizer()), attack.knowledge)
        guess: Tensor = attack.fit(None, victim)(leak, victim)
        assert guess.shape == (70, columns)
        with torch.no_grad():
            assert torch.allclose(guess[65], network(leak[65:66])[attribute][0], atol=1e-4)
        assert victim.queries == 0
        assert not guess.requires_grad


def test_it_says_what_it_is(network: AgeGender) -> None:
    attack = ForeignEstimator("gender", network)
    assert attack.guesses is Guess.ATTRIBUTES
    assert attack.attribute == "gender"
    assert attack.knowledge.sees is Stage.IMAGES
    assert attack.knowing(knows=Knows.SCHEME).knowledge.knows is Knows.SCHEME
    assert repr(attack) == "ForeignEstimator('gender', 'age-gender')"
    assert "UTKFace" in network.seen
    assert "may have seen these faces" in network.seen
    assert "may have seen these faces" in Emotion.seen


def test_an_attribute_that_the_network_does_not_read_is_refused(network: AgeGender) -> None:
    with pytest.raises(UsageError, match=r"age, gender, not emotion.*emotion"):
        ForeignEstimator("emotion", network)
    with pytest.raises(UsageError, match="nobody"):
        ForeignEstimator("gender", "nobody")
