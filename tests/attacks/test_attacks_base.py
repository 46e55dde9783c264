"""A victim hands out what was declared and nothing else, and counts every query."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.attacks import Access, ForeignRecognizer, Knowledge, Knows, Victim
from bauta.attacks.base import Attack, Relayed
from bauta.errors import BautaError, BeyondKnowledge
from bauta.ops.noise import generators, normal
from bauta.pipeline import Pipeline
from bauta.protections import PMT, ImageProtection, WhiteNoise
from bauta.types import Faces, Stage


class Veil(ImageProtection):
    """White noise whose draws follow a key: a scheme with keys that passes gradients."""

    def __init__(self, key: int = 0) -> None:
        super().__init__()
        self.key = key

    def rekeyed(self, seed: int) -> Veil:
        return Veil(seed)

    def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
        assert faces is not None
        return (x + 0.1 * normal(x.shape[1:], generators(self.key, faces.digests(), "veil"), x)).clamp(0, 1)


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline(tiny.recognizer(), Veil(5))


def victim(pipeline: Pipeline, **declared: Any) -> Victim:
    return Victim(pipeline, Knowledge(**{"sees": Stage.IMAGES, **declared}), held={"mask": "the mask"})


def test_what_is_not_declared_is_refused(pipeline: Pipeline) -> None:
    images, target = tiny.pictures(), torch.zeros(4, dtype=torch.long)
    bare = victim(pipeline)
    for reach in (
        lambda: bare.held("client layers"),
        lambda: bare.held("mask"),
        lambda: bare.differentiable(images),
        lambda: bare.score(images, target),
        lambda: victim(pipeline, access=Access.QUERY).differentiable(images),
        lambda: victim(pipeline, holds=frozenset({"mask"})).held("client layers"),
        lambda: victim(pipeline, sees=Stage.SCORES, access=Access.GRADIENT).observe(images),
        lambda: victim(pipeline, sees=Stage.SCORES, access=Access.GRADIENT).differentiable(images),
    ):
        with pytest.raises(BeyondKnowledge):
            reach()
    assert issubclass(BeyondKnowledge, BautaError)
    assert bare.queries == 0, "what was refused is no query"


def test_what_is_declared_and_not_there_says_so(pipeline: Pipeline) -> None:
    with pytest.raises(BeyondKnowledge, match="client layers, client architecture, mask"):
        victim(pipeline, holds=frozenset({"reference photos"})).held("reference photos")
    with pytest.raises(BeyondKnowledge, match="Nobody is enrolled"):
        victim(pipeline, access=Access.QUERY).score(tiny.pictures(), torch.zeros(4, dtype=torch.long))


def test_what_is_declared_is_handed_out(pipeline: Pipeline) -> None:
    images = tiny.pictures()
    holder = victim(pipeline, holds=frozenset({"client layers", "mask"}))
    assert holder.held("mask") == "the mask"
    client = holder.held("client layers")
    assert len(client) == pipeline.recognizer.cut, "the server's layers stay there"
    assert torch.allclose(client(images), pipeline.recognizer.features(images))


def test_every_query_is_counted(pipeline: Pipeline) -> None:
    images = tiny.pictures(4)
    asked = Victim(
        pipeline,
        Knowledge(sees=Stage.FEATURES, access=Access.GRADIENT),
        enrolled=pipeline.templates(tiny.faces(4)),
    )
    asked.observe(images)
    asked.differentiable(images[:3])
    asked.score(images[:1], torch.tensor([2]))
    assert asked.queries == 4 + 3 + 1


@pytest.mark.parametrize("stage", [Stage.IMAGES, Stage.FEATURES, Stage.TEMPLATES])
def test_observe_runs_the_device_that_the_attacker_knows(pipeline: Pipeline, stage: Stage) -> None:
    images = tiny.pictures()
    faces = Faces(images)
    bare, own = Pipeline(pipeline.recognizer).at(stage, faces), pipeline.at(stage, faces)
    seen = {knows: victim(pipeline, sees=stage, knows=knows).observe(images) for knows in Knows}
    assert torch.equal(seen[Knows.NOTHING], bare)
    assert torch.equal(seen[Knows.KEYS], own)
    assert torch.equal(seen[Knows.DRAW], own)
    scheme = seen[Knows.SCHEME]
    assert not torch.allclose(scheme, bare, atol=1e-3), "the method is applied"
    assert not torch.allclose(scheme, own, atol=1e-3), "with keys of the attacker's own"
    other = Victim(pipeline, Knowledge(sees=stage, knows=Knows.SCHEME), attacker_seed=9).observe(images)
    assert not torch.allclose(scheme, other, atol=1e-3)
    prepared = pipeline.rekeyed(7)
    for knows in Knows:  # a device that he has prepared stands in for the one with other keys, and for nothing else
        there = Victim(pipeline, Knowledge(sees=stage, knows=knows), own=prepared).observe(images)
        assert torch.equal(there, prepared.at(stage, faces) if knows is Knows.SCHEME else seen[knows])


def test_pmts_draws_are_keys(pipeline: Pipeline) -> None:
    network, images = tiny.recognizer(), tiny.pictures()
    protected = Pipeline(network, PMT(steps=2, seed=5).fit(None, network))
    seen = {k: victim(protected, knows=k).observe(images) for k in (Knows.SCHEME, Knows.KEYS)}
    assert torch.equal(seen[Knows.KEYS], protected.images(Faces(images)))
    assert float((seen[Knows.SCHEME] - seen[Knows.KEYS]).abs().mean()) > 0.05


def test_observe_carries_no_gradient_and_differentiable_does(pipeline: Pipeline) -> None:
    images = tiny.pictures().requires_grad_(True)
    glass = victim(pipeline, sees=Stage.TEMPLATES, access=Access.GRADIENT)
    assert not glass.observe(images).requires_grad
    leak = glass.differentiable(images)
    assert torch.allclose(leak, glass.observe(images))
    (gradient,) = torch.autograd.grad(leak.sum(), images)
    assert float(gradient.abs().max()) > 0


def test_score_is_the_cosine_through_the_whole_protected_system(pipeline: Pipeline) -> None:
    faces, images, target = tiny.faces(4), tiny.pictures(3, seed=8), torch.tensor([2, 0, 2])
    enrolled = pipeline.templates(faces)
    knowledge = Knowledge(sees=Stage.SCORES, access=Access.QUERY)
    scores = Victim(pipeline, knowledge, enrolled=enrolled).score(images, target)
    probes = pipeline.templates(Faces(images))
    for score, probe, number in zip(scores, probes, target, strict=True):
        a, b = probe.double(), enrolled[number].double()
        assert float(score) == pytest.approx(float((a * b).sum() / ((a * a).sum() * (b * b).sum()).sqrt()), abs=1e-6)
    assert float(F.cosine_similarity(probes, pipeline.bare().templates(Faces(images))).max()) < 0.9999, "protected"


def test_knowing_makes_another_attack() -> None:
    attack = ForeignRecognizer(tiny.recognizer())
    before = attack.knowledge
    changed = attack.knowing(knows=Knows.SCHEME, holds=frozenset({"mask"}))
    assert changed.knowledge == Knowledge(Stage.IMAGES, Access.NONE, Knows.SCHEME, frozenset({"mask"}))
    assert attack.knowledge == before == ForeignRecognizer.default_knowledge
    assert changed.recognizer is attack.recognizer
    assert changed.knowing(access=Access.QUERY).knowledge.knows is Knows.SCHEME


def test_access_and_knowledge_are_ordered() -> None:
    for order in (Access, Knows):
        assert [a < b for a, b in product(order, order)] == [a.value < b.value for a, b in product(order, order)]
    assert [k.name for k in Knows] == ["NOTHING", "SCHEME", "KEYS", "DRAW"]


def test_an_attack_is_fitted_and_called_by_its_subclass() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Attack()  # type: ignore[abstract]


def test_an_attacker_who_knows_of_noise_draws_his_own() -> None:
    images, network = tiny.pictures(), tiny.recognizer()
    protected = Pipeline(network, WhiteNoise(0.1, seed=3))
    seen = victim(protected, knows=Knows.SCHEME).observe(images)
    assert not torch.equal(seen, protected.images(Faces(images)))
    assert torch.equal(seen, Pipeline(network, WhiteNoise(0.1, seed=1)).images(Faces(images)))


def test_a_relayed_victim_is_the_one_behind_it_with_a_step_between(pipeline: Pipeline) -> None:
    images, target = tiny.pictures(4), torch.tensor([0, 1, 2, 3])
    behind = Victim(
        pipeline,
        Knowledge(sees=Stage.IMAGES, access=Access.GRADIENT, holds=frozenset({"mask"})),
        enrolled=pipeline.templates(tiny.faces(4)),
        held={"mask": "the mask"},
    )
    relayed = Relayed(behind, lambda leak: leak * 3)
    assert torch.equal(relayed.observe(images), behind.observe(images) * 3)
    assert torch.equal(relayed.differentiable(images), behind.differentiable(images) * 3)
    assert torch.equal(relayed.score(images, target), behind.score(images, target)), "the matcher knows no step"
    assert torch.equal(relayed.drawn(images), behind.drawn(images))
    assert relayed.held("mask") == "the mask"
    assert relayed.queries == behind.queries == 6 * len(images)


def test_the_architecture_is_handed_out_untrained_and_ready_to_train(pipeline: Pipeline) -> None:
    holder = victim(pipeline, holds=frozenset({"client layers", "client architecture"}))
    fresh, trained = holder.held("client architecture"), holder.held("client layers")
    pairs = list(zip(fresh.parameters(), trained.parameters(), strict=True))
    assert pairs
    assert all(one.requires_grad for one, _ in pairs)
    assert any(not torch.equal(one, other) for one, other in pairs)
