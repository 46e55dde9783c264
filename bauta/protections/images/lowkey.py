"""LowKey: features of the sharp and the blurred picture, away from the clean (Cherepanova et al., ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bauta.ops.filters import filter_same, gaussian_kernel
from bauta.ops.noise import uniform
from bauta.ops.similarity import structural_similarity
from bauta.protections.images.dodging import PGD
from bauta.types import Images, Templates

RADIUS, SIGMA = 3, 3.0  # of the blur, in pixels: the released script's 7 x 7 window
NOISE = 0.005  # half-width of the start


class LowKey(PGD):
    """Signed steps that maximize, over a team of n recognizers with unit templates f and the blur G::

        1 / 2n  sum ( |f(x) - f(x')|^2 + |f(x) - f(G(x'))|^2 )  -  weight * DSSIM(x, x')

    The paper's price is LPIPS, times 0.05; its weights may not be at hand, so DSSIM = (1 - SSIM) / 2 stands in, with a
    weight of ours. Steps, their size and the start are the released script's. epsilon: an L-inf bound of ours, to
    compare with the others; the paper has none but the price (0.125, all steps together, is what it can reach).
    """

    def __init__(
        self,
        *,
        steps: int = 50,
        epsilon: float = 16 / 255,
        step_size: float = 0.0025,
        weight: float = 5.0,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        super().__init__(steps=steps, epsilon=epsilon, step_size=step_size, seed=seed, batch_size=batch_size)
        self.weight = weight

    def start(self, original: Images, draws: Sequence[Generator]) -> Images:
        return original + NOISE * (2 * uniform(original.shape[1:], draws, original) - 1)

    def gain(self, images: Images, original: Images, clean: Sequence[Templates], draws: Sequence[Generator]) -> Tensor:
        found = zip(self.team_(images), self.team_(blurred(images)), clean, strict=True)
        apart = [(sharp - f).square().sum(1) + (soft - f).square().sum(1) for sharp, soft, f in found]
        return torch.stack(apart).mean(0) / 2 - self.weight * (1 - structural_similarity(images, original)) / 2


def blurred(images: Images) -> Images:
    """Gaussian blur in LowKey's window, borders repeated."""
    wide = F.pad(images, [RADIUS] * 4, mode="replicate")
    return filter_same(wide, gaussian_kernel(RADIUS, SIGMA))[..., RADIUS:-RADIUS, RADIUS:-RADIUS]
