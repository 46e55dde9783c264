"""TIP-IM: toward whichever of several other people is reached best (Yang et al., ICCV 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bauta.ops.noise import generators
from bauta.ops.quantize import through_8bit
from bauta.protections.images.cloak import ball
from bauta.protections.images.dodging import resized_and_padded
from bauta.protections.images.pool import Targeted
from bauta.spec import recipe
from bauta.types import Images, Templates

# 2 sigma^2 = 2 w of the Gaussian kernels, in squared levels of 0..255: the released code's
WIDTHS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 5, 10, 15, 20, 25, 30, 35, 100, 1e3, 1e4, 1e5, 1e6)


class TIPIM(Targeted):
    """Targeted identity-protection: signed steps with momentum that minimize, for a target t::

        |f(x') - f(t)|^2  -  |f(x') - f(x)|^2  +  gamma * MMD(x', x)

    summed over the team's unit templates f. Each step is tried for every target, and the one kept whose picture has the
    greatest gain: its distance from the original less that to the nearest target (the released code's default).

    fit: the people in `faces` are the pool; up to `targets` others are drawn for each person, as their centers.
    steps, epsilon (an L-inf bound, units of [0, 1]) and gamma are ours; the released code has 100, 12/255 and 0. A step
    is 1.5 epsilon / steps, as there. The gradient is taken at randomly resized and padded pictures, as in
    `DIM`, where the released code turns and shears them. MMD is the released code's for one picture at a time: a
    function of its squared distance to the original, by Gaussian kernels of many widths.
    """

    def __init__(
        self,
        *,
        steps: int = 20,
        epsilon: float = 16 / 255,
        targets: int = 10,
        gamma: float = 1.0,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        super().__init__()
        self.steps, self.epsilon, self.targets, self.gamma = steps, epsilon, targets, gamma
        self.seed, self.batch_size = seed, batch_size

    __repr__ = recipe

    def cloak(self, original: Images, digests: Sequence[str], people: Sequence[int | None]) -> Images:
        clean = self.team_.templates(original)
        goals = self._goals(clean, digests, people)
        low, high = ball(original, self.epsilon)
        draws = generators(self.seed, digests, "steps")
        picture, memory = original, torch.zeros_like(original)
        for _ in range(self.steps):
            picture = picture.detach().requires_grad_(True)
            found = self.team_(resized_and_padded(through_8bit(picture), draws, 0.5, 299 / 330))
            (natural,) = torch.autograd.grad(mmd(picture, original).sum(), picture)
            best = torch.full_like(original[:, 0, 0, 0], -torch.inf)
            result, kept = picture.detach(), memory
            for target in range(goals[0].shape[1]):
                loss = self._closer(found, [g[:, target] for g in goals], clean)
                (gradient,) = torch.autograd.grad(loss.sum(), picture, retain_graph=True)
                gradient = gradient + self.gamma * natural
                moved = memory + gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-30)
                tried = (picture.detach() - 1.5 * self.epsilon / self.steps * moved.sign()).clamp(low, high)
                with torch.no_grad():
                    gain = self._gain(self.team_(through_8bit(tried)), goals, clean)
                better = gain > best
                best, where = torch.where(better, gain, best), better.view(-1, 1, 1, 1)
                result, kept = torch.where(where, tried, result), torch.where(where, moved, kept)
            picture, memory = result, kept
        return picture

    def _goals(
        self, clean: Sequence[Templates], digests: Sequence[str], people: Sequence[int | None]
    ) -> list[Templates]:
        """The centers of each picture's targets, one (B, T, D) a member."""
        number, rows = min(self.targets, len(self.pool_.people) - 1), []
        for i, (digest, person) in enumerate(zip(digests, people, strict=True)):
            (draws,) = generators(self.seed, [digest if person is None else str(person)], "target people")
            rows.append(self.pool_.others(person, [t[i : i + 1] for t in clean], draws)[:number])
        return [c[torch.tensor(rows)].to(t) for c, t in zip(self.pool_.centers, clean, strict=True)]

    @staticmethod
    def _closer(found: Sequence[Templates], goal: Sequence[Templates], clean: Sequence[Templates]) -> Tensor:
        parts = zip(found, goal, clean, strict=True)
        return torch.stack([(f - g).square().sum(1) - (f - c).square().sum(1) for f, g, c in parts]).sum(0)

    @staticmethod
    def _gain(found: Sequence[Templates], goals: Sequence[Templates], clean: Sequence[Templates]) -> Tensor:
        """(B,) distance from the original less that to the nearest target; the released gain is monotone in it."""
        away = torch.stack([(f - c).norm(dim=1) for f, c in zip(found, clean, strict=True)]).sum(0)
        left = torch.stack([(f[:, None] - g).norm(dim=2) for f, g in zip(found, goals, strict=True)]).sum(0)
        return away - left.amin(1)


def mmd(a: Images, b: Images) -> Tensor:
    """(B,) maximum mean discrepancy of each picture and its counterpart, as points: 0 for equal ones."""
    distance = ((a - b) * 255).square().sum((1, 2, 3))
    widths = torch.tensor(WIDTHS).to(distance)
    return 2 * (1 - torch.exp(-distance[:, None] / (2 * widths))).sum(1)
