"""Averaging and known pairs, against masks that the test knows."""

from __future__ import annotations

import pytest
import tiny
import torch

from bauta.attacks import Averaging, KnownPairs, Victim
from bauta.errors import UsageError
from bauta.pipeline import Pipeline
from bauta.types import Faces

WHO = torch.tensor([3, 3, 3, 3, 3, 3, 8, 8])


@pytest.fixture
def masked() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Eight pictures away from black and white, each person's mask, and the pictures under them."""
    clean = 0.3 + 0.4 * tiny.pictures(8)
    masks = 0.05 * torch.randn(9, 3, tiny.SIDE, tiny.SIDE, generator=torch.Generator().manual_seed(2)).sign()
    return clean, masks, clean + masks[WHO]


def holder(attack: Averaging | KnownPairs, **held: object) -> Victim:
    return Victim(Pipeline(tiny.recognizer()), attack.knowledge, held=held)


def test_known_pairs_take_an_additive_mask_off_whole(masked: tuple[torch.Tensor, ...]) -> None:
    clean, masks, leak = masked
    attack = KnownPairs()
    known = 0.3 + 0.4 * tiny.pictures(2, seed=7)
    found = attack(leak, holder(attack, accounts=WHO, **{"reference pairs": {3: (known, known + masks[3])}}))
    assert torch.allclose(found[:6], clean[:6], atol=1e-6)
    assert torch.equal(found[6:], leak[6:]), "nobody had a pair of the other account"


def test_averaging_takes_off_what_is_finer_than_its_blur(masked: tuple[torch.Tensor, ...]) -> None:
    """A mask of white noise is nearly all finer; what stays is the fine part of the mean face."""
    clean, _, leak = masked
    attack = Averaging(sigma=3)
    found = attack(leak, holder(attack, accounts=WHO))
    before, after = (leak - clean).square().mean((1, 2, 3)), (found - clean).square().mean((1, 2, 3))
    assert (after[:6] < 0.4 * before[:6]).all()
    assert (after[:6] < after[6:].min()).all(), "more photos of an account, a better mean"


def test_a_single_photo_is_left_alone(masked: tuple[torch.Tensor, ...]) -> None:
    attack, leak = Averaging(), masked[2]
    assert torch.equal(attack(leak, holder(attack, accounts=torch.arange(8))), leak)


def test_accounts_name_every_row(masked: tuple[torch.Tensor, ...]) -> None:
    attack = Averaging()
    with pytest.raises(UsageError, match="8 rows; got 3"):
        attack(masked[2], holder(attack, accounts=torch.zeros(3)))


def test_observing_tells_whose_pictures_they_are() -> None:
    """A protection of persons is run on the attacker's own people, one by one."""
    from bauta.protections import P3Mask

    network, own = tiny.recognizer(), tiny.faces(4, seed=9)
    mask = P3Mask(epochs=1, step_size=0.02).fit(tiny.faces(4), network)
    victim = Victim(Pipeline(network, mask), Averaging().knowledge)
    change = victim.observe(own) - Pipeline(network).images(Faces(own.images))
    inside = (own.images > 0.1) & (own.images < 0.9)
    both = inside[:2].all(0)
    assert torch.allclose(change[0][both], change[1][both], atol=1e-5), "one person, one mask"
    assert not torch.allclose(change[0][both], change[2][both], atol=1e-3)
