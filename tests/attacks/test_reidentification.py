"""The attacks that read identity, against the same computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from bauta import zoo
from bauta.attacks import ClientHolder, Comparison, ForeignRecognizer, Victim
from bauta.attacks.base import Knows
from bauta.errors import MissingError, UsageError
from bauta.pipeline import Pipeline
from bauta.protections import PMT
from bauta.types import Faces, Stage

READER = tiny.recognizer("somebody else's", seed=4)


def unit(rows: Tensor) -> np.ndarray:
    x = rows.double().numpy()
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


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
        files = Pipeline(network).images(public)  # what the bare device hands out: 8-bit pictures
        known, seen = (network.features(x).flatten(1).double().numpy() for x in (files, leak))
    scale = StandardScaler().fit(known)  # the deviation of a population; ours is a sample's: a common factor
    assert np.allclose(fitted(leak, victim).numpy(), unit(torch.from_numpy(scale.transform(seen))), atol=1e-4)
    assert np.allclose(attack(leak, victim).numpy(), unit(torch.from_numpy(seen)), atol=1e-5), "unfitted as it was"
    assert victim.queries == 70, "his own faces go through the bare device, the layers he runs himself"


@pytest.mark.parametrize("stage", [Stage.FEATURES, Stage.TEMPLATES])
def test_a_comparison_compares_what_it_sees(stage: Stage) -> None:
    pipeline, public = Pipeline(tiny.recognizer()), tiny.faces(12, seed=3)
    leak = pipeline.at(stage, tiny.faces(4))
    attack = Comparison().knowing(sees=stage)
    victim = Victim(pipeline, attack.knowledge)
    assert np.allclose(attack(leak, victim).numpy(), unit(leak.flatten(1)), atol=1e-6)
    known = pipeline.at(stage, public).flatten(1).double().numpy()
    scale = StandardScaler().fit(known)
    wanted = unit(torch.from_numpy(scale.transform(leak.flatten(1).double().numpy())))
    assert np.allclose(attack.fit(public, victim)(leak, victim).numpy(), wanted, atol=1e-4)
    assert victim.queries == 12


def test_a_comparison_survives_a_channel_that_never_changes() -> None:
    pipeline, dark = Pipeline(tiny.recognizer()), Faces(torch.zeros(5, 3, 32, 32))
    victim = Victim(pipeline, Comparison.default_knowledge)
    leak = pipeline.features(tiny.faces(4))
    found = Comparison().fit(dark, victim)(leak, victim)
    assert found.isfinite().all()


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
