"""The search for an enrolled face in a prior's latents, by asking an oracle how like it the pictures are."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from bauta.attacks.base import Access, Knowledge, Reconstruction, Victim
from bauta.attacks.oracle import Oracle
from bauta.errors import UsageError
from bauta.generators import Eigenfaces, FacePrior
from bauta.types import Faces, Images, Stage


@dataclass(frozen=True)
class Found:
    """Of everything that was asked so far, the best for each of V targets.

    latents (V, *shape), for the prior's `render`; scores (V,), minus infinity before the first answer; queries (V,):
    pictures that the oracle was asked about for each.
    """

    latents: Tensor
    scores: Tensor
    queries: Tensor


class Asking:
    """Latents -> scores through the prior and the oracle, with the books: who was asked how often, what was best.

    With `flip`, each latent is asked twice, as it is and mirrored, and the two scores are averaged. The paper averages
    the two *templates*, which takes access to templates; both pictures are queries and are counted.
    """

    def __init__(self, prior: FacePrior, oracle: Oracle, targets: Tensor, *, flip: bool, batch_size: int) -> None:
        self.prior, self.oracle, self.targets = prior, oracle, targets
        self.flip, self.batch_size = flip, batch_size
        self.latents = torch.zeros(len(targets), *prior.shape, device=prior.place)
        self.scores = torch.full((len(targets),), -torch.inf)
        self.queries = torch.zeros(len(targets), dtype=torch.long)
        self.refused = torch.zeros(len(targets), dtype=torch.bool)

    def __call__(self, latents: Tensor, rows: Tensor) -> Tensor:
        """latents (n, *shape) for the targets in `rows` (n,) -> (n,) scores; NaN where the oracle does not answer."""
        parts = zip(torch.split(latents, self.batch_size), torch.split(rows, self.batch_size), strict=True)
        with torch.no_grad():
            scores = torch.cat([self.answers(self.prior.render(some), who) for some, who in parts])
        return self.enter(latents, rows, scores)

    def enter(self, latents: Tensor, rows: Tensor, scores: Tensor) -> Tensor:
        """Enter into the books what was asked and answered; gives the answers."""
        scores = scores.cpu().float()
        self.queries += torch.bincount(rows, minlength=len(self.targets)) * (2 if self.flip else 1)
        self.refused[rows[scores.isnan()]] = True
        known = scores.nan_to_num(-torch.inf, neginf=-torch.inf)
        for row in torch.unique(rows).tolist():
            own = (rows == row).nonzero().flatten()
            best = own[known[own].argmax()]
            if known[best] > self.scores[row]:
                self.scores[row], self.latents[row] = known[best], latents[best].detach()
        return scores

    def answers(self, pictures: Images, rows: Tensor) -> Tensor:
        """(n,) the oracle's scores of pictures for the targets in `rows`."""
        who = self.targets[rows.to(self.targets.device)]
        if not self.flip:
            return self.oracle.score(pictures, who)
        return self.oracle.score(torch.cat([pictures, pictures.flip(-1)]), who.repeat(2)).view(2, -1).mean(0)

    @property
    def found(self) -> Found:
        """What is known now."""
        return Found(self.latents.clone(), self.scores.clone(), self.queries.clone())


class LatentSearch(Reconstruction):
    """Base: enrolment numbers -> the rendered latents that scored best. A subclass says how it searches.

    It asks an `Oracle`: a victim that it may query, or any other system. All targets are searched at once, each with a
    state and draws of its own, so that what is found for one does not depend on who else is there.
    """

    default_knowledge = Knowledge(sees=Stage.SCORES, access=Access.QUERY)

    def __init__(self, prior: FacePrior | None, *, flip: bool, seed: int, batch_size: int) -> None:
        if batch_size < 1:
            raise UsageError(f"{type(self).__name__}'s batch_size must be at least 1, got {batch_size}.")
        self.prior = Eigenfaces() if prior is None else prior
        self.flip, self.seed, self.batch_size = flip, seed, batch_size

    def fit(self, public: Faces | None, victim: object) -> Self:
        """Fit the prior to public faces, if it was not trained elsewhere. Raises `UsageError` where there are none."""
        if self.prior.ready:
            return self
        if public is None:
            raise UsageError(f"{self.prior!r} learns from public faces; give some of people who are not the victims.")
        fitted = copy.copy(self)
        fitted.prior = copy.deepcopy(self.prior).fit(public)
        return fitted

    @abstractmethod
    def search(self, oracle: Oracle, targets: Tensor) -> Iterator[Found]:
        """What is known for targets (V,) after the start, and after each further round of questions."""

    def __call__(self, leak: Tensor, victim: Victim | Oracle) -> Images:
        (found,) = deque(self.search(victim, leak), maxlen=1)
        with torch.no_grad():
            return torch.cat([self.prior.render(some) for some in torch.split(found.latents, self.batch_size)])
