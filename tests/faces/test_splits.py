"""Splits that share no person."""

from __future__ import annotations

import pytest
import torch

from bauta.errors import UsageError
from bauta.faces import split_by_identity
from bauta.types import Faces, Source


def some(count: int = 60, people: int = 20) -> Faces:
    images = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    identity = torch.arange(count) % people * 7
    return Faces(images, identity, {"row": torch.arange(count)}, [Source(f"{i}.png", f"{i:04d}") for i in range(count)])


def test_no_person_is_in_two_parts_and_nobody_is_lost() -> None:
    faces = some()
    parts = split_by_identity(faces, (0.5, 0.3, 0.2), seed=3)
    people = [set(part.identity.tolist()) for part in parts]
    assert [len(p) for p in people] == [10, 6, 4]
    assert set.union(*people) == set(faces.identity.tolist())
    assert sum(map(len, people)) == 20
    rows = torch.cat([part.attributes["row"] for part in parts])
    assert sorted(rows.tolist()) == list(range(60))
    for part in parts:
        torch.testing.assert_close(part.images, faces.images[part.attributes["row"]])
        assert part.attributes["row"].tolist() == sorted(part.attributes["row"].tolist())


def test_the_seed_decides_and_the_order_does_not() -> None:
    faces = some()
    first, _ = split_by_identity(faces, (0.5, 0.5), seed=3)
    again, _ = split_by_identity(faces[torch.randperm(60)], (0.5, 0.5), seed=3)
    other, _ = split_by_identity(faces, (0.5, 0.5), seed=4)
    assert set(first.identity.tolist()) == set(again.identity.tolist())
    assert set(first.identity.tolist()) != set(other.identity.tolist())


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    split_by_identity(some(), (0.5,), seed=9)
    assert torch.equal(torch.rand(3), wanted)


def test_without_identities_no_file_is_in_two_parts() -> None:
    faces = some()
    doubled = Faces(faces.images[:40], source=[faces.source[i % 20] for i in range(40)])
    first, second = split_by_identity(doubled, (0.5, 0.5), seed=1)
    assert not set(first.digests()) & set(second.digests())
    assert len(first) == len(second) == 20


def test_fractions_that_make_no_sense() -> None:
    for fractions in ((), (0.8, 0.3), (-0.1, 0.5)):
        with pytest.raises(UsageError):
            split_by_identity(some(), fractions, seed=0)
    dropped = split_by_identity(some(), (0.25,), seed=0)
    assert len(dropped) == 1
    assert len(dropped[0]) == 15
