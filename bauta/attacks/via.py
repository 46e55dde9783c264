"""First a picture, then whatever can be read from a picture."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor

from bauta.attacks.base import Attack, Guess, Knowledge, Relayed, Victim, Wrapper
from bauta.errors import UsageError
from bauta.types import Faces, Stage


class Via(Wrapper):
    """`reconstruction` turns the leak into pictures, and `attack`, one that sees pictures, reads those.

    ``Via(RecFace(), ForeignEstimator("gender"))`` is PMT's attribute estimation on features (section 6.1). Both are
    fitted: the attack on reconstructions of the attacker's own faces.
    """

    default_knowledge = Knowledge(sees=Stage.FEATURES)

    def __init__(self, reconstruction: Attack, attack: Attack) -> None:
        if reconstruction.guesses is not Guess.IMAGES:
            raise UsageError(f"Via begins with an attack that gives pictures; {reconstruction!r} does not.")
        if attack.knowledge.sees is not Stage.IMAGES:
            raise UsageError(f"Via ends with an attack on pictures, but {attack!r} sees {attack.knowledge.sees.value}.")
        self.reconstruction, self.attack = reconstruction, attack

    def __repr__(self) -> str:
        return f"Via({self.reconstruction!r}, {self.attack!r})"

    @property
    def knowledge(self) -> Knowledge:
        """The reconstruction's, with whatever the attack needs besides."""
        first, second = self.reconstruction.knowledge, self.attack.knowledge
        return replace(
            first,
            access=max(first.access, second.access),
            knows=max(first.knows, second.knows),
            holds=first.holds | second.holds,
        )

    def knowing(self, **changes: Any) -> Self:
        """Both under a changed threat model; what is seen is the reconstruction's affair."""
        other = super().knowing(**{key: value for key, value in changes.items() if key != "sees"})
        other.reconstruction = self.reconstruction.knowing(**changes)
        return other

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        fitted = copy.copy(self)
        fitted.reconstruction = self.reconstruction.fit(public, victim)
        fitted.attack = self.attack.fit(public, fitted._inside(victim))
        return fitted

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        return self.attack(self._pictures(leak, victim), self._inside(victim))

    def _inside(self, victim: Victim) -> Relayed:
        return Relayed(victim, lambda leak: self._pictures(leak, victim))

    def _pictures(self, leak: Tensor, victim: Victim) -> Tensor:
        return torch.cat([self.reconstruction(batch, victim) for batch in torch.split(leak, 64)])
