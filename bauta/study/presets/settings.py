"""What every study takes, and whose faces its attackers have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from bauta.faces import Pairs
from bauta.faces.datasets import DataSet, open_data
from bauta.study.records import Row
from bauta.study.run import Fits
from bauta.types import Faces
from bauta.zoo.ours import FOLDS

CENTERING = 500  # of the attacker's faces, where they only tell him a mean and a spread


@dataclass(frozen=True)
class Settings:
    """What every study takes.

    victims: the protocol. public: the attacker's faces. out: where rows go, and pictures, unless `store` says where.
    done: cells measured before. progress is told how many faces were just protected, show each cell that gave pictures,
    with them and the originals. fits: where fitted attacks are kept, as `bauta.study.run.run` does. device: where
    pictures are protected. data: the set that victims and public are of, for studies that train on the rest of it.
    """

    victims: Pairs
    out: Path
    seed: int
    public: Faces | None = None
    progress: Callable[[int], None] | None = None
    done: frozenset[str] = frozenset()
    store: Path | None = None
    show: Callable[[str, Tensor, Faces], None] | None = None
    fits: Fits = field(default_factory=dict)
    device: torch.device | str = "cpu"
    data: str | Path = "lfw"

    @property
    def pictures(self) -> Path:
        """The folder of all protected pictures; studies that share it do not make one twice."""
        return self.out / "pictures" if self.store is None else self.store

    def unseen(self) -> Settings:
        """The same on those pairs whose people none of bauta's own networks has learned from: of LFW its last folds."""
        return replace(self, victims=self.victims.last(FOLDS)) if self.data == "lfw" else self

    def few(self, pairs: int | None = None, public: int | None = None) -> Settings:
        """The same on at most so many pairs, and with at most so many of the attacker's faces; None keeps all."""
        pairs = len(self.victims) if pairs is None else pairs
        faces = self.public if self.public is None or public is None else self.public[:public]
        return replace(self, victims=self.victims.take(min(pairs, len(self.victims))), public=faces)


def stamped(rows: Iterable[Row], **facts: object) -> Iterator[Row]:
    """The rows with what they are of added to their settings: tables read it there, and not out of names."""
    for row in rows:
        yield replace(row, settings={**row.settings, **facts})


def public_faces(data: str | Path, victims: Pairs, number: int = 4000) -> Faces | None:
    """The first faces of a data set whose people are not among the victims, or None where nobody says who is who."""
    opened = open_data(data)
    if victims.faces.identity is None or not isinstance(opened, DataSet):
        return None
    people = [opened.person(name) for name in opened.names]
    named = [(name, who) for name, who in zip(opened.names, people, strict=True) if who is not None]
    place = {who: i for i, who in enumerate(sorted({who for _, who in named}))}
    taken = set(victims.faces.identity.tolist())
    free = [name for name, who in named if place[who] not in taken]
    return opened.read(free[:number])[0] if free else None
