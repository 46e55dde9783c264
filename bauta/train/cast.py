"""A color cast for gray pictures, so that a network that reads color planes finds something in them."""

from __future__ import annotations

from dataclasses import replace

import torch

from bauta.errors import UsageError
from bauta.ops.noise import generators
from bauta.spec import recipe
from bauta.types import Faces, Source

__all__ = ["ColorCast"]


class ColorCast:
    """Faces under a light of a random color, drawn once for each picture from the seed and its digest.

    Each channel is multiplied with a number in [1 - strength, 1], uniform, and all three are scaled so that the largest
    is 1, so that nothing is clipped. A gray picture keeps all that it shows and gets a constant hue; whoever reports a
    number on such pictures says so beside it. The unprotected twin sees the very same pictures, since nothing but the
    digest decides.
    """

    def __init__(self, strength: float = 0.4, *, seed: int = 0) -> None:
        if not 0 <= strength < 1:
            raise UsageError(f"A cast's strength lies in [0, 1), got {strength}.")
        self.strength, self.seed = strength, seed

    __repr__ = recipe

    def __call__(self, faces: Faces) -> Faces:
        """The faces under their lights, their labels and digests as they were."""
        draws = generators(self.seed, faces.digests(), "ColorCast")
        gains = torch.stack([1 - self.strength * torch.rand(3, generator=draw) for draw in draws])
        gains = (gains / gains.amax(1, keepdim=True))[:, :, None, None].to(faces.images)
        # without a file the pixels are the digest, and must stay the ones that were drawn for
        source = faces.source or [Source("", digest) for digest in faces.digests()]
        return replace(faces, images=faces.images * gains, source=source)
