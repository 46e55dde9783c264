"""PPFR-FD: selected DCT channels, shuffled, mixed and normalized (Wang, Liu, Luo, Yang and Wang, AAAI 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.ops.dct import BLOCK
from bauta.ops.noise import generators
from bauta.protections.features.frequency import FrequencyProtection, check_indices, in_all_planes
from bauta.spec import recipe
from bauta.types import Faces, Features

# The plane's frequencies from low to high, by u + v; of the three with u + v <= 1 the eye lives, and the next 36 stay.
ASCENDING = sorted(range(BLOCK**2), key=lambda index: (sum(divmod(index, BLOCK)), index))
SELECTED = tuple(sorted(ASCENDING[3:39]))


class PPFRFD(FrequencyProtection):
    """Coefficients (B, 192, h, w) -> (B, 3 * len(selected), h, w): selected channels, masked.

    Established, by the paper's abstract and by what later papers of the family restate: of the channels only a part is
    retained (36 a plane), chosen so that more than 94 % of the picture's energy is dropped; what remains is masked fast
    and without the management of keys, by shuffling channels and mixing them.

    Ours, since the paper's body could not be read: *which* 36 stay. There a network chooses them, trained on the
    recognition error and a penalty for what can be seen; here it is a fixed list, the 36 frequencies above DC and its
    two neighbors (on 96 color faces these three hold 97.5 % of the mean absolute coefficient, DC alone 92.6 %). And
    the masking in detail, which has four steps: the channels of all planes are shuffled, each is replaced by the mean
    of itself and its successor (the last by that of itself and the first), they are shuffled once more, and each
    channel of each picture is brought to mean 0 and deviation 1, so that its scale and brightness do not tell which it
    was. A channel that is constant becomes 0.

    The shuffles are drawn from `seed`, which is built into all clients of a deployment: no draw per picture, and who
    has a client has them (`pairs`). Against a linear inversion all this adds unknowns and no more: the two shuffles,
    two numbers a channel, and the one combination of the channels that mixing takes away.
    """

    def __init__(self, *, selected: Sequence[int] = SELECTED, seed: int = 0) -> None:
        super().__init__()
        check_indices("PPFRFD's selected channels", selected)
        if not selected:
            raise UsageError("PPFRFD sends at least one channel a plane; got none.")
        self.selected, self.seed = tuple(selected), seed

    __repr__ = recipe

    @property
    def channels(self) -> int:
        return len(self.kept)

    @property
    def kept(self) -> list[int]:
        return in_all_planes(self.selected)

    def pairs(self) -> Tensor:
        """(channels, 2): what is sent as channel i is the mean of these two of the 192, normalized. The key."""
        first, second = generators(self.seed, ["first", "second"], "PPFRFD shuffles")
        shuffled = torch.tensor(self.kept)[torch.randperm(self.channels, generator=first)]
        mixed = torch.stack([shuffled, shuffled.roll(-1)], 1)
        return mixed[torch.randperm(self.channels, generator=second)]

    def places(self, faces: Faces) -> Tensor:
        """Of the two that a column is the mean of, the first."""
        return self.pairs()[:, 0].expand(len(faces), -1)

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        self.check(x, faces)
        one, other = self.pairs().to(x.device).T
        mixed = x[:, one].lerp(x[:, other], 0.5)
        center = mixed.mean((2, 3), keepdim=True)
        mixed = mixed - center
        spread = torch.linalg.vector_norm(mixed, dim=(2, 3), keepdim=True) / (x.shape[-2] * x.shape[-1]) ** 0.5
        # a constant channel has a spread of rounding's size, not 0
        constant = spread <= 1e-5 * (1 + center.abs())
        return mixed * torch.where(constant, 0, 1 / spread.clamp_min(1e-12))
