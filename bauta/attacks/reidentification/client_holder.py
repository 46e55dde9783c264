"""The deepest trap: a client part that reaches deep is itself a recognizer."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.attacks.base import Knowledge, Reidentification, Victim
from bauta.types import Faces, Stage, Templates


class Linkage(Reidentification):
    """Features or templates are compared as they are: centered and scaled by public ones, then by cosine.

    Without public faces (`fit(None, victim)`) the plain cosine.
    """

    default_knowledge = Knowledge(sees=Stage.FEATURES)

    def __init__(self) -> None:
        self.mean_: Tensor | float = 0.0
        self.spread_: Tensor | float = 1.0

    def __repr__(self) -> str:
        return "Linkage()"

    def fit_leak(self, leak: Tensor) -> Self:
        """Learn center and spread from a public leak (N, ...)."""
        rows = leak.flatten(1)
        self.mean_, self.spread_ = rows.mean(0), rows.std(0).clamp_min(1e-6)
        return self

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        return self if public is None else self.fit_leak(victim.observe(public.images))

    def __call__(self, leak: Tensor, victim: Victim) -> Templates:
        return F.normalize((leak.flatten(1) - self.mean_) / self.spread_)


class ClientHolder(Reidentification):
    """Whoever holds the shared client layers runs them on the protected picture and links by their output.

    PMT hands these layers to every registered user "like a public key". attack: what is done with the features.
    """

    default_knowledge = Knowledge(sees=Stage.IMAGES, holds=frozenset({"client layers"}))

    def __init__(self, attack: Linkage | None = None) -> None:
        self.attack = Linkage() if attack is None else attack

    def __repr__(self) -> str:
        return f"ClientHolder({self.attack!r})"

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        if public is None:
            return self
        fitted = copy.copy(self)
        fitted.attack = copy.copy(self.attack).fit_leak(self._features(public.images, victim))
        return fitted

    def __call__(self, leak: Tensor, victim: Victim) -> Templates:
        return self.attack(self._features(leak, victim), victim)

    def _features(self, images: Tensor, victim: Victim) -> Tensor:
        client = victim.held("client layers")
        with torch.no_grad():
            return torch.cat([client(batch) for batch in torch.split(images, 64)])
