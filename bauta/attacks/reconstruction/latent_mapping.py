"""Stored templates are mapped to the latents of a face prior, by a regressor that its own draws teach."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Self

import torch
from torch import Generator, Tensor

from bauta.attacks.base import Knowledge, Reconstruction, Victim
from bauta.errors import UsageError
from bauta.generators import Eigenfaces, FacePrior, LatentRegressor
from bauta.ops.seeds import seeded
from bauta.spec import recipe
from bauta.types import Faces, Images, Stage, Templates

BATCH = 64


class LatentMapping(Reconstruction):
    """Templates (V, D) -> faces of the prior, by one pass of a regressor (after Otroshi Shahreza and Marcel, "Face
    Reconstruction from Facial Templates by Learning Latent Space of a Generator Network", NeurIPS 2023).

    The prior's own draws are rendered and shown to the device, which gives (template, latent) pairs; a regressor
    (`bauta.generators.LatentRegressor`) learns them, and at the same time to rebuild the public pictures from their
    templates through the prior. It asks nothing of the system that it attacks. Unaware: pairs of the bare device;
    ``knowing(knows=Knows.SCHEME)``: of the protected one, with keys of the attacker's own.

    prior: fitted to the public faces where it is not yet. draws: how many. steps, batch_size, rate: of the training by
    Adam; 0 steps leave the ridge regression. pictures: weight of the public pictures' squared error, as a share of
    their variance, beside that of the latents, as a share of theirs; 0 needs no public faces but for the prior. width:
    hidden units. ridge: of the regression. seed: of draws, first weights and the order of training.

    The paper's mapping is trained as a GAN's generator (WGAN on StyleGAN's W, noise beside the template), with the
    pictures' squared error and the distance of the templates of truth and guess. Here the pairs of latents hold the
    guess among the prior's draws, it is one for each template, and no recognizer's gradient is needed.
    """

    default_knowledge = Knowledge(sees=Stage.TEMPLATES)

    def __init__(
        self,
        prior: FacePrior | None = None,
        *,
        draws: int = 4000,
        steps: int = 600,
        batch_size: int = 64,
        rate: float = 1e-3,
        pictures: float = 1.0,
        width: int = 1024,
        ridge: float = 1e-3,
        seed: int = 0,
    ) -> None:
        if min(draws, batch_size) < 2 or steps < 0 or pictures < 0 or width < 1 or min(rate, ridge) <= 0:
            raise UsageError(
                "LatentMapping needs draws and batch_size >= 2, steps and pictures >= 0, width >= 1, rate and ridge "
                f"above 0; got {draws}, {batch_size}, {steps}, {pictures}, {width}, {rate} and {ridge}."
            )
        self.prior = Eigenfaces() if prior is None else prior
        self.draws, self.steps, self.batch_size, self.rate = draws, steps, batch_size, rate
        self.pictures, self.width, self.ridge, self.seed = pictures, width, ridge, seed
        self.regressor_: LatentRegressor | None = None

    __repr__ = recipe

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        """Learn from the prior's draws, and from public faces. Raises `UsageError` without those it needs."""
        if public is None and (self.pictures or not self.prior.ready):
            raise UsageError(f"{self!r} learns from public faces; give some of people who are not the victims.")
        fitted = copy.copy(self)
        if not self.prior.ready:
            assert public is not None
            fitted.prior = copy.deepcopy(self.prior).fit(public)
        generator = Generator().manual_seed(self.seed)
        latents = fitted.prior.sample(self.draws, generator)
        with torch.no_grad():
            seen = [victim.observe(fitted.prior.render(some)).flatten(1) for some in torch.split(latents, BATCH)]
        templates = torch.cat(seen).to(latents)
        with seeded(self.seed):
            regressor = LatentRegressor(templates.shape[1], fitted.prior.shape, width=self.width)
        fitted.regressor_ = regressor.to(latents.device).regress(templates, latents, ridge=self.ridge)
        known = None
        if public is not None and self.pictures:
            known = torch.cat([victim.observe(batch).flatten(1) for batch in public.batches(BATCH)]).to(latents)
        fitted._train(templates, latents, known, public, generator)
        return fitted

    def _train(
        self, templates: Tensor, latents: Tensor, known: Tensor | None, public: Faces | None, generator: Generator
    ) -> None:
        regressor = self.regressor_
        assert regressor is not None
        goals = regressor.standardized(latents)
        optimizer = torch.optim.Adam(regressor.parameters(), self.rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, self.steps))
        own = orders(len(templates), self.batch_size, generator)
        others = orders(0 if known is None else len(known), self.batch_size, generator)
        differ = 1.0 if public is None else float(public.images.var().clamp_min(1e-6))
        for _ in range(self.steps):
            rows = next(own).to(latents.device)
            with torch.enable_grad():  # a caller that needs no gradient may have switched it off
                cost = (regressor.standard(templates[rows]) - goals[rows]).square().mean()
                if known is not None:
                    assert public is not None
                    some = next(others)
                    truth = public.images[some.to(public.images.device)].to(latents)
                    guess = self.prior.render(regressor(known[some.to(known.device)]))
                    cost = cost + self.pictures * (guess - truth).square().mean() / differ
            optimizer.zero_grad()
            cost.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        regressor.eval().requires_grad_(False)

    def __call__(self, leak: Templates, victim: Victim) -> Images:
        if self.regressor_ is None:
            raise UsageError(f"{self!r} has not been trained: call fit(public, victim) first.")
        with torch.no_grad():
            return torch.cat([self.prior.render(self.regressor_(some.flatten(1))) for some in torch.split(leak, BATCH)])


def orders(count: int, size: int, generator: Generator) -> Iterator[Tensor]:
    """Batches of row numbers, epoch by epoch, each in an order of its own; the last of an epoch may be smaller."""
    while True:
        yield from torch.split(torch.randperm(count, generator=generator), size)
