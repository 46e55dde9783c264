"""Dodging one picture at a time, by signed gradient steps: PGD and what was added to it so that others err too.

All maximize the angle between the cloaked picture's templates and the picture's own clean ones, summed over the team,
inside an L-inf ball. Epsilon is 16/255 for all, the bound of personal masks, so that they compare.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bauta.ops.filters import filter_same, gaussian_kernel
from bauta.ops.noise import generators, uniform
from bauta.ops.quantize import through_8bit
from bauta.protections.images.cloak import Cloak, ball
from bauta.protections.images.team import angles
from bauta.spec import recipe
from bauta.types import Images, Templates


class PGD(Cloak):
    """Projected gradient ascent from a random start (Madry et al., ICLR 2018).

    steps; epsilon: the L-inf bound; step_size: what every pixel moves in a step; both in units of [0, 1]. The step's
    size is the paper's (2/255, of 8/255 there); how many, is ours. The gradient is taken at the rounded picture.
    """

    def __init__(
        self,
        *,
        steps: int = 20,
        epsilon: float = 16 / 255,
        step_size: float = 2 / 255,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        super().__init__()
        self.steps, self.epsilon, self.step_size = steps, epsilon, step_size
        self.seed, self.batch_size = seed, batch_size

    __repr__ = recipe

    def start(self, original: Images, draws: Sequence[Generator]) -> Images:
        """Anywhere in the ball."""
        return original + self.epsilon * (2 * uniform(original.shape[1:], draws, original) - 1)

    def gain(self, images: Images, original: Images, clean: Sequence[Templates], draws: Sequence[Generator]) -> Tensor:
        """(B,) what each picture shall have more of."""
        return angles(self.team_(images), clean)

    def direction(self, gradient: Tensor, memory: Tensor) -> Tensor:
        """Where each pixel goes, in steps; `memory`, zeros at first, may be written to."""
        return gradient.sign()

    def cloak(self, original: Images, digests: Sequence[str], people: Sequence[int | None]) -> Images:
        clean = self.team_.templates(original)
        low, high = ball(original, self.epsilon)
        picture = self.start(original, generators(self.seed, digests, "start")).clamp(low, high)
        draws, memory = generators(self.seed, digests, "steps"), torch.zeros_like(original)
        for _ in range(self.steps):
            picture.requires_grad_(True)
            gain = self.gain(through_8bit(picture), original, clean, draws)
            (gradient,) = torch.autograd.grad(gain.sum(), picture)
            picture = (picture.detach() + self.step_size * self.direction(gradient, memory)).clamp(low, high)
        return picture


class MIFGSM(PGD):
    """With momentum: the steps follow a running sum of gradients, each over its L1 norm (Dong et al., CVPR 2018).

    decay: what is kept of the sum, step by step. Ten steps of a tenth of epsilon, as in the paper. It starts at the
    picture itself, where the angle has no slope; we start within one step of it.
    """

    def __init__(
        self,
        *,
        steps: int = 10,
        epsilon: float = 16 / 255,
        step_size: float = 1.6 / 255,
        decay: float = 1.0,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        super().__init__(steps=steps, epsilon=epsilon, step_size=step_size, seed=seed, batch_size=batch_size)
        self.decay = decay

    def start(self, original: Images, draws: Sequence[Generator]) -> Images:
        return original + self.step_size * (2 * uniform(original.shape[1:], draws, original) - 1)

    def direction(self, gradient: Tensor, memory: Tensor) -> Tensor:
        scale = gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-30)  # the L1 norm, but for a constant
        return memory.mul_(self.decay).add_(gradient / scale).sign()


class DIM(MIFGSM):
    """With diverse input: the gradient is taken at a randomly resized and padded picture (Xie et al., CVPR 2019).

    chance: how often. low: the smallest share of the side; the paper's 299 of 330. There pictures grow; here they
    shrink into their own size, which is what the recognizers take.
    """

    def __init__(
        self,
        *,
        steps: int = 10,
        epsilon: float = 16 / 255,
        step_size: float = 1.6 / 255,
        decay: float = 1.0,
        chance: float = 0.5,
        low: float = 299 / 330,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        super().__init__(
            steps=steps, epsilon=epsilon, step_size=step_size, decay=decay, seed=seed, batch_size=batch_size
        )
        self.chance, self.low = chance, low

    def gain(self, images: Images, original: Images, clean: Sequence[Templates], draws: Sequence[Generator]) -> Tensor:
        return super().gain(resized_and_padded(images, draws, self.chance, self.low), original, clean, draws)


class TIM(MIFGSM):
    """Translation-invariant: each gradient is smoothed, as if averaged over shifted pictures (Dong et al., CVPR 2019).

    length: radius of the Gaussian kernel, which spans three standard deviations. The paper's is 7 on pictures of 299
    pixels; 3 is about as much of a face of 112.
    """

    def __init__(
        self,
        *,
        steps: int = 10,
        epsilon: float = 16 / 255,
        step_size: float = 1.6 / 255,
        decay: float = 1.0,
        length: int = 3,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        super().__init__(
            steps=steps, epsilon=epsilon, step_size=step_size, decay=decay, seed=seed, batch_size=batch_size
        )
        self.length = length

    def direction(self, gradient: Tensor, memory: Tensor) -> Tensor:
        kernel = gaussian_kernel(self.length, self.length / 3)
        return super().direction(filter_same(gradient, kernel), memory)


def resized_and_padded(images: Images, draws: Sequence[Generator], chance: float, low: float) -> Images:
    """Each picture, with probability `chance`, shrunk to a side of `low` to 1 and put on black anywhere in its size."""
    height, width = images.shape[-2:]
    results = []
    for picture, generator in zip(images, draws, strict=True):
        luck, share, down, right = torch.rand(4, generator=generator).tolist()
        h, w = (round(side * (low + (1 - low) * share)) for side in (height, width))
        top, left = int(down * (height - h + 1)), int(right * (width - w + 1))
        if luck < chance:
            small = F.interpolate(picture[None], (h, w), mode="bilinear", antialias=True)[0]
            results.append(F.pad(small, [left, width - w - left, top, height - h - top]))
        else:
            results.append(picture)
    return torch.stack(results)
