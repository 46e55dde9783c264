"""What the data sets share: `DataSet` gives faces, `Verification` gives a protocol as well."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from bauta.errors import BadFile, MissingData, UsageError
from bauta.faces.datasets.pairs import Pair, Pairs, draw, index_pairs, part
from bauta.faces.datasets.reading import Landmarks, Reader, numbered
from bauta.faces.datasets.store import Store, pictures
from bauta.faces.detect import Detector
from bauta.types import Faces

__all__ = ["DRAWN", "DataSet", "Verification", "spread"]

DRAWN = 6000
"""How many pairs are drawn for a set without a protocol, as many as LFW has."""


class DataSet(ABC):
    """Pictures of faces in a folder or zip, in one known layout.

    detector: finds the face where a picture is neither aligned nor comes with landmarks; the best one on this machine
    where None is given, looked for only when it is needed.
    """

    def __init__(self, store: Store, *, detector: Detector | None = None) -> None:
        self.store = store
        self.detector = detector
        self.names = self.listed()
        if not self.names:
            raise MissingData(
                f"{store} holds no pictures laid out as {type(self).__name__}; give the path of such a set."
            )

    @classmethod
    @abstractmethod
    def fits(cls, store: Store) -> bool:
        """Whether the files are laid out as this set's."""

    def listed(self) -> list[str]:
        """The pictures that belong to the set, sorted."""
        return pictures(self.store)

    def person(self, name: str) -> str | None:
        """Who a picture shows, or None where the layout does not say."""
        return None

    def attributes(self, names: Sequence[str]) -> Mapping[str, Tensor]:
        """What is known about pictures: name of the attribute -> (N,), -1 for unknown."""
        return {}

    def landmarks(self) -> Landmarks:
        """The five points that came with the set: last part of the name -> (5, 2)."""
        return {}

    def chosen(self, limit: int) -> list[str]:
        """The part of `names` that a limit keeps: the first ones."""
        return self.names[:limit]

    def faces(self, limit: int | None = None) -> Faces:
        """The faces, at most `limit`. identity: the place of the person among all of the set, sorted by name."""
        return self.read(self.names if limit is None else self.chosen(limit))[0]

    def pairs(self, limit: int | None = None) -> Pairs:
        """About `limit` pairs drawn at random, always the same ones, since the layout has no protocol of its own.

        Raises `UsageError` where nobody is named.
        """
        people = [self.person(name) for name in self.names]
        known = [(name, who) for name, who in zip(self.names, people, strict=True) if who is not None]
        if not known:
            raise UsageError(f"{self.store} does not say who is who, so there are no pairs; give one folder a person.")
        names, owners = zip(*known, strict=True)
        return self.compared(draw(names, owners, DRAWN if limit is None else limit))

    def compared(self, pairs: Sequence[Pair]) -> Pairs:
        """Read the pictures that `pairs` need, and no others."""
        faces, kept = self.read(sorted({name for p in pairs for name in (p.first, p.second)}))
        return index_pairs(pairs, faces, kept)

    def read(self, names: Sequence[str]) -> tuple[Faces, list[str]]:
        """The pictures called `names` with their labels, and the names of those that could be read."""
        plain, rows = Reader(detector=self.detector, landmarks=self.landmarks()).read(self.store, names)
        kept = [names[i] for i in rows]
        people, everybody = [self.person(n) for n in kept], [self.person(n) for n in self.names]
        known = [p for p in people if p is not None]
        identity = numbered(known, [p for p in everybody if p is not None]) if len(known) == len(people) else None
        return Faces(plain.images, identity, dict(self.attributes(kept)), plain.source), kept


class Verification(DataSet):
    """A set with an official protocol."""

    @abstractmethod
    def protocol(self) -> list[Pair]:
        """The official pairs, by names of the set. Raises `MissingData`, `BadFile`."""

    def pairs(self, limit: int | None = None) -> Pairs:
        """The official pairs, or a balanced part of about `limit`; only the pictures that it needs are read.

        Raises `BadFile` where a picture of the protocol is absent.
        """
        pairs = self.protocol()
        if limit is not None and limit < len(pairs):
            pairs = [pairs[i] for i in part([p.same for p in pairs], [p.fold for p in pairs], limit)]
        absent = sorted({name for p in pairs for name in (p.first, p.second)} - set(self.names))
        if absent:
            raise BadFile(
                f"{len(absent)} pictures of the protocol are not in {self.store}, as {absent[0]}; get the whole set."
            )
        return self.compared(pairs)


def spread(names: Sequence[str], count: int) -> list[str]:
    """`count` of the names, evenly spaced."""
    rows = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
    return [names[i] for i in rows]
