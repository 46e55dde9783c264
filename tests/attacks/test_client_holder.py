"""Whoever holds the client's layers computes from a protected picture what the wire carries: the leaks are one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tiny
import torch

from bauta.attacks import Attack, ClientHolder, Comparison, Inversion, Knows, Linkage, RecFace, Victim
from bauta.pipeline import Pipeline
from bauta.protections import PMT, WhiteNoise
from bauta.types import Stage

READER = tiny.recognizer("somebody else's", seed=4)
PUBLIC, VICTIMS = tiny.faces(24, seed=3), tiny.faces(5, seed=4)
# name -> an attack, the stage that it sees, and a cut at which the client's layers end there
CASES: dict[str, tuple[Callable[[], Attack], Stage, int]] = {
    "linkage at features": (lambda: Linkage(READER, epochs=1), Stage.FEATURES, 2),
    "recface at features": (lambda: RecFace(steps=3, batch_size=4, width=0.25), Stage.FEATURES, 2),
    "inversion at features": (lambda: Inversion(steps=4), Stage.FEATURES, 2),
    "comparison at templates": (Comparison, Stage.TEMPLATES, 4),
    "linkage at templates": (lambda: Linkage(READER, epochs=1), Stage.TEMPLATES, 4),
    "recface at templates": (lambda: RecFace(steps=3, batch_size=4, width=0.25), Stage.TEMPLATES, 4),
}


@pytest.mark.parametrize("knows", [Knows.NOTHING, Knows.SCHEME, Knows.KEYS])
@pytest.mark.parametrize("case", CASES)
def test_at_pictures_it_is_the_same_attack_as_on_the_wire(case: str, knows: Knows) -> None:
    make, stage, cut = CASES[case]
    network = tiny.recognizer(cut=cut)
    pipeline = Pipeline(network, PMT(steps=2).fit(None, network), WhiteNoise(0.05))

    def guess(attack: Attack) -> torch.Tensor:
        victim = Victim(pipeline, attack.knowledge)
        fitted = attack.fit(PUBLIC, victim)
        return fitted(pipeline.at(attack.knowledge.sees, VICTIMS), victim)

    on_the_wire = make().knowing(sees=stage, knows=knows)
    held = ClientHolder(on_the_wire)
    assert (held.knowledge.sees, held.knowledge.knows) == (Stage.IMAGES, knows)
    torch.testing.assert_close(guess(held), guess(on_the_wire), rtol=1e-4, atol=1e-4)
