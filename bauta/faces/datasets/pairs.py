"""Verification protocols: which two pictures are compared, and whether they show one person."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.errors import ShapeError, UsageError
from bauta.types import Faces

__all__ = ["Pair", "Pairs", "draw", "draw_pairs", "index_pairs", "part", "tenths"]


@dataclass(frozen=True)
class Pair:
    """One comparison of a protocol, by the names of two pictures, before any picture is read."""

    first: str
    second: str
    same: bool
    fold: int


@dataclass(frozen=True)
class Pairs:
    """A verification protocol over the distinct pictures in `faces`.

    first, second: (N,) rows of `faces`. same: (N,) bool. fold: (N,) integers from 0; the threshold for a fold is chosen
    on the others.
    """

    faces: Faces
    first: Tensor
    second: Tensor
    same: Tensor
    fold: Tensor

    def __post_init__(self) -> None:
        columns = {"first": self.first, "second": self.second, "same": self.same, "fold": self.fold}
        if len({tuple(c.shape) for c in columns.values()}) != 1 or self.first.ndim != 1:
            came = {k: tuple(c.shape) for k, c in columns.items()}
            raise ShapeError(f"Pairs needs four columns of one length, got {came}.")
        if self.same.dtype != torch.bool:
            raise ShapeError(f"Pairs.same must be bool, got {self.same.dtype}.")
        rows = torch.cat([self.first, self.second])
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(self.faces):
            raise ShapeError(f"Pairs points at rows {int(rows.min())} to {int(rows.max())} of {len(self.faces)} faces.")

    def __len__(self) -> int:
        return len(self.first)

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return len(set(self.fold.tolist()))

    def take(self, n: int) -> Pairs:
        """About `n` pairs: the first n / (2 folds) genuine and as many impostor pairs of each fold, in their order.

        Only the pictures that they need stay. Raises `UsageError` where that is less than one pair each.
        """
        return self.of(torch.tensor(part(self.same.tolist(), self.fold.tolist(), n), dtype=torch.long))

    def last(self, folds: int) -> Pairs:
        """The pairs of the last folds, which are then numbered from 0, and the pictures that they need."""
        found = self.of(torch.nonzero(self.fold >= self.folds - folds)[:, 0])
        return replace(found, fold=found.fold - (self.folds - folds))

    def of(self, rows: Tensor) -> Pairs:
        """The pairs in these rows (n,), in their order, and of the pictures those that they need."""
        kept = torch.unique(torch.cat([self.first[rows], self.second[rows]]))
        first, second = (torch.searchsorted(kept, column[rows]) for column in (self.first, self.second))
        return Pairs(self.faces[kept.tolist()], first, second, self.same[rows], self.fold[rows])


def part(same: Sequence[bool], fold: Sequence[int], n: int) -> list[int]:
    """Rows of a balanced part, in order: the first n / (2 folds) genuine and impostor pairs of each fold.

    Raises `UsageError` when that is less than one.
    """
    folds = len(set(fold))
    each = n // (2 * folds) if folds else 0
    if each < 1:
        raise UsageError(f"A balanced part of {folds} folds has at least {2 * folds} pairs, got {n}; ask for more.")
    seen: dict[Hashable, int] = {}
    rows = []
    for row, key in enumerate(zip(fold, same, strict=True)):
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= each:
            rows.append(row)
    return rows


def tenths(count: int, folds: int = 10) -> list[int]:
    """The folds of `count` pairs in a row without stated folds: equal stretches, as scikit-learn's KFold cuts them."""
    return [fold for fold, rows in enumerate(np.array_split(np.arange(count), folds)) for _ in rows]


def index_pairs(pairs: Sequence[Pair], faces: Faces, names: Sequence[str]) -> Pairs:
    """A protocol over `faces`, whose rows are called `names`. Pairs with another picture are left out."""
    row = {name: i for i, name in enumerate(names)}
    kept = [p for p in pairs if p.first in row and p.second in row]
    return Pairs(
        faces,
        torch.tensor([row[p.first] for p in kept], dtype=torch.long),
        torch.tensor([row[p.second] for p in kept], dtype=torch.long),
        torch.tensor([p.same for p in kept], dtype=torch.bool),
        torch.tensor([p.fold for p in kept], dtype=torch.long),
    )


def draw_pairs(faces: Faces, count: int, *, folds: int = 10, seed: int = 0) -> Pairs:
    """A balanced protocol for faces with identities and no protocol of their own, as `draw` draws it.

    Raises `UsageError` where identities are unknown.
    """
    if faces.identity is None:
        raise UsageError("Pairs need to know who is who, and these faces have no identities; give one folder a person.")
    names = [str(row) for row in range(len(faces))]
    people = [str(person) for person in faces.identity.tolist()]
    return index_pairs(draw(names, people, count, folds=folds, seed=seed), faces, names)


def draw(names: Sequence[str], people: Sequence[str], count: int, *, folds: int = 10, seed: int = 0) -> list[Pair]:
    """Pairs of `names`, of which each shows the one of `people` in its place.

    People are dealt to the folds, so that no person is in two of them; each fold draws count / (2 folds) genuine and as
    many impostor pairs, none twice, fewer where its people do not give so many. Raises `UsageError` where there is no
    genuine pair.
    """
    random = np.random.default_rng(seed)
    everybody, identity = np.unique(np.array(people), return_inverse=True)
    # at least two people a fold, or there are no impostors in it
    folds = max(1, min(folds, len(everybody) // 2))
    deal = random.permutation(len(everybody)) % folds
    each = max(1, count // (2 * folds))
    pairs = []
    for fold in range(folds):
        rows = np.flatnonzero(deal[identity] == fold)
        for same, chosen in ((True, genuine), (False, impostor)):
            pairs += [Pair(names[a], names[b], same, fold) for a, b in chosen(rows, identity, each, random)]
    if not any(pair.same for pair in pairs):
        raise UsageError("No person has two pictures, so there is no genuine pair to compare; add pictures.")
    return pairs


Rows = NDArray[np.int64]


def genuine(rows: Rows, identity: Rows, count: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Up to `count` distinct pairs of one person each, drawn evenly from all that there are."""
    people = (rows[identity[rows] == person].tolist() for person in np.unique(identity[rows]))
    found = [pair for own in people for pair in combinations(own, 2)]
    return [found[i] for i in random.permutation(len(found))[:count]]


def impostor(rows: Rows, identity: Rows, count: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Up to `count` distinct pairs of two people each. Drawn, not listed: their number grows with the square."""
    found: dict[tuple[int, int], None] = {}
    for _ in range(20 * count):
        a, b = sorted(random.choice(rows, 2).tolist())
        if identity[a] != identity[b]:
            found[a, b] = None
        if len(found) == count:
            break
    return list(found)
