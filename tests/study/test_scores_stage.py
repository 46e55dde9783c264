"""Attackers who are told similarities alone: who is enrolled, what they ask through, and that each question counts."""

from __future__ import annotations

from functools import partial

import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.attacks import Access, ForeignRecognizer, Knowledge, Map2V, Map2VFast, RandomStart, Victim
from bauta.errors import BeyondKnowledge
from bauta.faces import Pairs
from bauta.generators import Eigenfaces
from bauta.metrics import bootstrap
from bauta.pipeline import Pipeline, System
from bauta.protections import FeatureProtection, GaussianNoise
from bauta.study.run import QUERIES, cell_of, fit_key, run
from bauta.types import Faces, Stage

PUBLIC = Faces(tiny.pictures(20, seed=9), 100 + torch.arange(20))


@pytest.fixture(autouse=True)
def short_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few draws: only where numbers come from is asked here."""
    monkeypatch.setattr("bauta.metrics.draws.bootstrap", partial(bootstrap, draws=20))


class Turned(FeatureProtection):
    """Other features, so that it is seen which side a picture passed; it counts the pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0

    def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
        self.passed += len(x)
        return x.flip(1)


class Asking(Map2V):
    """Remembers what it was given."""

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:  # type: ignore[override]
        self.leak, self.victim = leak, victim
        return super().__call__(leak, victim)


def attack() -> Map2V:
    """Three rounds of five latents from blind starts, each asked mirrored too."""
    return Asking(Eigenfaces(components=5), RandomStart(), iterations=3, directions=4)


def test_the_attack_asks_about_enrolments_and_its_queries_are_a_row() -> None:
    network, victims, asking = tiny.recognizer(), tiny.pairs(), attack()
    counted: list[int] = []
    network.layers[0].register_forward_pre_hook(lambda module, given: counted.append(len(given[0])))
    plain = Pipeline(network)
    fitted = asking.fit(PUBLIC, object())
    rows = list(run({"bare": System(plain, plain)}, [fitted], PUBLIC, victims, 0, skip={"bare / utility"}))
    (queries,) = [row for row in rows if row.metric == QUERIES]
    targets = len(torch.unique(victims.first))
    assert torch.equal(fitted.leak, torch.arange(targets))
    assert queries.value == targets * 3 * 5 * 2
    assert (queries.n, queries.private_when, queries.role) == (targets, "high", "attack")
    assert {"SSIM", "PSNR", "COS", "SRRA at 0.2"} <= {row.metric for row in rows}
    assert rows[-1].last
    assert not any(row.last for row in rows[:-1])
    # the network saw the enrolled pictures, each question, and what the judge compares
    asked = int(queries.value)
    assert sum(counted) == targets + asked + 2 * targets + len(victims.faces)
    enrolled = plain.templates(victims.faces[torch.unique(victims.first)])
    with torch.no_grad():
        probe = tiny.pictures(2, seed=5)
        right = F.cosine_similarity(plain.templates(Faces(probe)), enrolled[[3, 0]])
    assert torch.allclose(fitted.victim.score(probe, torch.tensor([3, 0])), right, atol=1e-6)


def test_a_protected_database_is_asked_with_pictures_that_nothing_protects() -> None:
    network, turned, victims = tiny.recognizer(), Turned(), tiny.pairs()
    stored, live = Pipeline(network, turned), Pipeline(network)
    asking = attack().fit(PUBLIC, object())
    list(run({"database": System(live, stored)}, [asking], PUBLIC, victims, 0, skip={"database / utility"}))
    # the enrolled, and no question; the judge's own lines are of the other side
    assert turned.passed == len(torch.unique(victims.first))
    turned.passed = 0
    list(run({"both": System(stored, stored)}, [asking], PUBLIC, victims, 0, skip={"both / utility"}))
    assert turned.passed > asking.victim.queries


def test_what_is_asked_follows_no_protection_by_default_but_the_victims_own() -> None:
    network, probe = tiny.recognizer(), tiny.pictures(2, seed=5)
    stored, live = Pipeline(network, Turned()), Pipeline(network)
    enrolled, who = torch.eye(2, 16), torch.arange(2)
    knowledge = Knowledge(Stage.SCORES, Access.QUERY)
    for victim, passed in (
        (Victim(stored, knowledge, enrolled=enrolled), stored),
        (Victim(stored, knowledge, enrolled=enrolled, asked=live), live),
    ):
        with torch.no_grad():
            right = F.cosine_similarity(passed.templates(Faces(probe)), enrolled)
        assert torch.equal(victim.score(probe, who), right)
        with pytest.raises(BeyondKnowledge):
            victim.observe(probe)


def test_one_fitted_prior_serves_all_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: dict[tuple[object, ...], object] = {}
    times: list[int] = []
    learn = Eigenfaces.fit

    def counted(self: Eigenfaces, faces: Faces) -> Eigenfaces:
        times.append(len(faces))
        return learn(self, faces)

    monkeypatch.setattr(Eigenfaces, "fit", counted)
    network, asking = tiny.recognizer(), Map2VFast(Eigenfaces(components=5), rounds=1, priors=4, directions=2)
    systems = {
        "bare": System(Pipeline(network), Pipeline(network)),
        "noise": System(Pipeline(network, GaussianNoise(0.1)), Pipeline(network, GaussianNoise(0.1))),
        "other": System(Pipeline(tiny.recognizer(seed=3)), Pipeline(tiny.recognizer(seed=3))),
    }
    skip = {f"{name} / utility" for name in systems}
    rows = list(run(systems, [asking], PUBLIC, tiny.pairs(), 0, skip=skip, fits=fits))  # type: ignore[arg-type]
    assert {row.cell for row in rows} == {cell_of(name, asking) for name in systems}
    assert not [row.note for row in rows if row.metric == "failed"]
    assert times == [len(PUBLIC)]
    # an attacker who is given pictures, and may ask, still depends on the device
    seen = ForeignRecognizer(network).knowing(access=Access.QUERY)
    keys = {fit_key(seen, system.probe, PUBLIC)[2] for name, system in systems.items() if name != "noise"}
    assert all(isinstance(key, nn.Module) for key in keys)


def test_reconstructions_are_judged_by_a_recognizer_that_took_no_part() -> None:
    plain, victims = Pipeline(tiny.recognizer()), tiny.pairs()
    assert isinstance(victims, Pairs)
    judge = ForeignRecognizer(tiny.recognizer("judge", seed=5), threshold=0.5)
    rows = run({"bare": System(plain, plain)}, [attack()], PUBLIC, victims, 0, skip={"bare / utility"}, judge=judge)
    assert {"AUC of the reconstructions", QUERIES} <= {row.metric for row in rows}
