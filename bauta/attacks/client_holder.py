"""The deepest trap: a client part that reaches deep is itself a recognizer."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.attacks.base import Attack, Knowledge, Relayed, Victim, Wrapper
from bauta.attacks.reidentification.comparison import Comparison
from bauta.errors import UsageError
from bauta.types import Faces, Stage


class ClientHolder(Wrapper):
    """Whoever holds the shared client layers runs them on the protected picture, and attacks what comes out.

    PMT hands these layers to every registered user "like a public key". attack: any attack on features; or on
    templates, where the client's layers reach the embedding or for a reader of plain vectors.
    """

    default_knowledge = Knowledge(sees=Stage.IMAGES, holds=frozenset({"client layers"}))

    def __init__(self, attack: Attack | None = None) -> None:
        self.attack = Comparison() if attack is None else attack
        if self.attack.knowledge.sees not in (Stage.FEATURES, Stage.TEMPLATES):
            raise UsageError(
                f"ClientHolder computes features, but {attack!r} sees {self.attack.knowledge.sees.value}; "
                "give an attack on features or templates."
            )

    def __repr__(self) -> str:
        return f"ClientHolder({self.attack!r})"

    @property
    def knowledge(self) -> Knowledge:
        """The wrapped attack's, with pictures to see and the client's layers in hand."""
        inner = self.attack.knowledge
        return replace(inner, sees=Stage.IMAGES, holds=inner.holds | {"client layers"})

    @property
    def reference(self) -> Attack:
        """Clean pictures pass the client's layers too, unless the wrapped attack reads pictures by another way."""
        other = getattr(self.attack, "reference", self.attack)
        if other.knowledge.sees is Stage.IMAGES:
            return other
        holder = copy.copy(self)
        holder.attack = other
        return holder

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        fitted = copy.copy(self)
        fitted.attack = self.attack.fit(public, self._inside(victim))
        return fitted

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        inside = self._inside(victim)
        return self.attack(self._computed(leak, victim), inside)

    def knowing(self, **changes: Any) -> Self:
        """The wrapped attack under a changed threat model; it goes on seeing what the client's layers give."""
        return super().knowing(**{key: value for key, value in changes.items() if key != "sees"})

    def _inside(self, victim: Victim) -> Relayed:
        return Relayed(victim, lambda images: self._computed(images, victim))

    def _computed(self, images: Tensor, victim: Victim) -> Tensor:
        client = victim.held("client layers")
        with torch.no_grad():
            features = torch.cat([client(batch) for batch in torch.split(images, 64)])
        if self.attack.knowledge.sees is Stage.FEATURES:
            return features
        if features.shape[-2:] != (1, 1):
            raise UsageError(
                f"The client's layers end in features of shape {tuple(features.shape[1:])} and not in templates; "
                "wrap an attack on features, or cut at the embedding."
            )
        return F.normalize(features.flatten(1))
