"""Fawkes: pictures that a recognizer takes for somebody else's (Shan et al., USENIX Security 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.ops.noise import generators
from bauta.ops.quantize import through_8bit
from bauta.ops.similarity import WINDOW, structural_similarity
from bauta.protections.images.pmt import adam
from bauta.protections.images.pool import Targeted
from bauta.spec import recipe
from bauta.types import Images, Templates


class Fawkes(Targeted):
    """Every person is given another one of the pool; each picture is moved toward a picture of that one.

    Minimized per picture with Adam, f the team's unit templates::

        mean over the team of  |f(x') - f(target)|  +  penalty * max(DSSIM(x, x') - budget, 0)

    fit: the people in `faces` are the pool. The target is the one of `candidates` people drawn from it whose center is
    farthest from the person's own; which of his pictures, is drawn for each picture.
    budget: of DSSIM = (1 - SSIM) / 2; what is returned keeps it, as a file: the nearest picture found within it. That
    the rim counts too (`dssim`) is ours.
    steps, rate: Adam's; rate in units of [0, 1]. The budget is the paper's; the candidates, steps and rate are ours
    (the released code takes 1,000 steps), and how the penalty moves: from 1, doubled after a step that is over the
    budget by more than a tenth, halved after one that is under it by as much, within 2^-7 and 2^7.
    """

    def __init__(
        self,
        *,
        steps: int = 100,
        budget: float = 0.007,
        candidates: int = 10,
        rate: float = 1 / 255,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        super().__init__()
        self.steps, self.budget, self.candidates, self.rate = steps, budget, candidates, rate
        self.seed, self.batch_size = seed, batch_size

    __repr__ = recipe

    def cloak(self, original: Images, digests: Sequence[str], people: Sequence[int | None]) -> Images:
        goals = self._goals(original, digests, people)
        best, nearest = original, torch.full_like(original[:, 0, 0, 0], torch.inf)
        penalty = torch.ones_like(nearest)
        picture, memory = original, torch.zeros_like(original).expand(2, *original.shape).clone()
        for step in range(1, self.steps + 1):
            picture = picture.detach().requires_grad_(True)
            seen = through_8bit(picture)
            pairs = zip(self.team_(seen), goals, strict=True)
            away = torch.stack([(found - goal).norm(dim=1) for found, goal in pairs]).mean(0)
            change = dssim(seen, original)
            loss = away + penalty * (change - self.budget).clamp_min(0)
            (gradient,) = torch.autograd.grad(loss.sum(), picture)
            with torch.no_grad():
                better = (change <= self.budget) & (away < nearest)
                best = torch.where(better.view(-1, 1, 1, 1), seen, best)
                nearest = torch.where(better, away, nearest)
                penalty[change > 1.1 * self.budget] *= 2
                penalty[change < 0.9 * self.budget] /= 2
                penalty.clamp_(2**-7, 2**7)  # more would leave Adam's second moment too large for the rest
                picture = (picture - self.rate * adam(gradient, memory, step)).clamp(0, 1)
        return best

    def _goals(self, original: Images, digests: Sequence[str], people: Sequence[int | None]) -> list[Templates]:
        """The templates of each picture's target picture, one (B, D) a member."""
        clean, rows = self.team_.templates(original), []
        for i, (digest, person) in enumerate(zip(digests, people, strict=True)):
            here = [t[i : i + 1] for t in clean]
            (draws,) = generators(self.seed, [digest if person is None else str(person)], "target person")
            others = self.pool_.others(person, here, draws)[: self.candidates]
            away = self.pool_.away(self.pool_.own(person, here))
            pictures = self.pool_.pictures[max(others, key=lambda row: float(away[row]))]
            (draws,) = generators(self.seed, [digest], "target picture")
            rows.append(int(pictures[torch.randint(len(pictures), (1,), generator=draws)]))
        return [t[rows].to(original) for t in self.pool_.templates]


def dssim(a: Images, b: Images) -> Tensor:
    """(B,) (1 - SSIM) / 2, of the pictures or of them with mirrored margins, whichever is greater.

    SSIM's windows lie inside and hardly see the outermost pixels: alone it lets a cloak hide there, as a loud rim.
    """
    wide = [F.pad(x, [WINDOW // 2] * 4, mode="reflect") for x in (a, b)]
    return (1 - torch.minimum(structural_similarity(a, b), structural_similarity(*wide))) / 2
