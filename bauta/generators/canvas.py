"""No prior at all: the latent is the picture."""

from __future__ import annotations

from torch import Tensor

from bauta.errors import UsageError
from bauta.generators.prior import FacePrior
from bauta.spec import recipe
from bauta.types import Images

DEVIATION = 0.2


class Canvas(FacePrior):
    """Pictures as they are: latents (n, 1 or 3, side, side) in units of [0, 1], clipped by `render`, are shown.

    It knows nothing of faces. A draw is noise around gray. For searches that paint.

    side: height and width. color: three channels; one, shown in all three, without.
    """

    def __init__(self, *, side: int = 112, color: bool = False) -> None:
        super().__init__()
        if side < 1:
            raise UsageError(f"Canvas needs a side of at least one pixel, got {side}.")
        self.side, self.color = side, color

    __repr__ = recipe

    @property
    def z_shape(self) -> tuple[int, ...]:
        return (3 if self.color else 1, self.side, self.side)

    def working(self, z: Tensor) -> Tensor:
        return 0.5 + DEVIATION * z

    def synthesize(self, latents: Tensor) -> Images:
        return latents.expand(-1, 3, -1, -1)
