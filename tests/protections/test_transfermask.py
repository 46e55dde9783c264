"""TransferMask: what it changes of P3-Mask, each change by itself."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Generator

from bauta.ops.noise import generators
from bauta.ops.similarity import structural_similarity
from bauta.protections import P3Mask, TransferMask
from bauta.protections.images.team import Team, angles
from bauta.protections.images.transfermask import LEAST, MOST, moved
from bauta.types import Faces


def test_every_photo_turns_away_from_the_person() -> None:
    rows = torch.nn.functional.normalize(torch.randn(5, 8, generator=Generator().manual_seed(0)))
    (goals,) = TransferMask().goals([rows])
    mean = rows.sum(0) / rows.sum(0).norm()
    assert torch.allclose(goals, mean.expand(5, -1), atol=1e-6)


def test_steps_follow_the_running_mean_of_gradients() -> None:
    """A sum of 0.9^k times the gradients over their mean magnitudes, made by hand."""
    g = Generator().manual_seed(1)
    gradients = [torch.randn(3, 4, 4, generator=g) * scale for scale in (1.0, 100.0, 0.01)]
    memory, by_hand = torch.zeros(3, 4, 4), torch.zeros(3, 4, 4)
    for gradient in gradients:
        step = TransferMask().direction(gradient, memory)
        by_hand = 0.9 * by_hand + gradient / gradient.abs().mean()
        assert torch.equal(step, by_hand.sign())
    assert torch.allclose(memory, by_hand)


def test_the_weight_is_steered_toward_the_budget_and_stays_in_reach() -> None:
    mask = TransferMask(budget=0.03)
    assert mask.weighed(1.0, 0.03) == 1.0
    assert mask.weighed(1.0, 0.06) > 1 > mask.weighed(1.0, 0.015)
    assert mask.weighed(LEAST, 0.0) == LEAST
    assert mask.weighed(MOST, 0.5) == MOST


def test_the_budget_is_met_where_there_is_room_for_it() -> None:
    images = tiny.pictures(8)
    team = Team(tiny.recognizer(seed=1), tiny.recognizer(seed=2))
    found = {}
    for budget in (0.005, 0.02):
        (draws,) = generators(0, ["0"], "mask")
        protection = TransferMask(epochs=80, budget=budget, step_size=0.004)
        mask = protection.learn(images, team, draws)
        dssim = (1 - structural_similarity(images, (images + mask).clamp(0, 1)).mean()) / 2
        found[budget] = float(dssim)
    assert 0.5 * 0.005 < found[0.005] < 2 * 0.005
    assert found[0.02] > 1.5 * found[0.005]


def test_unseen_photos_turn_away_from_the_person() -> None:
    """Photos of the person that it has not seen, against random noise of the same largest change."""
    person = 0.3 + 0.4 * tiny.pictures(1, seed=3)
    noise = 0.05 * torch.randn(12, 3, tiny.SIDE, tiny.SIDE, generator=Generator().manual_seed(4))
    photos, who = (person + noise).clamp(0, 1), torch.zeros(4).long()
    networks = [tiny.recognizer(seed=1), tiny.recognizer(seed=2)]
    learn, unseen = Faces(photos[:8], torch.zeros(8).long()), photos[8:]
    team = Team(*networks)
    center = [(c.mean(0, keepdim=True) / c.mean(0).norm()).expand(4, -1) for c in team.templates(learn.images)]
    made = TransferMask(epochs=30, budget=0.5, step_size=0.004, seed=2).fit(learn, *networks)
    random = made.masks_[0].flatten()[torch.randperm(made.masks_[0].numel(), generator=Generator().manual_seed(5))]
    away = [
        float(angles(team.templates(x.clamp(0, 1)), center).mean())
        for x in (made(unseen, Faces(unseen, who)), unseen + random.view(3, tiny.SIDE, tiny.SIDE), unseen)
    ]
    assert away[0] > 2 * away[1] > 0
    assert away[0] > away[2] + 0.5


def test_each_picture_moves_by_its_own_draw() -> None:
    images = tiny.pictures(3)
    draws = generators(5, ["a", "b", "a"], "steps")
    out = moved(images[[0, 0, 0]], draws)
    assert torch.equal(out[0], out[2])
    assert not torch.equal(out[0], out[1])
    shift = (out[0] - images[0]).abs().mean()
    assert 0.001 < shift < 0.2


@pytest.mark.parametrize("kind", [P3Mask, TransferMask])
def test_masks_do_not_depend_on_who_else_is_there(kind: type[P3Mask]) -> None:
    faces = Faces(tiny.pictures(8), torch.tensor([4, 4, 4, 4, 7, 7, 7, 7]))
    network = tiny.recognizer(seed=1)
    both = kind(epochs=2, step_size=0.01).fit(faces, network)
    alone = kind(epochs=2, step_size=0.01).fit(faces[faces.identity == 7], network)  # type: ignore[index]
    assert torch.equal(both.masks_[7], alone.masks_[7])
