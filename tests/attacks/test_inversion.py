"""Inversion of small clients: it minimizes what it says it minimizes, and shows the face."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import tiny
import torch
from torch import Tensor

from bauta.attacks import Inversion, Victim
from bauta.attacks.reconstruction.inversion import variation
from bauta.errors import BeyondKnowledge, UsageError
from bauta.metrics import SSIM
from bauta.pipeline import Pipeline
from bauta.recognizers import Recognizer
from bauta.types import Faces, Images, Stage

PUBLIC, VICTIMS = tiny.faces(32, seed=3), tiny.faces(4, seed=4)


def inverted(attack: Inversion, network: Recognizer, faces: Faces = VICTIMS) -> Images:
    pipeline = Pipeline(network)
    victim = Victim(pipeline, attack.knowledge)
    with torch.no_grad():
        leak = pipeline.at(attack.knowledge.sees, faces)
    return attack.fit(PUBLIC, victim)(leak, victim)


def miss(attack: Inversion, network: Recognizer, pictures: Images, faces: Faces = VICTIMS) -> Tensor:
    """The documented objective, by hand and in double precision: relative distance plus total variation."""
    with torch.no_grad():
        leak, found = Pipeline(network).features(faces).double(), network.features(pictures).double()
    apart = torch.stack([(a - b).norm() / b.norm() for a, b in zip(found, leak, strict=True)])
    return apart + attack.tv * torch.tensor([by_hand(picture, attack.beta) for picture in pictures])


def by_hand(picture: Tensor, beta: float) -> float:
    """Total variation of one picture (3, H, W), as a loop over its pixels."""
    height, width = picture.shape[1:]
    colors = picture.double().tolist()
    total = 0.0
    for y in range(height):
        for x in range(width):
            energy = 0.0
            for color in colors:
                if x + 1 < width:
                    energy += (color[y][x + 1] - color[y][x]) ** 2
                if y + 1 < height:
                    energy += (color[y + 1][x] - color[y][x]) ** 2
            total += energy ** (beta / 2)
    return total / (height * width)


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0])
def test_total_variation_is_the_loop_over_pixels(beta: float) -> None:
    pictures = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    expected = torch.tensor([by_hand(picture, beta) for picture in pictures])
    torch.testing.assert_close(variation(pictures, beta), expected, rtol=1e-4, atol=1e-5)
    assert variation(torch.full((1, 3, 4, 4), 0.3), beta) < 2e-3, "a flat picture does not vary"


@pytest.mark.parametrize("rule", ["adam", "sign", "normalized"])
def test_each_rule_descends_and_shows_the_face(rule: str) -> None:
    """Eq. 4 with the sign as printed would climb."""
    network = tiny.recognizer(cut=1)
    attack = Inversion(rule=rule, steps=120, step_size=0.02, tv=0.5)
    mean = PUBLIC.images.mean(0).expand_as(VICTIMS.images)
    found = inverted(attack, network)
    assert (miss(attack, network, found) < 0.6 * miss(attack, network, mean)).all()
    assert (SSIM(found, VICTIMS.images) > SSIM(mean, VICTIMS.images) + 0.1).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_the_objective_is_the_documented_one() -> None:
    network, attack = tiny.recognizer(cut=2), Inversion(tv=3.0, beta=1.2)
    pipeline, guess = Pipeline(network), tiny.pictures(4, seed=9)
    stated = attack.objective(network.layers[:2], guess, pipeline.features(VICTIMS))
    torch.testing.assert_close(stated.double(), miss(attack, network, guess), rtol=1e-3, atol=1e-3)


def test_one_step_of_the_papers_rule_goes_against_the_gradients_sign() -> None:
    network = tiny.recognizer(cut=1)
    attack = Inversion(rule="sign", steps=1, step_size=0.01, tv=0.0)
    mean = PUBLIC.images.mean(0).expand_as(VICTIMS.images).clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(miss_with_gradient(network, mean), mean)
    moved = inverted(attack, network) - mean.detach()
    inside = (mean.detach() > 0.02) & (mean.detach() < 0.98) & (gradient.abs() > 1e-4)
    assert inside.float().mean() > 0.3
    torch.testing.assert_close(moved[inside], -0.01 * gradient.sign()[inside], rtol=0, atol=1e-6)


def miss_with_gradient(network: Recognizer, pictures: Images) -> Tensor:
    leak = network.features(VICTIMS.images).detach()
    apart = (network.features(pictures) - leak).flatten(1).norm(dim=1)
    return (apart / leak.flatten(1).norm(dim=1)).sum()


def test_of_several_starts_the_best_counts_face_by_face() -> None:
    network, options = tiny.recognizer(cut=2), {"steps": 6, "tv": 0.1, "step_size": 0.02}

    def loss(*starts: str) -> Tensor:
        attack = Inversion(starts=starts, **options)
        return miss(attack, network, inverted(attack, network, many), many)

    many = tiny.faces(12, seed=5)
    alone = {start: loss(start) for start in ("gray", "mean")}
    assert len(set((alone["gray"] < alone["mean"]).tolist())) == 2, "each start wins somewhere, else this tests nothing"
    for starts in (("gray", "mean"), ("mean", "gray")):
        torch.testing.assert_close(loss(*starts), alone["gray"].minimum(alone["mean"]), rtol=1e-4, atol=1e-4)
    assert (loss("noise", "noise", "noise") <= loss("noise") + 1e-6).all()
    assert (loss("noise", "noise", "noise") < loss("noise") - 1e-6).any(), "restarts draw anew"


def test_grouping_changes_nothing_and_seeds_change_noise() -> None:
    network = tiny.recognizer(cut=2)

    def found(faces: Faces = VICTIMS, **options: int) -> Images:
        return inverted(Inversion(starts=("noise",), steps=5, **options), network, faces)

    whole = found()
    torch.testing.assert_close(found(batch_size=1), whole, rtol=0, atol=1e-4)
    torch.testing.assert_close(found(VICTIMS[2:]), whole[2:], rtol=0, atol=1e-4)
    assert not torch.allclose(found(seed=1), whole, atol=1e-2)


def test_the_worlds_generator_and_the_clients_weights_are_left_alone() -> None:
    network = tiny.recognizer(cut=2)
    weights = {k: v.clone() for k, v in network.state_dict().items()}
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = inverted(Inversion(starts=("noise", "mean"), steps=3), network)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(inverted(Inversion(starts=("noise", "mean"), steps=3), network), first)
    assert all(torch.equal(v, weights[k]) for k, v in network.state_dict().items())


def test_templates_will_do_where_the_client_reaches_them() -> None:
    network = tiny.recognizer(cut=4)
    attack = Inversion(steps=60, tv=0.05).knowing(sees=Stage.TEMPLATES)
    found = inverted(attack, network)
    goals = network.embed(VICTIMS.images)
    start = network.embed(PUBLIC.images.mean(0).expand_as(VICTIMS.images))
    assert ((network.embed(found) * goals).sum(1) > 0.5 + 0.5 * (start * goals).sum(1)).all()


def test_what_does_not_fit_is_a_sentence() -> None:
    pipeline = Pipeline(tiny.recognizer(cut=2))
    attack = Inversion(side=tiny.SIDE)
    victim = Victim(pipeline, attack.knowledge)
    with pytest.raises(UsageError, match=r"give rows of \(12, 16, 16\).*has rows of \(8, 16, 16\)"):
        attack(torch.zeros(1, 8, 16, 16), victim)
    with pytest.raises(BeyondKnowledge, match="reached for 'client layers'"):
        attack(torch.zeros(1, 12, 16, 16), Victim(pipeline, attack.knowing(holds=frozenset()).knowledge))
    assert attack(torch.zeros(0, 12, 16, 16), victim).shape == (0, 3, 32, 32)
    wrong: Sequence[tuple[dict[str, object], str]] = (
        ({"rule": "sgd"}, "rule must be one of"),
        ({"starts": "noise"}, "starts are a list"),
        ({"starts": ()}, "starts are a list"),
        ({"steps": 0}, "steps must be at least 1"),
    )
    for options, words in wrong:
        with pytest.raises(UsageError, match=words):
            Inversion(**options)  # type: ignore[arg-type]
