"""Verification protocols: which two pictures are compared, and whether they show one person."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bauta.errors import BadFile, ShapeError, UsageError
from bauta.types import Faces

__all__ = ["Pair", "Pairs", "index_pairs", "subset"]


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

    first, second: (N,) rows of `faces`. same: (N,) bool. fold: (N,) integers from 0; thresholds are chosen on the
    other folds.
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
        return len(self.fold.unique())

    def take(self, n: int) -> Pairs:
        """About `n` pairs: of each fold the first n / (2 folds) genuine and as many impostor ones, with their pictures."""
        rows = subset(self.same.tolist(), self.fold.tolist(), n)
        first, second = self.first[rows], self.second[rows]
        kept, places = torch.cat([first, second]).unique(return_inverse=True)
        return Pairs(self.faces[kept], places[: len(rows)], places[len(rows) :], self.same[rows], self.fold[rows])


def subset(same: Sequence[bool], fold: Sequence[int], n: int) -> list[int]:
    """Rows of a balanced part, in order: the first n / (2 folds) genuine and impostor pairs of each fold.

    Raises `UsageError` when that is less than one.
    """
    folds = len(set(fold))
    each = n // (2 * folds) if folds else 0
    if each < 1:
        raise UsageError(
            f"A balanced part of {folds} folds has at least {2 * folds} pairs, asked for {n}; ask for more."
        )
    seen: dict[Hashable, int] = {}
    rows = []
    for row, key in enumerate(zip(fold, same, strict=True)):
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= each:
            rows.append(row)
    return rows


def index_pairs(pairs: Sequence[Pair], faces: Faces, names: Sequence[str]) -> Pairs:
    """Point a protocol at `faces`, whose rows are called `names`. Raises `BadFile` for a name that is not there."""
    row = {name: i for i, name in enumerate(names)}
    try:
        first = [row[p.first] for p in pairs]
        second = [row[p.second] for p in pairs]
    except KeyError as error:
        raise BadFile(
            f"The protocol compares {error.args[0]}, which is not among the pictures; get the whole set."
        ) from error
    return Pairs(
        faces,
        torch.tensor(first, dtype=torch.long),
        torch.tensor(second, dtype=torch.long),
        torch.tensor([p.same for p in pairs], dtype=torch.bool),
        torch.tensor([p.fold for p in pairs], dtype=torch.long),
    )
