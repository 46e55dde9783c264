"""P3-Mask: one mask a person, learned once and added in an instant (Chow et al., Chameleon, ECCV 2024)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.ops.similarity import structural_similarity
from bauta.protections.images.personal import PersonalMask, colorless
from bauta.protections.images.team import Team, angles
from bauta.spec import recipe
from bauta.types import Images, Templates

WEIGHTS = 129.0  # the weight of the DSSIM moves between this and its inverse
APART = 3.0  # radians that a mask gives up, all in all, rather than be another one


@dataclass(frozen=True)
class Epoch:
    """Where learning stands after an epoch, enough to go on from there.

    mask: (3, H, W) in units of [0, 1]. weight: of the DSSIM. memory: of the gradients, like the mask. draws: the
    generator's state. loss, angle (radians, summed over the team), dssim and ssim are means over the epoch's batches.
    """

    number: int
    mask: Tensor
    weight: float
    memory: Tensor
    draws: Tensor
    loss: float = math.nan
    angle: float = math.nan
    dssim: float = math.nan

    @property
    def ssim(self) -> float:
        """What the DSSIM stands for."""
        return 1 - 2 * self.dssim


def face_area(height: int, width: int) -> Tensor:
    """(1, height, width) in [0, 1]: 1 on the face, falling to 0 at the border along a cosine, so that a paste has no
    seam."""
    sides = []
    for side in (height, width):
        place = torch.arange(side, dtype=torch.float32)
        inside = torch.minimum(place, side - 1 - place) / (side / 28)
        sides.append(0.5 - 0.5 * torch.cos(math.pi * inside.clamp(0, 1)))
    return (sides[0][:, None] * sides[1])[None]


def resampled(images: Images, side: int) -> Images:
    """To `side` x `side` and back: what a mask goes through on its way into a photo and out of it."""
    if images.shape[-2:] == (side, side):
        return images
    there = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
    return F.interpolate(there, images.shape[-2:], mode="bilinear", antialias=True)


class P3Mask(PersonalMask):
    """A personal mask that turns every photo of a person away from what recognizers made of it.

    Cross-image optimization: minimized over all photos of the person, in batches, by signed steps on the mask alone::

        - sum over the team of angle(F(x), F(x + m))  +  weight * max(DSSIM(x, x + m) - budget, 0)

    angle: of the templates, in radians. DSSIM: (1 - SSIM) / 2. After each batch the weight is halved where the DSSIM is
    under 0.9 of the budget, doubled above 1.1 of it, and 1 in between, within 1/129 and 129.
    epochs: over the photos. epsilon: the L-inf bound of the mask, in units of [0, 1]. step_size: of a signed step, and
    the bound of the uniform start. boxed: side in pixels of the faces in the photos, through which the mask's effect is
    resampled before anything looks at it; the published code takes each photo's own, aligned faces have 112. strength:
    what `forward` adds is the mask times this. The mask ends softly at the face's border (`face_area`; the published
    code cuts it there). Gray photos get a gray mask.

    `fit(faces, recognizer, ...)`: photos of one or more people, and the team. Published: eight surrogates to choose
    from, a team of two, 50 epochs; 1.9 minutes an epoch of 84 photos on a CPU.
    """

    def __init__(
        self,
        *,
        epochs: int = 50,
        epsilon: float = 16 / 255,
        budget: float = 0.03,
        step_size: float = 0.001,
        batch_size: int = 4,
        boxed: int = 112,
        strength: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for option, number in (("epochs", epochs), ("batch_size", batch_size), ("boxed", boxed)):
            if number < 1:
                raise UsageError(f"{type(self).__name__}'s {option} must be at least 1; got {number}.")
        for option, value in (("epsilon", epsilon), ("budget", budget), ("step_size", step_size)):
            if not 0 < value <= 1:
                raise UsageError(f"{type(self).__name__}'s {option} lies in (0, 1], in units of [0, 1]; got {value}.")
        if not 0 <= strength <= 1:
            raise UsageError(f"{type(self).__name__}'s strength lies in 0..1; got {strength}.")
        self.epochs, self.epsilon, self.budget, self.step_size = epochs, epsilon, budget, step_size
        self.batch_size, self.boxed, self.strength, self.seed = batch_size, boxed, strength, seed

    __repr__ = recipe

    def learn(self, images: Images, team: Team, draws: Generator) -> Tensor:
        last = self.started(images, draws)
        for epoch in self.learning(images, team, draws, last):
            last = epoch
        return last.mask

    def started(self, images: Images, draws: Generator) -> Epoch:
        """Before the first epoch: a mask of small uniform noise."""
        noise = (2 * torch.rand(images.shape[1:], generator=draws) - 1) * self.step_size
        if colorless(images).all():
            noise = noise.mean(0, keepdim=True).expand_as(noise)
        mask = noise.to(images) * face_area(*images.shape[-2:]).to(images)
        return Epoch(0, mask, 1.0, torch.zeros_like(mask), draws.get_state())

    def learning(
        self, images: Images, team: Team, draws: Generator, last: Epoch, others: Tensor | None = None
    ) -> Iterator[Epoch]:
        """One epoch after another, from where `last` stands: the same as without the pause. others: (V, 3, H, W),
        masks of the person from which this one is to differ."""
        draws.set_state(last.draws)
        goals = self.goals(team.templates(images))
        bound = self.epsilon * face_area(*images.shape[-2:]).to(images)
        gray = bool(colorless(images).all())
        mask, memory, weight = last.mask, last.memory.clone(), last.weight
        for number in range(last.number + 1, self.epochs + 1):
            seen = []
            for rows in torch.split(torch.randperm(len(images), generator=draws), self.batch_size):
                mask = mask.detach().requires_grad_(True)
                original = images[rows]
                effect = (original + mask).clamp(0, 1) - original
                masked = (original + resampled(effect, self.boxed)).clamp(0, 1)
                away = angles(team(self.looked_at(masked, draws)), [g[rows] for g in goals])
                dssim = (1 - structural_similarity(original, masked)) / 2
                loss = self.loss(away, dssim, weight).mean()
                (gradient,) = torch.autograd.grad(loss + likeness(mask, others), mask)
                with torch.no_grad():
                    if gray:  # a gray photo stays gray, and a colored mask would be told from it at once
                        gradient = gradient.mean(0, keepdim=True).expand_as(gradient)
                    moved = mask - self.step_size * self.direction(gradient, memory)
                    mask = moved.minimum(bound).maximum(-bound)
                weight = self.weighed(weight, float(dssim.detach().mean()))
                seen.append(torch.stack([loss, away.mean(), dssim.mean()]).detach())
            means = torch.stack(seen).mean(0).tolist()
            yield Epoch(number, mask.detach(), weight, memory.clone(), draws.get_state(), *means)

    def goals(self, clean: Sequence[Templates]) -> Sequence[Templates]:
        """What the masked photos must turn away from, a row a photo: each from itself."""
        return clean

    def looked_at(self, masked: Images, draws: Generator) -> Images:
        """What the team looks at: the masked photos as they are."""
        return masked

    def loss(self, away: Tensor, dssim: Tensor, weight: float) -> Tensor:
        """What is minimized, (B,) of each photo."""
        return weight * (dssim - self.budget).clamp_min(0) - away

    def direction(self, gradient: Tensor, memory: Tensor) -> Tensor:
        """The way of a step, -1 to 1 a pixel; `memory` may be updated."""
        return gradient.sign()

    def weighed(self, weight: float, dssim: float) -> float:
        """The weight after a batch of this DSSIM."""
        if dssim <= 0.9 * self.budget:
            return weight / 2 if weight >= 1 / WEIGHTS else weight
        if dssim >= 1.1 * self.budget:
            return weight * 2 if weight <= WEIGHTS else weight
        return 1.0


def likeness(mask: Tensor, others: Tensor | None) -> Tensor:
    """What it costs a mask (3, H, W) to be like others (V, 3, H, W): nothing where it is orthogonal to all."""
    if others is None or not len(others):
        return mask.new_zeros(())
    cosines = F.cosine_similarity(mask.flatten()[None], others.flatten(1))
    return APART * cosines.clamp_min(0).square().sum()
