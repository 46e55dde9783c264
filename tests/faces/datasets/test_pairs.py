"""The table of pairs: what it refuses, and its balanced part against a plain loop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.errors import ShapeError, UsageError
from bauta.faces.datasets.pairs import Pairs, draw_pairs, tenths
from bauta.types import Faces, Source


def made(folds: int, each: int, seed: int = 0) -> Pairs:
    count = 2 * folds * each
    images = torch.arange(count + 3.0)[:, None, None, None].expand(-1, 3, 2, 2) / (count + 3)
    faces = Faces(images, source=[Source(f"{i}.png", str(i)) for i in range(len(images))])
    ends = torch.randint(len(faces), (2, count), generator=torch.Generator().manual_seed(seed))
    same = (torch.arange(count) // each) % 2 == 0
    return Pairs(faces, ends[0], ends[1], same, torch.arange(count) // (2 * each))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 10), st.integers(1, 6), st.integers(1, 6), st.integers(0, 100))
def test_a_part_is_the_first_of_each_fold(folds: int, each: int, wanted: int, seed: int) -> None:
    pairs = made(folds, each, seed)
    part = pairs.take(2 * folds * wanted)
    rows = []
    for fold in range(folds):
        for same in (True, False):
            rows += [i for i in range(len(pairs)) if pairs.fold[i] == fold and bool(pairs.same[i]) is same][:wanted]
    assert torch.equal(part.faces.images[part.first], pairs.faces.images[pairs.first[rows]])
    assert torch.equal(part.faces.images[part.second], pairs.faces.images[pairs.second[rows]])
    assert torch.equal(part.same, pairs.same[rows])
    assert torch.equal(part.fold, pairs.fold[rows])
    used = set(part.first.tolist()) | set(part.second.tolist())
    assert used == set(range(len(part.faces)))


def test_a_part_of_nothing() -> None:
    with pytest.raises(UsageError, match="at least 20"):
        made(10, 3).take(19)


def test_tables_that_do_not_fit() -> None:
    pairs = made(2, 3)
    with pytest.raises(ShapeError, match="one length"):
        Pairs(pairs.faces, pairs.first[:-1], pairs.second, pairs.same, pairs.fold)
    with pytest.raises(ShapeError, match="bool"):
        Pairs(pairs.faces, pairs.first, pairs.second, pairs.same.long(), pairs.fold)
    with pytest.raises(ShapeError, match="rows"):
        Pairs(pairs.faces[:3], pairs.first, pairs.second, pairs.same, pairs.fold)


def test_tenths_are_even() -> None:
    assert tenths(6000) == [i // 600 for i in range(6000)]
    sizes = [tenths(7003).count(fold) for fold in range(10)]
    assert sizes == [701, 701, 701, 700, 700, 700, 700, 700, 700, 700]


def test_drawing_from_faces() -> None:
    faces = Faces(torch.rand(40, 3, 2, 2), torch.arange(40) // 4)
    pairs = draw_pairs(faces, 40, folds=5, seed=1)
    assert torch.equal(faces.identity[pairs.first] == faces.identity[pairs.second], pairs.same)
    assert pairs.fold.bincount().tolist() == [8] * 5
    assert int(pairs.same.sum()) == 20
    with pytest.raises(UsageError, match="no identities"):
        draw_pairs(Faces(torch.rand(4, 3, 2, 2)), 4)


def test_only_the_last_folds_are_kept() -> None:
    """Ten pairs in five folds: the last four pairs, over the pictures that they need, by the same faces."""
    row = torch.arange(10)
    faces = Faces(torch.rand(20, 3, 2, 2))
    whole = Pairs(faces, row, 19 - row, row % 2 == 0, row // 2)
    kept = whole.last(2)
    assert (len(kept), len(kept.faces), kept.fold.tolist()) == (4, 8, [0, 0, 1, 1])
    for place, number in enumerate(range(6, 10)):
        assert torch.equal(kept.faces.images[kept.first[place]], faces.images[number])
        assert torch.equal(kept.faces.images[kept.second[place]], faces.images[19 - number])
        assert bool(kept.same[place]) == (number % 2 == 0)
