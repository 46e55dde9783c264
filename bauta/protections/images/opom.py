"""OPOM: one mask a person, away from all that the person's features span (Zhong and Deng, IEEE TPAMI 2022)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bauta.ops.noise import uniform
from bauta.ops.quantize import through_8bit
from bauta.protections.images.personal import PersonalMask
from bauta.protections.images.team import Team
from bauta.spec import recipe
from bauta.types import Images, Templates


class OPOM(PersonalMask):
    """Base: a subclass says what a person's features span, by the point of it that is `nearest` to a feature.

    Signed steps for all pictures of a person at once maximize the mean squared distance of the masked picture's unit
    template to that point, summed over the team. steps, step_size and the bound epsilon in units of [0, 1]: 50 steps of
    1/255 as in the released code, whose epsilon is 8/255; 16/255 is ours, to compare. The start is uniform within one
    step. strength: what the mask is multiplied by when it is applied.
    """

    def __init__(
        self,
        *,
        steps: int = 50,
        epsilon: float = 16 / 255,
        step_size: float = 1 / 255,
        strength: float = 1.0,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        super().__init__()
        self.steps, self.epsilon, self.step_size = steps, epsilon, step_size
        self.strength, self.seed, self.batch_size = strength, seed, batch_size

    __repr__ = recipe

    def nearest(self, found: Templates, points: Templates, step: int) -> Tensor:
        """(B, D), and a person's clean templates (N, D) -> (B, D), without a gradient; `step` counts from 0."""
        raise NotImplementedError(f"{type(self).__name__} does not say what a person's features span.")

    def learn(self, images: Images, team: Team, draws: Generator) -> Tensor:
        clean = team.templates(images, self.batch_size)
        mask = self.step_size * (2 * uniform(images.shape[1:], [draws], images)[0] - 1)
        for step in range(self.steps):
            mask = mask.detach().requires_grad_(True)
            gradient = torch.zeros_like(mask)
            for batch in torch.split(images, self.batch_size):
                found = team(through_8bit((batch + mask).clamp(0, 1)))
                pairs = zip(found, clean, strict=True)
                apart = [(f - self.nearest(f.detach(), points, step)).square().sum() for f, points in pairs]
                gradient += torch.autograd.grad(torch.stack(apart).sum(), mask)[0]
            mask = (mask.detach() + self.step_size * gradient.sign()).clamp(-self.epsilon, self.epsilon)
        return mask


class OPOMCenter(OPOM):
    """Away from the person's mean feature."""

    def nearest(self, found: Templates, points: Templates, step: int) -> Tensor:
        return points.mean(0).expand_as(found)


class OPOMAffine(OPOM):
    """Away from the affine hull of the person's features: all their combinations whose weights sum to 1."""

    def nearest(self, found: Templates, points: Templates, step: int) -> Tensor:
        return affine_hull(found, points)


class OPOMConvex(OPOM):
    """Away from the convex hull of the person's features: weights that sum to 1 and are not negative.

    warmup: steps away from the mean at first, to leave the hull (100 in the released code, more than its 50 steps).
    """

    def __init__(
        self,
        *,
        steps: int = 50,
        warmup: int = 10,
        epsilon: float = 16 / 255,
        step_size: float = 1 / 255,
        strength: float = 1.0,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        super().__init__(
            steps=steps, epsilon=epsilon, step_size=step_size, strength=strength, seed=seed, batch_size=batch_size
        )
        self.warmup = warmup

    def nearest(self, found: Templates, points: Templates, step: int) -> Tensor:
        return points.mean(0).expand_as(found) if step < self.warmup else convex_hull(found, points)


def affine_hull(found: Tensor, points: Tensor) -> Tensor:
    """The point of the affine hull of `points` (N, D) that is nearest to each row of `found` (B, D)."""
    middle = points.mean(0)
    _, sizes, axes = torch.linalg.svd(points - middle, full_matrices=False)
    axes = axes[sizes > sizes.amax() * len(points) * torch.finfo(points.dtype).eps]
    nearest: Tensor = middle + (found - middle) @ axes.T @ axes
    return nearest


def convex_hull(found: Tensor, points: Tensor, tolerance: float = 1e-6) -> Tensor:
    """The point of the convex hull of `points` (N, D) that is nearest to each row of `found` (B, D).

    Accelerated projected gradient over the weights, from equal ones, with restarts (O'Donoghue and Candes, 2015), until
    the squared distance is within `tolerance` of the least (by the duality gap), or 2,000 rounds.
    """
    p, y = points.double(), found.double()
    gram, wanted = p @ p.T, y @ p.T
    pace = 1 / torch.linalg.matrix_norm(gram, 2)
    weights = torch.full_like(wanted, 1 / len(p))
    ahead, momentum = weights, torch.ones_like(weights[:, :1])
    for _ in range(2000):
        slope = weights @ gram - wanted
        gap = 2 * ((weights * slope).sum(1) - slope.amin(1))
        if (gap <= tolerance).all():
            break
        stepped = simplex(ahead - pace * (ahead @ gram - wanted))
        back = ((ahead - stepped) * (stepped - weights)).sum(1, keepdim=True) > 0  # the momentum points uphill
        following = (1 + (1 + 4 * momentum.square()).sqrt()) / 2
        ahead = torch.where(back, stepped, stepped + (momentum - 1) / following * (stepped - weights))
        weights, momentum = stepped, torch.where(back, torch.ones_like(momentum), following)
    nearest: Tensor = weights @ p
    return nearest.to(found.dtype)


def simplex(rows: Tensor) -> Tensor:
    """(B, N) -> the nearest weights that sum to 1 and are not negative (Duchi et al., ICML 2008)."""
    falling = rows.sort(1, descending=True).values
    excess = (falling.cumsum(1) - 1) / torch.arange(1, rows.shape[1] + 1).to(rows)
    last = (falling > excess).sum(1, keepdim=True) - 1
    return (rows - excess.gather(1, last)).clamp_min(0)
