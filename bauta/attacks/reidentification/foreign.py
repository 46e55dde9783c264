"""Data abuse: somebody else's recognizer on the protected picture."""

from __future__ import annotations

import torch
from torch import Tensor

from bauta import zoo
from bauta.attacks.base import Knowledge, Reidentification, Victim
from bauta.recognizers import Recognizer, load
from bauta.recognizers.folding import folded
from bauta.types import Stage, Templates


class ForeignRecognizer(Reidentification):
    """The attacker's own recognizer reads the picture as if it were a face (PMT section 6.4, "data abuse").

    recognizer: a zoo name, or a network. threshold: its own cosine threshold; from its record when it has one.
    """

    default_knowledge = Knowledge(sees=Stage.IMAGES)

    def __init__(self, recognizer: str | Recognizer, *, threshold: float | None = None) -> None:
        self.recognizer = load(recognizer) if isinstance(recognizer, str) else recognizer
        self._quick = folded(self.recognizer)
        self.threshold = zoo.threshold(self.recognizer.name) if threshold is None else threshold

    def __repr__(self) -> str:
        return f"ForeignRecognizer({self.recognizer.name!r})"

    def __call__(self, leak: Tensor, victim: Victim) -> Templates:
        with torch.no_grad():
            return torch.cat([self._quick.embed(batch) for batch in torch.split(leak, 64)])
