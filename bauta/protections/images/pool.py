"""Other people, as targets: what cloaks need that move a picture toward somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.protections.images.cloak import Cloak
from bauta.protections.images.team import Team, angles
from bauta.recognizers.base import Recognizer
from bauta.types import Faces, Templates


@dataclass(frozen=True)
class Pool:
    """The people in some faces, as a team sees them.

    people: their numbers. pictures: for each, which rows of `templates` are of them. templates: one (N, D) a member.
    centers: the direction of each one's mean template, one (P, D) a member.
    """

    people: list[int]
    pictures: list[Tensor]
    templates: list[Templates]
    centers: list[Templates]

    @classmethod
    def of(cls, faces: Faces | None, team: Team, method: str) -> Self:
        """Raises `UsageError` for less than two people."""
        people = [] if faces is None or faces.identity is None else sorted(set(faces.identity.tolist()))
        if faces is None or faces.identity is None or len(people) < 2:
            raise UsageError(
                f"{method} moves pictures toward other people, so fit needs a pool of them: faces with the identity of "
                f"at least two people; got {len(people)}."
            )
        pictures = [(faces.identity == person).nonzero().flatten() for person in people]
        templates = team.templates(faces.images)
        centers = [F.normalize(torch.stack([t[rows].mean(0) for rows in pictures])) for t in templates]
        return cls(people, pictures, templates, centers)

    def own(self, person: int | None, templates: Sequence[Templates]) -> Sequence[Templates]:
        """Where somebody is, one (1, D) a member: the center if he is in the pool, else where his picture is."""
        if person not in self.people:
            return templates
        row = self.people.index(person)
        return [c[row : row + 1] for c in self.centers]

    def away(self, place: Sequence[Templates]) -> Tensor:
        """(P,) radians from a place, one (1, D) a member, to each center, summed over the members."""
        return angles([p.expand_as(c) for p, c in zip(place, self.centers, strict=True)], self.centers)

    def others(self, person: int | None, templates: Sequence[Templates], draws: Generator) -> list[int]:
        """Everybody else, as rows of `centers`, in random order.

        Of a picture without a name, one (1, D) a member, the person nearest to it may be its own and is left out.
        """
        order = torch.randperm(len(self.people), generator=draws).tolist()
        own = int(self.away(templates).argmin()) if person is None else -1
        return [row for row in order if row != own and self.people[row] != person]


class Targeted(Cloak):
    """A cloak that moves a picture toward somebody else: the people in the faces of `fit` are its pool."""

    pool_: Pool

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Take the team and the pool. Raises `UsageError` without recognizers or with less than two people."""
        super().fit(faces, *recognizers)
        self.pool_ = Pool.of(faces, self.team_, type(self).__name__)
        return self
