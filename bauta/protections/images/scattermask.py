"""A personal mask, and then a few steps on each photo alone, so that protected photos do not find each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Generator, Tensor

from bauta.errors import UsageError
from bauta.ops.noise import generators
from bauta.ops.quantize import to_8bit
from bauta.ops.similarity import structural_similarity
from bauta.protections.images.p3mask import face_area
from bauta.protections.images.personal import colorless
from bauta.protections.images.pool import Pool
from bauta.protections.images.team import angles
from bauta.protections.images.transfermask import GAIN, LEAST, MEMORY, MOST, TransferMask, moved
from bauta.recognizers.base import Recognizer
from bauta.types import Faces, Images, Templates


class ScatterMask(TransferMask):
    """`TransferMask`, and then `steps` on each photo alone: away from its person and from where the mask brings
    everybody of its kind, toward a stranger who is drawn for this photo.

    One additive mask gathers all protected photos of a person in one place, so that protected photos find each other
    (as Protego, CVPR 2026, reports of Chameleon). Strangers of their own are to scatter them. The price is a second or
    so a photo, and that the key takes off the mask and not the steps.

    fit: people with at least `least` photos get a mask; the others are strangers, if there are any, else all are.
    Other options as `TransferMask`.
    """

    needs = ("recognizers", "photos of the person", "public faces")

    def __init__(
        self,
        *,
        steps: int = 25,
        least: int = 5,
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
        if steps < 1 or least < 1:
            raise UsageError(f"ScatterMask's steps and least must be at least 1; got {steps} and {least}.")
        self.steps, self.least = steps, least
        self.places_: dict[int, list[Sequence[Templates]]] = {}

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        if faces is None or faces.identity is None:
            return super().fit(faces, *recognizers)  # which says what is missing
        _, place, count = torch.unique(faces.identity, return_inverse=True, return_counts=True)
        if not bool((count >= self.least).any()):
            raise UsageError(
                f"ScatterMask learns a mask from at least {self.least} photos of a person, but nobody has so many of "
                f"these {len(faces)}; lower least= or give more photos."
            )
        mine = (count >= self.least)[place]
        strangers = faces if bool(mine.all()) else faces[~mine]
        self.places_ = {}
        super().fit(faces[mine], *recognizers)
        self.pool_ = Pool.of(strangers, self.team_, "ScatterMask")
        return self

    def rekeyed(self, seed: int) -> Self:
        other = super().rekeyed(seed)
        other.places_ = {}
        return other

    def _learn(self, images: Images, people: Tensor) -> None:
        super()._learn(images, people)
        for person in set(people.tolist()) - set(self.places_):
            clean = images[people == person]
            both = (clean, (clean + self.masks_[person]).clamp(0, 1))
            self.places_[person] = [[rows[:1] for rows in self.goals(self.team_.templates(x))] for x in both]

    def forward(self, x: Images, faces: Faces | None = None) -> Images:
        change = self.of(x, faces)
        people = self._people(x, faces).tolist()
        digests = [str(row) for row in range(len(x))] if faces is None else faces.digests()
        done = []
        for start in range(0, len(x), 2 * self.batch_size):
            rows = slice(start, start + 2 * self.batch_size)
            draws = generators(self.seed, digests[rows], "steps")
            with torch.enable_grad():
                done.append(self._scattered(x[rows].detach(), change[rows], people[rows], draws))
        return to_8bit(torch.cat(done)) if done else x

    def _scattered(self, x: Images, change: Tensor, people: Sequence[int], draws: Sequence[Generator]) -> Images:
        """One batch, from the masks on."""
        homes = [[torch.cat(rows) for rows in zip(*(self.places_[p][i] for p in people), strict=True)] for i in (0, 1)]
        chosen = [
            self.pool_.others(person, [rows[i : i + 1] for rows in homes[0]], draws[i])[0]
            for i, person in enumerate(people)
        ]
        strangers = [center[chosen] for center in self.pool_.centers]
        bound = self.strength * self.epsilon * face_area(*x.shape[-2:]).to(x)
        gray = colorless(x)
        memory, weight = torch.zeros_like(x), torch.ones(len(x)).to(x)
        for step in range(self.steps):
            change = change.detach().requires_grad_(True)
            masked = (x + change).clamp(0, 1)
            found = self.team_(moved(masked, draws))
            away = angles(found, homes[0]) + angles(found, homes[1]) - angles(found, strangers)
            dssim = (1 - structural_similarity(x, masked)) / 2
            (gradient,) = torch.autograd.grad((weight * dssim / self.budget - away).sum(), change)
            with torch.no_grad():
                gradient = torch.where(gray, gradient.mean(1, keepdim=True), gradient)  # gray photos stay gray
                memory = MEMORY * memory + gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-30)
                size = 2 * self.step_size * (0.55 + 0.45 * math.cos(math.pi * step / self.steps))
                change = (change - size * memory.sign()).minimum(bound).maximum(-bound)
                weight = (weight * (GAIN * (dssim / self.budget - 1)).exp()).clamp(LEAST, MOST)
        return (x + change.detach()).clamp(0, 1)
