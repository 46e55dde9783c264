"""Attackers of the frequency family who know which channels they have: placed among the 192, and decoded."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor

from bauta.attacks.base import Attack, Knowledge, Knows, Reconstruction, Relayed, Victim, Wrapper
from bauta.errors import UsageError
from bauta.ops.dct import CHANNELS, PLANES, block_dct, inverse_block_dct
from bauta.spec import recipe
from bauta.types import Faces, Features, Images, Stage

DRAWN = Knowledge(sees=Stage.FEATURES, knows=Knows.DRAW, holds=frozenset({"draw"}))


class InverseDCT(Reconstruction):
    """The known channels in their places, zeros elsewhere, and the inverse transform: no training, no solving.

    What the family's papers show of their channels. It holds the places of the columns that leaked ("draw"): where the
    scheme fixes them, it need not know more than the scheme. A picture (MinusFace) is first transformed, then put back
    in order. Without DC all is shown around the middle gray, and PPFR-FD's normalized channels and PartialFace's high
    frequencies have hardly any contrast: `LinearInversion`, which solves for the picture, is what counts.
    Features behind a block DCT -> pictures. Raises `UsageError`.
    """

    default_knowledge = DRAWN

    __repr__ = recipe

    def __call__(self, leak: Tensor, victim: Victim) -> Images:
        places: Tensor = victim.held("draw")
        if len(places) != len(leak):
            raise UsageError(f"{self!r} holds the draws of {len(places)} rows, and {len(leak)} leaked.")
        batches = zip(torch.split(leak, 64), torch.split(places, 64), strict=True)
        parts = [inverse_block_dct(placed(rows, where)) for rows, where in batches]
        return torch.cat(parts).clamp(0, 1)


class Unshuffled(Wrapper):
    """Puts each row's columns back in their places among the 192, zeros elsewhere, and leaves the rest to `attack`.

    ``Unshuffled(RecFace())`` is the papers' "enhanced white-box": the attacker knows the draw of each picture
    (PartialFace's rank and permutation, MinusFace's shuffle). They train a network for each draw; this is one for all,
    which has the channels where they belong. attack: one on features.
    """

    default_knowledge = DRAWN

    def __init__(self, attack: Attack) -> None:
        if attack.knowledge.sees is not Stage.FEATURES:
            raise UsageError(
                f"Unshuffled sorts features, but {attack!r} sees {attack.knowledge.sees.value}; give another."
            )
        self.attack = attack.knowing(knows=Knows.DRAW, holds=attack.knowledge.holds | {"draw"})

    def __repr__(self) -> str:
        return f"Unshuffled({self.attack!r})"

    @property
    def knowledge(self) -> Knowledge:
        """The wrapped attack's, with each row's draw in hand."""
        return self.attack.knowledge

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        fitted = copy.copy(self)
        fitted.attack = self.attack.fit(public, Placed(victim))
        return fitted

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        return self.attack(placed(leak, victim.held("draw")), Placed(victim))


class Placed(Relayed):
    """A victim whose leak comes with its columns in their places, (B, 192, H, W)."""

    def __init__(self, victim: Victim) -> None:
        super().__init__(victim, lambda leak: leak)

    def observe(self, pictures: Images | Faces) -> Tensor:
        """The attacker's own pictures through his device, whose draws he knows."""
        return placed(self._victim.observe(pictures), self._victim.drawn(pictures))

    def differentiable(self, images: Images) -> Tensor:
        """The same with a gradient to the pictures."""
        return placed(self._victim.differentiable(images), self._victim.drawn(images))


def placed(leak: Features, places: Tensor) -> Features:
    """(B, C, H, W) whose first n columns are the channels `places` (B, n) -> (B, 192, H, W), zeros where none came.

    A picture (B, 3, H, W) whose places are all 192 is what these were decoded to, and is transformed first. Raises
    `UsageError` where leak and places do not fit.
    """
    number = places.shape[1]
    if leak.ndim == 4 and leak.shape[1] == len(PLANES) and number == CHANNELS:
        leak = block_dct(leak)
    if leak.ndim != 4 or len(leak) != len(places) or leak.shape[1] < number:
        raise UsageError(
            f"The places of {tuple(places.shape)} columns do not fit a leak of {tuple(leak.shape)}; attack a "
            "recognizer that is cut behind its DCT."
        )
    where = places.to(leak.device)[..., None, None].expand(-1, -1, *leak.shape[2:])
    whole = leak.new_zeros(len(leak), CHANNELS, *leak.shape[2:])
    return whole.scatter(1, where, leak[:, :number])
