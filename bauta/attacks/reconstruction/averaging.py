"""Averaging: several photos under one mask, and their mean tells the mask."""

from __future__ import annotations

import torch
from torch import Tensor

from bauta.attacks.base import Knowledge, Knows, Reconstruction, Victim
from bauta.errors import UsageError
from bauta.ops.filters import blur
from bauta.spec import recipe
from bauta.types import Images, Stage


class Averaging(Reconstruction):
    """The mean of an account's photos, less its own blur, is taken for the mask and subtracted from each of them.

    Faces differ from photo to photo and their mean is smooth; an additive mask is the same in all, and what of it is
    finer than `sigma` pixels stays in the mean. The attacker holds "accounts": who uploaded what, (B,) numbers, one a
    row of the leak. gain: how much of the estimate is subtracted. Accounts of one photo are left as they are.
    """

    default_knowledge = Knowledge(sees=Stage.IMAGES, knows=Knows.SCHEME, holds=frozenset({"accounts"}))

    def __init__(self, *, sigma: float = 3.0, gain: float = 1.0) -> None:
        self.sigma, self.gain = sigma, gain

    __repr__ = recipe

    def __call__(self, leak: Images, victim: Victim) -> Images:
        cleaned = leak.clone()
        for rows in accounts(leak, victim):
            if len(rows) > 1:
                mean = leak[rows].mean(0, keepdim=True)
                cleaned[rows] = (leak[rows] - self.gain * (mean - blur(mean, self.sigma))).clamp(0, 1)
        return cleaned


class KnownPairs(Reconstruction):
    """A few photos of an account with and without the mask: their mean difference is the mask, and is subtracted.

    The attacker holds "accounts" and "reference pairs": account -> (originals, the same protected), (N, 3, H, W) each,
    of photos that are not in the leak: somebody who also posted elsewhere, or a leaked album. No additive mask that is
    the same in every photo withstands it. Accounts without a pair are left as they are.
    """

    default_knowledge = Knowledge(sees=Stage.IMAGES, holds=frozenset({"accounts", "reference pairs"}))

    __repr__ = recipe

    def __call__(self, leak: Images, victim: Victim) -> Images:
        known, cleaned = victim.held("reference pairs"), leak.clone()
        for rows in accounts(leak, victim):
            person = int(victim.held("accounts")[rows[0]])
            if person in known:
                originals, protected = known[person]
                cleaned[rows] = (leak[rows] - (protected - originals).mean(0)).clamp(0, 1)
        return cleaned


def accounts(leak: Tensor, victim: Victim) -> list[Tensor]:
    """The rows of each account. Raises `UsageError` where the leak has other rows than "accounts" speaks of."""
    who = torch.as_tensor(victim.held("accounts"))
    if len(who) != len(leak):
        raise UsageError(f"accounts must name one uploader a row of the leak, {len(leak)} rows; got {len(who)}.")
    return [(who == account).nonzero().flatten() for account in torch.unique(who)]
