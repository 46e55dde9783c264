"""The plainest linkage: what leaks is compared as it is."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.attacks.base import Knowledge, Reidentification, Victim
from bauta.types import Faces, Stage, Templates


class Comparison(Reidentification):
    """Features or templates are compared as they are: centered and scaled by public ones, then by cosine.

    Without public faces (`fit(None, victim)`) the plain cosine.
    """

    default_knowledge = Knowledge(sees=Stage.FEATURES)

    def __init__(self) -> None:
        self.mean_: Tensor | float = 0.0
        self.spread_: Tensor | float = 1.0

    def __repr__(self) -> str:
        return "Comparison()"

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        if public is None:
            return self
        fitted = copy.copy(self)
        rows = torch.cat([victim.observe(batch).flatten(1) for batch in public.batches(64)])
        fitted.mean_, fitted.spread_ = rows.mean(0), rows.std(0).clamp_min(1e-6)
        return fitted

    def __call__(self, leak: Tensor, victim: Victim) -> Templates:
        return F.normalize((leak.flatten(1) - self.mean_) / self.spread_)
