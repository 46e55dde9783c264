"""Pictures to learn from, and those that judge: in memory, or read when a step needs them; no person in both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.faces import Pairs, load_pairs
from bauta.faces.datasets import DataSet, InsightFacePack, InsightFaceRecords, Verification, open_data
from bauta.faces.datasets.base import DRAWN
from bauta.faces.datasets.pairs import Pair, draw
from bauta.faces.datasets.reading import Reader
from bauta.train.cast import ColorCast
from bauta.types import Faces

__all__ = ["Cast", "Examples", "Held", "Listed", "Part", "everything", "fingerprint", "held_out", "sample", "unseen"]


class Examples(Protocol):
    """Faces by their rows. identity: (N,) from 0 without gaps."""

    @property
    def identity(self) -> Tensor: ...
    def __len__(self) -> int: ...
    def read(self, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        """Those rows as `Faces` with their identity, and which of them could be read."""
        ...


class Held:
    """Faces that lie in memory."""

    def __init__(self, faces: Faces) -> None:
        if faces.identity is None:
            raise UsageError("Training needs to know who is who, and these faces have no identities.")
        self.identity = without_gaps(faces.identity)
        self.faces = replace(faces, identity=self.identity)

    def __len__(self) -> int:
        return len(self.faces)

    def read(self, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        return self.faces[rows], list(rows)


class Listed:
    """Pictures of a data set, read when they are needed; a picture that cannot be read is left out with a warning.

    They should be aligned already (112 x 112): what is not, is aligned anew each time.
    """

    def __init__(self, data: DataSet | InsightFaceRecords) -> None:
        self.data = data
        if isinstance(data, InsightFaceRecords):
            self.identity = data.identity
        else:
            people = people_of(data)
            numbers = {person: i for i, person in enumerate(sorted(set(people)))}
            self.identity = torch.tensor([numbers[person] for person in people])

    def __len__(self) -> int:
        return len(self.identity)

    def read(self, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        if isinstance(self.data, InsightFaceRecords):
            return self.data.chosen(rows)
        return self.labeled(self.data, rows)

    def labeled(self, data: DataSet, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        """The pictures of a folder or zip in these rows."""
        reader = Reader(detector=data.detector, landmarks=data.landmarks())
        faces, kept = reader.read(data.store, [data.names[row] for row in rows])
        rows = [rows[i] for i in kept]
        return Faces(faces.images, self.identity[rows], source=faces.source), rows


class Part:
    """Some rows of other examples, whose people are numbered anew."""

    def __init__(self, whole: Examples, rows: Tensor) -> None:
        self.whole, self.rows = whole, rows.tolist()
        self.identity = without_gaps(whole.identity[rows])

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        place = {self.rows[row]: row for row in rows}
        faces, kept = self.whole.read([self.rows[row] for row in rows])
        kept = [place[row] for row in kept]
        return replace(faces, identity=self.identity[kept]), kept


class Cast:
    """Other examples under a color cast, each picture always under its own."""

    def __init__(self, whole: Examples, cast: ColorCast) -> None:
        self.whole, self.cast, self.identity = whole, cast, whole.identity

    def __len__(self) -> int:
        return len(self.whole)

    def read(self, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        faces, kept = self.whole.read(rows)
        return self.cast(faces), kept


def without_gaps(identity: Tensor) -> Tensor:
    """(N,) the same people, numbered from 0 without gaps."""
    numbers: Tensor = torch.unique(identity, return_inverse=True)[1]
    return numbers


def people_of(data: DataSet) -> list[str]:
    """Who each picture of a set shows. Raises `UsageError` where nobody knows."""
    people = [data.person(name) for name in data.names]
    known = [person for person in people if person is not None]
    if len(known) < len(people):
        raise UsageError(f"{data.store} does not say who is who, and training needs it; give one folder a person.")
    return known


IN_MEMORY = 20_000
"""Sets up to so many pictures are read once: 3 GB of color faces, 1 GB of gray ones."""


def held_out(data: str | Path, folds: int, *, limit: int | None = None) -> tuple[Examples, Pairs]:
    """Pictures to learn from, and the pairs of the last `folds` folds of ten, none of whose people is among the former.

    LFW's own folds share no person; a folder of people is dealt into ten, always the same way. limit: at most so many
    pictures to learn from, the first ones. Raises `UsageError` for a .rec, whose people are all to learn from, and for
    a pack of pairs, which has none.
    """
    found = open_data(data)
    if not isinstance(found, DataSet):
        raise UsageError(f"{data} has no folds of people to judge by; say with --pairs what judges, as lfw or a .bin.")
    people = dict(zip(found.names, people_of(found), strict=True))
    pairs = found.protocol() if isinstance(found, Verification) else draw(found.names, list(people.values()), DRAWN)
    judging = last_folds(pairs, folds)
    held = {people[name] for pair in judging for name in (pair.first, pair.second)}
    free = torch.tensor([row for row, name in enumerate(found.names) if people[name] not in held], dtype=torch.long)
    if not len(free):
        raise UsageError(f"{folds} folds leave nobody to learn from in {data}; give more people, or fewer folds.")
    judges = found.compared(judging)
    return kept_in_memory(Part(Listed(found), free[:limit])), judges


def unseen(data: str | Path, folds: int) -> Pairs:
    """What judges alone, of `held_out`. Raises `UsageError`."""
    found = open_data(data)
    if not isinstance(found, Verification):
        raise UsageError(f"{data} has no protocol of pairs in folds, as LFW has.")
    return found.compared(last_folds(found.protocol(), folds))


def everything(data: str | Path, pairs: str | Path, *, limit: int | None = None) -> tuple[Examples, Pairs]:
    """All pictures of a set to learn from, or at most `limit`, and the pairs of another one to judge by.

    Two sets may have people in common, and files seldom say so; that they share no picture is checked where the
    learning ones are few enough for the memory. Raises `UsageError`.
    """
    found = open_data(data)
    if isinstance(found, InsightFacePack):
        raise UsageError(f"{data} is a pack of pairs without people; give what to learn from, and the pack as --pairs.")
    listed: Examples = Listed(found)
    examples = kept_in_memory(listed if limit is None else Part(listed, torch.arange(len(listed))[:limit]))
    judges = load_pairs(pairs)
    if isinstance(examples, Held) and (shared := set(examples.faces.digests()) & set(judges.faces.digests())):
        raise UsageError(f"{data} and {pairs} share {len(shared)} pictures; judge by people who are not learned from.")
    return examples, judges


def last_folds(pairs: Sequence[Pair], folds: int) -> list[Pair]:
    """The pairs of the last `folds` folds. Raises `UsageError` unless there are two, and one to learn from."""
    there = sorted({pair.fold for pair in pairs})
    if not 2 <= folds < len(there):
        raise UsageError(
            f"Of {len(there)} folds, 2 to {len(there) - 1} can judge what learns on the others; got {folds}."
        )
    return [pair for pair in pairs if pair.fold in there[-folds:]]


def kept_in_memory(examples: Examples) -> Examples:
    """The examples, read once where they are few. Raises `MissingData` where none can be read."""
    if len(examples) > IN_MEMORY:
        return examples
    return Held(examples.read(range(len(examples)))[0])


def fingerprint(examples: Examples) -> str:
    """A digest of who and what is there, from all identities and the contents of 32 pictures."""
    words = [str(examples.identity.tolist()), *sample(examples, 32).digests()]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def sample(examples: Examples, count: int) -> Faces:
    """At most `count` of the examples, evenly spaced: what protections are fitted on."""
    rows = torch.linspace(0, len(examples) - 1, min(count, len(examples))).round().long().tolist()
    return examples.read(rows)[0]
