"""The attacks that read identity, against the same computed by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tiny
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from bauta import zoo
from bauta.attacks import ALL, Attack, ClientHolder, ForeignRecognizer, Knowledge, Linkage, Purify, Victim
from bauta.attacks.base import Knows
from bauta.errors import BeyondKnowledge, MissingError, UsageError
from bauta.pipeline import Pipeline
from bauta.protections import PMT
from bauta.types import Faces, Stage

READER = tiny.recognizer("somebody else's", seed=4)

# How to make one of each, where it needs something.
MADE: dict[str, Callable[[], Attack]] = {
    "ForeignRecognizer": lambda: ForeignRecognizer(READER),
    "ClientHolder": ClientHolder,
    "Linkage": Linkage,
    "Purify": lambda: Purify(ForeignRecognizer(READER), "blur 1"),
}
EACH = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    network = tiny.recognizer()
    return Pipeline(network, PMT(steps=3).fit(None, network))


def unit(rows: Tensor) -> np.ndarray:
    x = rows.double().numpy()
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


@EACH
def test_it_declares_its_knowledge_and_has_words(kind: type[Attack]) -> None:
    assert kind.__doc__
    assert isinstance(kind.default_knowledge, Knowledge)
    attack = MADE[kind.__name__]()
    assert isinstance(attack.knowledge, Knowledge)
    assert repr(attack).startswith(f"{kind.__name__}(")
    for knows in Knows:
        changed = attack.knowing(knows=knows)
        assert type(changed) is kind
        assert changed.knowledge.knows is knows
        assert repr(changed) == repr(attack)
    assert attack.knowledge == MADE[kind.__name__]().knowledge, "the original is unchanged"


@EACH
@pytest.mark.parametrize("knows", [Knows.NOTHING, Knows.SCHEME, Knows.KEYS])
def test_it_guesses_from_a_leak_of_its_stage(kind: type[Attack], knows: Knows, pipeline: Pipeline) -> None:
    attack, faces = MADE[kind.__name__]().knowing(knows=knows), tiny.faces(4)
    victim = Victim(pipeline, attack.knowledge)
    leak = pipeline.at(attack.knowledge.sees, faces)
    for public in (None, tiny.faces(6, seed=3)):
        before = leak.clone()
        guess = attack.fit(public, victim)(leak, victim)
        assert guess.shape[0] == 4
        assert guess.isfinite().all()
        assert torch.allclose(guess.norm(dim=1), torch.ones(4), atol=1e-5)
        assert torch.equal(leak, before)


@EACH
def test_it_needs_no_more_than_it_declares(kind: type[Attack], pipeline: Pipeline) -> None:
    """A victim that hands out nothing stops those that hold something, and no other."""
    attack = MADE[kind.__name__]()
    victim = Victim(pipeline, Knowledge(sees=attack.knowledge.sees))
    leak = pipeline.at(attack.knowledge.sees, tiny.faces(2))
    if attack.knowledge.holds:
        with pytest.raises(BeyondKnowledge):
            attack(leak, victim)
    else:
        attack(leak, victim)


def test_a_foreign_recognizer_embeds_the_picture() -> None:
    leak = tiny.pictures(70)
    attack = ForeignRecognizer(READER)
    victim = Victim(Pipeline(tiny.recognizer()), attack.knowledge)
    with torch.no_grad():
        wanted = READER.embed(leak)
    assert torch.allclose(attack(leak, victim), wanted, atol=1e-5)
    assert attack.reference is attack
    assert victim.queries == 0


def test_a_foreign_recognizers_threshold_is_its_records() -> None:
    record = next(r for r in zoo.WEIGHTS if r.threshold is not None)
    assert ForeignRecognizer(tiny.recognizer(record.name)).threshold == record.threshold
    assert ForeignRecognizer(tiny.recognizer(record.name), threshold=0.5).threshold == 0.5
    assert ForeignRecognizer(READER).threshold is None
    with pytest.raises((UsageError, MissingError)):
        ForeignRecognizer("no such network")


def test_a_client_holder_links_by_the_clients_output() -> None:
    network, leak = tiny.recognizer(cut=2), tiny.pictures(3)
    attack = ClientHolder()
    found = attack(leak, Victim(Pipeline(network), attack.knowledge))
    with torch.no_grad():
        by_hand = network.layers[1](network.layers[0](leak)).flatten(1)
    assert np.allclose(found.numpy(), unit(by_hand), atol=1e-6)


def test_a_client_holder_centers_and_scales_by_public_faces() -> None:
    network, leak, public = tiny.recognizer(cut=2), tiny.pictures(3), tiny.faces(70, seed=3)
    attack = ClientHolder()
    victim = Victim(Pipeline(network, PMT(steps=1).fit(None, network)), attack.knowledge)
    fitted = attack.fit(public, victim)
    with torch.no_grad():
        known, seen = (network.features(x).flatten(1).double().numpy() for x in (public.images, leak))
    scale = StandardScaler().fit(known)  # the deviation of a population; ours is a sample's: a common factor
    assert np.allclose(fitted(leak, victim).numpy(), unit(torch.from_numpy(scale.transform(seen))), atol=1e-4)
    assert np.allclose(attack(leak, victim).numpy(), unit(torch.from_numpy(seen)), atol=1e-5), "unfitted as it was"
    assert victim.queries == 0, "he runs the layers himself"


@pytest.mark.parametrize("stage", [Stage.FEATURES, Stage.TEMPLATES])
def test_linkage_compares_what_it_sees(stage: Stage) -> None:
    pipeline, public = Pipeline(tiny.recognizer()), tiny.faces(12, seed=3)
    leak = pipeline.at(stage, tiny.faces(4))
    attack = Linkage().knowing(sees=stage)
    victim = Victim(pipeline, attack.knowledge)
    assert np.allclose(attack(leak, victim).numpy(), unit(leak.flatten(1)), atol=1e-6)
    known = pipeline.at(stage, public).flatten(1).double().numpy()
    scale = StandardScaler().fit(known)
    wanted = unit(torch.from_numpy(scale.transform(leak.flatten(1).double().numpy())))
    assert np.allclose(attack.fit(public, victim)(leak, victim).numpy(), wanted, atol=1e-4)
    assert victim.queries == 12


def test_linkage_survives_a_channel_that_never_changes() -> None:
    leak = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    leak[:, 1] = 0
    found = Linkage().fit_leak(leak)(leak, Victim(Pipeline(tiny.recognizer()), Linkage.default_knowledge))
    assert found.isfinite().all()
    assert np.allclose(found[:, 1], 0)


def test_an_unaware_holder_uses_the_bare_layers_all_the_same() -> None:
    """The shared layers are public: what the attacker knows of the protection does not change them."""
    network = tiny.recognizer()
    pipeline = Pipeline(network, PMT(steps=1).fit(None, network))
    leak = Pipeline(network).images(Faces(tiny.pictures()))
    found = [
        ClientHolder()(leak, Victim(pipeline, ClientHolder().knowing(knows=k).knowledge))
        for k in (Knows.NOTHING, Knows.KEYS)
    ]
    assert torch.equal(*found)
