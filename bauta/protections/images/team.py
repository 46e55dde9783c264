"""The surrogate recognizers that a cloak is made against, hoping that others err where they do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.ops.similarity import angle
from bauta.recognizers.base import Recognizer
from bauta.recognizers.folding import folded
from bauta.types import Images, Templates


class Team(nn.Module):
    """Recognizers in their inference form (`folded`), asked together. Raises `UsageError` for an empty team."""

    def __init__(self, *recognizers: Recognizer) -> None:
        super().__init__()
        if not recognizers:
            raise UsageError("A cloak needs at least one recognizer to be made against: fit(faces, recognizer, ...).")
        self._members = nn.ModuleList(folded(r) for r in recognizers)

    def forward(self, images: Images) -> list[Templates]:
        """(B, 3, H, W) in [0, 1] -> one (B, D) a member, with a gradient to the pictures."""
        return [member.embed(images) for member in self.members]

    @property
    def members(self) -> list[Recognizer]:
        """The recognizers, in the order in which they were given."""
        return [member for member in self._members if isinstance(member, Recognizer)]

    @torch.no_grad()
    def templates(self, images: Images, batch_size: int = 64) -> list[Templates]:
        """The same without a gradient, in batches: what need be known of clean pictures only once."""
        parts = [self(batch) for batch in torch.split(images, batch_size)]
        return [torch.cat(rows) for rows in zip(*parts, strict=True)]


def angles(ours: Sequence[Templates], theirs: Sequence[Templates]) -> Tensor:
    """(B,) radians between two teams' answers, summed over the members."""
    return torch.stack([angle(a, b) for a, b in zip(ours, theirs, strict=True)]).sum(0)
