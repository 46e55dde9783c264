"""PartialFace: ranks, orders and draws, against plain loops over the definition."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import tiny
import torch

from bauta.errors import ShapeError, UsageError
from bauta.ops.dct import block_dct
from bauta.protections.features.frequency import DOMINANT
from bauta.protections.features.partialface import PartialFace
from bauta.types import Faces, Source

FACES = tiny.faces(4)
X = block_dct(FACES.images)


def many(number: int, identity: int | None = None) -> Faces:
    """Faces whose pictures do not matter."""
    sources = [Source("", f"{i:064x}") for i in range(number)]
    people = None if identity is None else torch.full((number,), identity)
    return Faces(torch.zeros(number, 3, 1, 1), people, source=sources)


def test_each_picture_is_one_rank_in_one_order() -> None:
    scheme = PartialFace(seed=3)
    out = scheme(X, FACES)
    assert out.shape == (4, scheme.channels, tiny.SIDE, tiny.SIDE)
    assert scheme.channels == 27
    for row, x, (rank, order) in zip(out, X, scheme.ranks_of(FACES).tolist(), strict=True):
        for plane in range(3):
            for place in range(9):
                inside = scheme.subsets()[rank, scheme.orders()[order, place]]
                assert torch.equal(row[9 * plane + place], x[64 * plane + int(inside)])


def test_the_ranks_are_disjoint_and_leave_out_what_the_eye_sees() -> None:
    scheme = PartialFace(seed=7)
    flat = scheme.subsets().flatten().tolist()
    assert len(flat) == len(set(flat)) == 54
    assert sorted([*flat, *DOMINANT]) == list(range(64))
    assert len({tuple(order) for order in scheme.orders().tolist()}) == 6
    assert all(sorted(order) == list(range(9)) for order in scheme.orders().tolist())
    assert scheme.kept == [64 * p + k for p in range(3) for k in sorted(flat)]


def test_the_pruned_are_the_frequencies_up_to_three() -> None:
    assert sorted(8 * u + v for u in range(8) for v in range(8) if u + v <= 3) == list(DOMINANT)


def test_two_pictures_of_a_person_do_not_share_a_draw_but_by_chance() -> None:
    """The draw belongs to the picture: alike by chance as often as 18 equal possibilities are."""
    scheme = PartialFace(seed=1)
    chosen = scheme.ranks_of(many(4000, identity=5))
    same = (chosen[0::2] == chosen[1::2]).all(1).double().mean()
    assert abs(same - 1 / 18) < 4 * math.sqrt(1 / 18 / 2000)
    counts = torch.bincount(6 * chosen[:, 0] + chosen[:, 1], minlength=36)
    assert (counts > 0).sum() == 18
    assert (counts[counts > 0] - 4000 / 18).abs().max() < 5 * math.sqrt(4000 / 18)
    again = scheme.ranks_of(many(4000, identity=5)[[17, 3]])
    assert torch.equal(again, chosen[[17, 3]]), "and it stays with the picture"


def test_an_identity_shows_half_of_the_ranks_and_nobody_knows_whose_without_its_number() -> None:
    scheme = PartialFace()
    shown = {person: set(scheme.ranks_of(many(200, identity=person))[:, 0].tolist()) for person in range(20)}
    assert sorted(map(sorted, shown.values())) == sorted(map(list, combinations(range(6), 3)))
    assert set(scheme.ranks_of(many(200))[:, 0].tolist()) == set(range(6))
    assert set(scheme.ranks_of(many(200, identity=-1))[:, 0].tolist()) == set(range(6)), "a number below 0 is unknown"
    assert shown[4] == set(scheme.allowed(24))


def test_a_training_image_is_seen_under_several_draws() -> None:
    scheme = PartialFace(seed=2)
    out = scheme.draws(X, FACES, scheme.copies)
    assert out.shape == (72, 27, tiny.SIDE, tiny.SIDE)
    assert torch.equal(out[::18], scheme(X, FACES))
    mine = out[18:36]
    seen = {hash(row.numpy().tobytes()) for row in mine}
    assert 5 < len(seen) <= 18
    possible = [X[1][index] for index in scheme.indices(torch.cartesian_prod(torch.arange(6), torch.arange(6)))]
    assert all(any(torch.equal(row, p) for p in possible) for row in mine)
    used = set(FACES.identity.tolist()) if FACES.identity is not None else set()
    assert used == {0, 1}


def test_other_keys_are_other_ranks_and_draws() -> None:
    scheme = PartialFace()
    other = scheme.rekeyed(9)
    assert not torch.equal(scheme.subsets(), other.subsets())
    assert not torch.equal(scheme.orders(), other.orders())
    assert not torch.equal(scheme.ranks_of(many(50)), other.ranks_of(many(50)))


def test_gradients_reach_the_channels_that_are_sent_and_no_others() -> None:
    x = X.clone().requires_grad_()
    scheme = PartialFace()
    scheme(x, FACES).sum().backward()
    assert x.grad is not None
    sent = x.grad[0].sum((1, 2)).nonzero().flatten().tolist()
    assert sent == sorted(scheme.indices(scheme.ranks_of(FACES))[0].tolist())


def test_what_it_refuses() -> None:
    with pytest.raises(UsageError, match="disjoint"):
        PartialFace(ranks=7)
    with pytest.raises(UsageError, match="permutations"):
        PartialFace(size=2, permutations=3)
    with pytest.raises(UsageError, match="all 6"):
        PartialFace(per_identity=7)
    with pytest.raises(UsageError, match="different numbers"):
        PartialFace(pruned=(0, 64))
    with pytest.raises(ShapeError, match="cut behind its DCT"):
        PartialFace()(FACES.images, FACES)
    with pytest.raises(ShapeError, match="one a picture"):
        PartialFace()(X, FACES[:2])
    with pytest.raises(UsageError, match="at least once"):
        PartialFace().draws(X, FACES, 0)
