"""CMA-ES on a prior's principal axes: what a general search without gradients makes of similarities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from bauta.attacks.oracle import Oracle
from bauta.attacks.reconstruction.map2v_fast import Coordinates
from bauta.attacks.reconstruction.search import Asking, Found, LatentSearch
from bauta.errors import MissingPackage, UsageError
from bauta.generators import FacePrior
from bauta.ops.noise import generators, row_digests
from bauta.spec import recipe


class EvolutionStrategy(LatentSearch):
    """`Map2V`'s question, enrolment numbers (V,) -> faces, by covariance matrix adaptation (Hansen, "The CMA Evolution
    Strategy: A Tutorial", 2016; package `cma`, ``pip install 'bauta[evolution]'``): the honest baseline.

    Each target has a strategy of its own. It moves in the prior's principal axes, in which draws are standard normal
    (`FacePrior.axes`), from the prior's mean on; the covariance is diagonal where there are more than `whole` of them,
    because a whole matrix of so many numbers learns nothing from so few answers.

    prior, flip, enough, seed, batch_size: as in `Map2V`. rounds: generations. population: latents asked in each; None
    for Hansen's 4 + 3 ln(axes). axes: how many are searched. sigma: the first step's deviation. An oracle that stops
    answering (NaN) ends the search for that target. Raises `MissingPackage` when it begins.
    """

    def __init__(
        self,
        prior: FacePrior | None = None,
        *,
        rounds: int = 400,
        population: int | None = None,
        axes: int = 512,
        whole: int = 64,
        sigma: float = 1.0,
        flip: bool = True,
        enough: float = 1.0,
        seed: int = 0,
        batch_size: int = 128,
    ) -> None:
        if rounds < 1 or axes < 2 or sigma <= 0 or (population is not None and population < 4):
            raise UsageError(
                "EvolutionStrategy needs rounds >= 1, axes >= 2, sigma above 0 and a population of 4 or more; "
                f"got {rounds}, {axes}, {sigma} and {population}."
            )
        super().__init__(prior, flip=flip, seed=seed, batch_size=batch_size)
        self.rounds, self.population, self.axes, self.whole = rounds, population, axes, whole
        self.sigma, self.enough = sigma, enough

    __repr__ = recipe

    def search(self, oracle: Oracle, targets: Tensor) -> Iterator[Found]:
        asking = Asking(self.prior, oracle, targets, flip=self.flip, batch_size=self.batch_size)
        place = Coordinates(asking, *self.prior.axes(self.axes, Generator().manual_seed(self.seed)))
        strategies = [self._strategy(place.dimension, g) for g in generators(self.seed, row_digests(targets), "cma")]
        for _ in range(self.rounds):
            rows = (~asking.refused & (asking.scores < self.enough)).nonzero().flatten()
            if not len(rows):
                return
            asked = [strategies[row].ask() for row in rows.tolist()]
            points = torch.stack([torch.tensor([each.tolist() for each in own]) for own in asked]).float()
            scores = place.ask(points, rows)
            for row, own, answers in zip(rows.tolist(), asked, scores, strict=True):
                if not bool(answers.isnan().any()):
                    strategies[row].tell(own, (-answers).tolist())
            yield asking.found

    def _strategy(self, dimension: int, generator: Generator) -> Any:
        try:
            import cma
        except ImportError as error:
            raise MissingPackage("EvolutionStrategy needs the package cma: pip install 'bauta[evolution]'.") from error
        options: dict[str, object] = {
            "CMA_diagonal": dimension > self.whole,
            "verbose": -9,
            "seed": float("nan"),  # else it seeds NumPy's global generator
            "randn": lambda *size: torch.randn(size, generator=generator).double().numpy(),
        }
        if self.population is not None:
            options["popsize"] = self.population
        return cma.CMAEvolutionStrategy(dimension * [0.0], self.sigma, options)
