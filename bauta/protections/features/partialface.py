"""PartialFace: a random few of the high-frequency channels, in a random order (Mi et al., ICCV 2023)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.ops.dct import PLANES
from bauta.ops.noise import generators
from bauta.protections.features.frequency import (
    DOMINANT,
    PLANE,
    DrawnProtection,
    check_indices,
    in_all_planes,
)
from bauta.spec import recipe
from bauta.types import Faces, Features


class PartialFace(DrawnProtection):
    """Coefficients (B, 192, h, w) -> (B, 3 * size, h, w): of each plane one rank of channels, in one permutation.

    The ten channels a plane that carry the picture for the eye are pruned. Of the 54 others `ranks` disjoint subsets of
    `size` channels are fixed, and `permutations` orders of a subset: these are the scheme's keys, shared by all clients
    and drawn from `seed`. Each picture is sent as one rank in one order, the same for Y, Cb and Cr, drawn for it alone:
    that choice is the secret (`ranks_of`), and the server is not told it; it is trained on all.

    An identity (``faces.identity``, where it is known) uses only `per_identity` of the ranks, one of the 20 choices of
    3 out of 6 by its number, so that a person's pictures together never show all channels. With the 6 permutations
    these are the 18 draws that an image is seen under in training, `copies`. The paper's (sigma, s, r, m, n) are the
    defaults; restricting labels is the released code's way (whose lists and 3 permutations are fixed numbers).

    What is sent is a part of the picture's coefficients as they are: who knows the keys inverts a linear map with 36
    hypotheses, and who knows none still sees 27 real channels.
    """

    def __init__(
        self,
        *,
        pruned: Sequence[int] = DOMINANT,
        size: int = 9,
        ranks: int = 6,
        permutations: int = 6,
        copies: int = 18,
        per_identity: int = 3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_indices("PartialFace's pruned channels", pruned)
        left = PLANE - len(pruned)
        if size < 1 or ranks < 1 or size * ranks > left:
            raise UsageError(
                f"PartialFace's ranks are disjoint subsets of the {left} channels a plane that are not pruned; "
                f"got {ranks} of {size} channels."
            )
        if copies < 1 or not 1 <= permutations <= math.factorial(size):
            raise UsageError(
                f"PartialFace needs at least one copy and 1 to {size}! permutations; got copies={copies}, "
                f"permutations={permutations}."
            )
        if not 1 <= per_identity <= ranks:
            raise UsageError(f"An identity uses 1 to all {ranks} of PartialFace's ranks; got {per_identity}.")
        self.pruned, self.size, self.ranks, self.permutations = tuple(pruned), size, ranks, permutations
        self.copies, self.per_identity, self.seed = copies, per_identity, seed

    __repr__ = recipe

    @property
    def channels(self) -> int:
        return len(PLANES) * self.size

    @property
    def kept(self) -> list[int]:
        return sorted(in_all_planes(self.subsets().flatten().tolist()))

    def subsets(self) -> Tensor:
        """(ranks, size): raster indices inside a plane of each rank's channels, ascending. A key."""
        left = torch.tensor([index for index in range(PLANE) if index not in self.pruned])
        (draw,) = generators(self.seed, ["ranks"], "PartialFace keys")
        order = torch.randperm(len(left), generator=draw)[: self.ranks * self.size]
        return left[order].view(self.ranks, self.size).sort(1).values

    def orders(self) -> Tensor:
        """(permutations, size): different orders of the channels of a rank. A key."""
        (draw,) = generators(self.seed, ["permutations"], "PartialFace keys")
        found: list[list[int]] = []
        while len(found) < self.permutations:
            order = torch.randperm(self.size, generator=draw).tolist()
            found += [] if order in found else [order]
        return torch.tensor(found)

    def ranks_of(self, faces: Faces) -> Tensor:
        """(B, 2): the number of the rank and of the permutation that each picture is sent under. The secret draw."""
        return self._chosen(faces.digests(), faces.identity)

    def places(self, faces: Faces) -> Tensor:
        return self.indices(self.ranks_of(faces))

    def indices(self, chosen: Tensor) -> Tensor:
        """(B, 2) ranks and permutations -> (B, channels): which of the 192 channels each row's channels are."""
        plane = self.subsets()[chosen[:, 0]].gather(1, self.orders()[chosen[:, 1]])
        return torch.cat([plane + PLANE * p for p in range(len(PLANES))], 1)

    def allowed(self, identity: int) -> tuple[int, ...]:
        """The ranks that the person of this number may use; all of them where the number is negative: unknown."""
        if identity < 0:
            return tuple(range(self.ranks))
        choices = list(combinations(range(self.ranks), self.per_identity))
        return choices[identity % len(choices)]

    def drawn(self, x: Features, digests: Sequence[str], identity: Tensor | None) -> Features:
        indices = self.indices(self._chosen(digests, identity)).to(x.device)
        return torch.stack([row[index] for row, index in zip(x, indices, strict=True)])

    def _chosen(self, digests: Sequence[str], identity: Tensor | None) -> Tensor:
        people = [-1] * len(digests) if identity is None else identity.tolist()
        chosen = []
        for draw, person in zip(generators(self.seed, digests, "PartialFace"), people, strict=True):
            allowed = self.allowed(person)
            rank = allowed[int(torch.randint(len(allowed), (), generator=draw))]
            chosen.append([rank, int(torch.randint(self.permutations, (), generator=draw))])
        return torch.tensor(chosen)
