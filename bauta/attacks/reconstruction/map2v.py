"""MAP2V: the face behind an enrolment, from nothing but the similarities that a complete system answers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor

from bauta.attacks.oracle import Oracle
from bauta.attacks.reconstruction.search import Asking, Found, LatentSearch
from bauta.attacks.reconstruction.starts import STARTS, Start
from bauta.attacks.reconstruction.zeroth_order import forward_difference, sphere
from bauta.errors import UsageError
from bauta.generators import FacePrior
from bauta.generators.prior import truncated
from bauta.ops.noise import generators, row_digests
from bauta.spec import recipe


class Descent(LatentSearch):
    """Adam on each target's latent, with the slope that a subclass estimates. Options: see `Map2V`."""

    def __init__(
        self,
        prior: FacePrior | None = None,
        start: str | Start = "ranked",
        *,
        psi: float = 0.8,
        iterations: int = 400,
        rate: float = 0.1,
        weight_decay: float = 5e-4,
        milestones: Sequence[int] = (100,),
        flip: bool = True,
        enough: float = 1.0,
        patience: int = 400,
        seed: int = 0,
        batch_size: int = 128,
    ) -> None:
        if iterations < 0 or patience < 1:
            raise UsageError(
                f"{type(self).__name__} needs iterations >= 0 and patience >= 1, got {iterations} and {patience}."
            )
        if isinstance(start, str) and start not in STARTS:
            raise UsageError(f"{type(self).__name__} starts from one of {', '.join(STARTS)} or a Start; got {start!r}.")
        super().__init__(prior, flip=flip, seed=seed, batch_size=batch_size)
        self.start, self.psi = STARTS[start]() if isinstance(start, str) else start, psi
        self.iterations, self.rate, self.weight_decay = iterations, rate, weight_decay
        self.milestones, self.enough, self.patience = tuple(milestones), enough, patience

    __repr__ = recipe

    def asking(self, oracle: Oracle, targets: Tensor) -> Asking:
        """What asks and keeps the books."""
        return Asking(self.prior, oracle, targets, flip=self.flip, batch_size=self.batch_size)

    def search(self, oracle: Oracle, targets: Tensor) -> Iterator[Found]:
        asking = self.asking(oracle, targets)
        start = self.start(self.prior, targets, asking, self.seed)
        draws = generators(self.seed, row_digests(targets), "directions")
        if not self.iterations:
            asking(start, torch.arange(len(targets)))
        yield asking.found
        points = [latent.clone() for latent in start]
        adam = torch.optim.Adam(points, self.rate, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.MultiStepLR(adam, self.milestones, 0.1)
        stale = torch.zeros(len(targets), dtype=torch.long)
        for _ in range(self.iterations):
            rows = (~asking.refused & (asking.scores < self.enough) & (stale < self.patience)).nonzero().flatten()
            if not len(rows):
                return
            before = asking.scores.clone()
            here = torch.stack([points[row] for row in rows.tolist()])
            slopes = self.slopes(
                asking, here, start[rows.to(start.device)], rows, [draws[row] for row in rows.tolist()]
            )
            adam.zero_grad()  # those that stopped have no gradient, and Adam leaves them where they are
            for row, slope in zip(rows.tolist(), slopes, strict=True):
                points[row].grad = slope if bool(slope.isfinite().all()) else None
            adam.step()
            schedule.step()
            stale = torch.where(asking.scores > before, 0, stale + 1)
            yield asking.found

    @abstractmethod
    def slopes(self, asking: Asking, here: Tensor, start: Tensor, rows: Tensor, draws: Sequence[Generator]) -> Tensor:
        """(L, *shape) slope of 1 - score at `here` for the targets in `rows`; it asks."""


class Map2V(Descent):
    """The face behind an enrolment, from similarities alone (Zhang et al., "Validating Privacy-Preserving Face
    Recognition under a Minimum Assumption", CVPR 2024).

    Enrolment numbers (V,) -> faces of the prior whose template, by the complete system, is most like the enrolled one.
    The loss is 1 - score, and nothing else. It starts from the mean of the 5 best of 500 draws and follows by Adam the
    slope that 16 forward differences on the unit sphere give: 17 latents an iteration, 6,800 and the 500.

    prior: a `FacePrior`, fitted to public faces if it needs to be; Eigenfaces where None is given. start: "ranked",
    "cluster", "random", "mean" or a `Start`. psi: the latents that are rendered are drawn so far toward the start.
    iterations, rate, weight_decay, milestones: of Adam, whose rate falls to a tenth at each milestone. directions, mu:
    of the differences. flip: whether each latent is asked mirrored too, and the two scores averaged: twice the queries
    (the paper averages the templates and counts one). enough, patience: a target is done when it scores that much, or
    has not got better for so many iterations. seed: of the draws. batch_size: latents rendered at a time.

    The result is the best latent that was asked; the authors' code takes the last one. An oracle that stops
    answering (NaN) ends the search for that target.
    """

    def __init__(
        self,
        prior: FacePrior | None = None,
        start: str | Start = "ranked",
        *,
        psi: float = 0.8,
        iterations: int = 400,
        directions: int = 16,
        mu: float = 0.1,
        rate: float = 0.1,
        weight_decay: float = 5e-4,
        milestones: Sequence[int] = (100,),
        flip: bool = True,
        enough: float = 1.0,
        patience: int = 400,
        seed: int = 0,
        batch_size: int = 128,
    ) -> None:
        if directions < 1 or mu <= 0:
            raise UsageError(f"Map2V needs directions >= 1 and mu > 0, got {directions} and {mu}.")
        super().__init__(
            prior,
            start,
            psi=psi,
            iterations=iterations,
            rate=rate,
            weight_decay=weight_decay,
            milestones=milestones,
            flip=flip,
            enough=enough,
            patience=patience,
            seed=seed,
            batch_size=batch_size,
        )
        self.directions, self.mu = directions, mu

    def slopes(self, asking: Asking, here: Tensor, start: Tensor, rows: Tensor, draws: Sequence[Generator]) -> Tensor:
        directions = sphere(self.directions, self.prior.shape, draws, here)
        points = torch.cat([here[:, None], here[:, None] + self.mu * directions], 1)
        shown = truncated(points, start[:, None], self.psi)
        losses = 1 - asking(shown.flatten(0, 1), rows.repeat_interleave(points.shape[1])).view(len(rows), -1)
        return forward_difference(losses[:, 0], losses[:, 1:], directions, self.mu)
