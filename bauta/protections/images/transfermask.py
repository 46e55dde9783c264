"""A personal mask that carries over to recognizers which it was not learned against. Not in the P3-Mask paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bauta.ops.noise import uniform
from bauta.protections.images.p3mask import P3Mask
from bauta.types import Images, Templates

MEMORY = 0.9  # of the gradients, as MI-FGSM has it
GAIN = 0.3  # how fast the weight follows the DSSIM: more of it swings
LEAST, MOST = 0.1, 100.0  # of the weight; it must not sink out of reach while the mask is still small
TURN, GROW, SHIFT = 0.1, 0.1, 0.06  # radians, share of the size, share of half the picture


class TransferMask(P3Mask):
    """P3-Mask, with what makes it hold for recognizers outside of the team.

    Four lines differ. Photos turn away from the *person's center* rather than each from itself, because a gallery holds
    other photos of the person. The team looks through random motions (after Xie et al.'s input diversity, CVPR 2019),
    so that nothing of one network's own counts. Steps follow the sign of a running mean of gradients (MI-FGSM). And the
    weight of the DSSIM is steered until the budget is met, where the published schedule lets it swing past.

    Options as `P3Mask`, with the steps twice as long.
    """

    def __init__(
        self,
        *,
        epochs: int = 50,
        epsilon: float = 16 / 255,
        budget: float = 0.03,
        step_size: float = 0.002,
        batch_size: int = 4,
        boxed: int = 112,
        strength: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            epochs=epochs,
            epsilon=epsilon,
            budget=budget,
            step_size=step_size,
            batch_size=batch_size,
            boxed=boxed,
            strength=strength,
            seed=seed,
        )

    def goals(self, clean: Sequence[Templates]) -> Sequence[Templates]:
        """Everybody's center, for each photo."""
        return [F.normalize(rows.mean(0, keepdim=True)).expand_as(rows) for rows in clean]

    def looked_at(self, masked: Images, draws: Generator) -> Images:
        """Moved at random."""
        return moved(masked, [draws] * len(masked))

    def loss(self, away: Tensor, dssim: Tensor, weight: float) -> Tensor:
        """The DSSIM has its price everywhere, and the price finds the budget."""
        return weight * dssim / self.budget - away

    def direction(self, gradient: Tensor, memory: Tensor) -> Tensor:
        """The sign of the running mean."""
        return memory.mul_(MEMORY).add_(gradient / gradient.abs().mean().clamp_min(1e-30)).sign()

    def weighed(self, weight: float, dssim: float) -> float:
        """Up where the DSSIM is over the budget, down where it is under it."""
        return min(MOST, max(LEAST, weight * math.exp(GAIN * (dssim / self.budget - 1))))


def moved(images: Images, draws: Sequence[Generator]) -> Images:
    """Each picture turned, scaled and shifted a little, borders repeated. draws: one generator a picture."""
    u = 2 * uniform((4,), draws, images) - 1
    angle, scale = TURN * u[:, 0], 1 + GROW * u[:, 1]
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    theta = torch.stack([cosine, -sine, SHIFT * u[:, 2], sine, cosine, SHIFT * u[:, 3]], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
