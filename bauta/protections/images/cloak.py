"""What all cloaks that are made for one picture at a time share, however they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor

from bauta.errors import UsageError, check_shape
from bauta.ops.quantize import to_8bit
from bauta.protections.base import ImageProtection
from bauta.protections.images.team import Team
from bauta.recognizers.base import Recognizer
from bauta.types import Faces, Images


class Cloak(ImageProtection):
    """Base: a subclass says how a batch of pictures is cloaked (`cloak`).

    `fit(faces, recognizer, ...)` takes the team of recognizers to be made against. Pictures (B, 3, H, W) in [0, 1] ->
    the same on 8-bit levels, `batch_size` at a time; a picture's draws follow its digest.
    """

    needs = ("recognizers",)
    seed: int
    batch_size: int
    team_: Team

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Take the team; `faces` is for cloaks that have a target. Raises `UsageError` without recognizers."""
        self.team_ = Team(*recognizers)
        return self

    def forward(self, x: Images, faces: Faces | None = None) -> Images:
        check_shape(x, "B 3 H W", "images")
        if not hasattr(self, "team_"):
            raise UsageError(f"{type(self).__name__} has no team yet: call fit(faces, recognizer, ...) first.")
        digests = [str(row) for row in range(len(x))] if faces is None else faces.digests()
        named = faces is not None and faces.identity is not None
        people = faces.identity.tolist() if named else [None] * len(x)  # type: ignore[union-attr]
        parts = []
        for start in range(0, len(x), self.batch_size):
            rows = slice(start, start + self.batch_size)
            with torch.enable_grad():  # of the pictures; a caller that needs no gradient may have switched it off
                done = self.cloak(
                    x[rows].detach().contiguous(memory_format=torch.channels_last), digests[rows], people[rows]
                )
            parts.append(to_8bit(done.detach()).contiguous())
        return torch.cat(parts) if parts else x

    def cloak(self, original: Images, digests: Sequence[str], people: Sequence[int | None]) -> Images:
        """One batch; `people` are the identities where they are known."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it cloaks a picture.")


def ball(original: Images, epsilon: float) -> tuple[Tensor, Tensor]:
    """Each pixel's lowest and highest 8-bit level within `epsilon` of the original: rounding keeps such bounds."""
    slack = 1e-3  # of a level: float32 does not hit levels exactly
    low = ((original - epsilon) * 255 - slack).ceil()
    high = ((original + epsilon) * 255 + slack).floor()
    return low.clamp(0, 255) / 255, high.clamp(0, 255) / 255
