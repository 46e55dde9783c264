"""UnSplit on small clients: it has no weights but those that it makes up, and the picture shows all the same."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Tensor, nn

from bauta.attacks import UnSplit, Victim
from bauta.attacks.base import Knowledge
from bauta.errors import BeyondKnowledge, UsageError
from bauta.metrics import SSIM
from bauta.pipeline import Pipeline
from bauta.types import Images, Stage

VICTIMS = tiny.faces(4, seed=4)
NETWORK = tiny.recognizer(cut=1)
OPTIONS = {"rounds": 20, "steps": 10, "learning_rate": 0.01, "energy": 0.0, "side": tiny.SIDE}


def leaked() -> Tensor:
    return Pipeline(NETWORK).features(VICTIMS)


def guess(victim: Victim | None = None, **options: float) -> Images:
    attack = UnSplit(**{**OPTIONS, **options})
    return attack(leaked(), victim or Victim(Pipeline(NETWORK), attack.knowledge))


def test_the_weights_are_out_of_reach_and_change_nothing() -> None:
    """The same leak beside a client of other weights: who had looked at the weights would answer otherwise."""
    victim = Victim(Pipeline(NETWORK), UnSplit.default_knowledge)
    with pytest.raises(BeyondKnowledge, match="reached for 'client layers'"):
        victim.held("client layers")
    other = tiny.recognizer(cut=1, seed=8)
    weights = {k: v.clone() for k, v in NETWORK.state_dict().items()}
    assert not torch.equal(other.state_dict()["layers.stem.conv.weight"], weights["layers.stem.conv.weight"])
    few = {"rounds": 2, "steps": 3}
    assert torch.equal(guess(victim, **few), guess(Victim(Pipeline(other), UnSplit.default_knowledge), **few))
    assert all(torch.equal(v, weights[k]) for k, v in NETWORK.state_dict().items())
    assert victim.queries == 0
    with pytest.raises(BeyondKnowledge, match="reached for 'client architecture'"):
        guess(Victim(Pipeline(NETWORK), Knowledge(sees=Stage.FEATURES)))


def test_clone_and_picture_come_to_explain_the_leak() -> None:
    made: nn.Module = Victim(Pipeline(NETWORK), UnSplit.default_knowledge).held("client architecture")
    gray = torch.full_like(VICTIMS.images, 0.5)

    def miss(pictures: Images) -> Tensor:
        with torch.no_grad():
            return (made.eval()(pictures) - leaked()).square().mean((1, 2, 3))

    before = miss(gray)
    victim = Victim(Pipeline(NETWORK), UnSplit.default_knowledge, held={"client architecture": made})
    found = guess(victim)
    assert (miss(found) < 0.3 * before).all()
    assert (miss(found) < 0.8 * miss(gray)).all(), "the picture has its part in it, not the clone alone"
    assert (SSIM(found, VICTIMS.images) > SSIM(gray, VICTIMS.images) + 0.03).all()
    assert found.min() >= 0
    assert found.max() <= 1
    assert not found.requires_grad


def test_energy_and_variation_pull_at_the_picture() -> None:
    few = {"rounds": 4, "steps": 10}
    plain = guess(tv=0.0, **few)
    assert (guess(tv=0.0, energy=50.0, **few).square().mean((1, 2, 3)) < plain.square().mean((1, 2, 3))).all()

    def rough(x: Images) -> Tensor:
        return x.diff(dim=2).square().mean((1, 2, 3)) + x.diff(dim=3).square().mean((1, 2, 3))

    assert (rough(guess(tv=50.0, **few)) < 0.5 * rough(plain)).all()


def test_it_repeats_itself_and_leaves_the_worlds_generator_alone() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = guess(rounds=2, steps=2)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    with torch.no_grad():
        assert torch.equal(guess(rounds=2, steps=2), first)
    other = Victim(Pipeline(NETWORK), UnSplit.default_knowledge, attacker_seed=7)
    assert not torch.equal(guess(other, rounds=2, steps=2), first), "a clone of other first weights"


def test_public_faces_tell_the_size_alone() -> None:
    attack = UnSplit(rounds=1, steps=1)
    victim = Victim(Pipeline(NETWORK), attack.knowledge)
    fitted = attack.fit(tiny.faces(3, seed=6), victim)
    assert fitted(leaked(), victim).shape == VICTIMS.images.shape
    assert attack.size_ is None, "fitted is a copy"
    assert attack.fit(None, victim) is attack
    for option in ("rounds", "steps", "side", "batch_size"):
        with pytest.raises(UsageError, match=f"UnSplit's {option} must be at least 1; got 0"):
            UnSplit(**{option: 0})


def test_what_does_not_fit_is_a_sentence() -> None:
    attack = UnSplit(side=tiny.SIDE)
    with pytest.raises(UsageError, match=r"give rows of \(8, 16, 16\).*has rows of \(5, 16, 16\)"):
        attack(torch.zeros(1, 5, 16, 16), Victim(Pipeline(NETWORK), attack.knowledge))


def test_templates_will_do_where_the_client_reaches_them() -> None:
    network = tiny.recognizer(cut=4)
    attack = UnSplit(rounds=2, steps=5, learning_rate=0.01, side=tiny.SIDE).knowing(sees=Stage.TEMPLATES)
    found = attack(network.embed(VICTIMS.images), Victim(Pipeline(network), attack.knowledge))
    assert found.shape == VICTIMS.images.shape
    assert not torch.equal(found[0], found[1])
