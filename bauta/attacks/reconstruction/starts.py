"""Where a search in a prior's latents begins, for each of many enrolled faces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from bauta.errors import UsageError
from bauta.generators import FacePrior
from bauta.ops.noise import generators, row_digests
from bauta.spec import recipe

# (latents (n, *shape), number of the victim (n,)) -> (n,) scores; it asks the oracle
Ask = Callable[[Tensor, Tensor], Tensor]


class Start(ABC):
    """Base: one latent for every target; a subclass says how it is found, and what it asks."""

    __repr__ = recipe

    @abstractmethod
    def __call__(self, prior: FacePrior, targets: Tensor, ask: Ask, seed: int) -> Tensor:
        """targets: (V,) enrolment numbers -> (V, *prior.shape). `ask` takes rows of targets, not enrolments."""


class Ranked(Start):
    """Rank and ensemble (MAP2V, Fig. 2): of `priors` draws the `top` that score best, averaged.

    The draws are the same for every target, as in the paper; each is asked once for each of them.
    """

    def __init__(self, *, priors: int = 500, top: int = 5) -> None:
        if not 1 <= top <= priors:
            raise UsageError(f"{type(self).__name__} needs 1 <= top <= priors, got top={top}, priors={priors}.")
        self.priors, self.top = priors, top

    def draws(self, prior: FacePrior, seed: int) -> Tensor:
        """(n, *shape) latents to be ranked."""
        return prior.sample(self.priors, Generator().manual_seed(seed))

    def __call__(self, prior: FacePrior, targets: Tensor, ask: Ask, seed: int) -> Tensor:
        drawn = self.draws(prior, seed)
        scores = torch.stack([ask(drawn, torch.full((len(drawn),), v)) for v in range(len(targets))])
        best = scores.nan_to_num(-torch.inf).topk(min(self.top, len(drawn))).indices
        return drawn[best.to(drawn.device)].mean(1)


class Clustered(Ranked):
    """Rank and ensemble among the centers of `clusters` clusters (k-means) of `priors` draws: fewer questions.

    The paper draws clustered priors in its Fig. 2b and says no number; these are ours.
    """

    def __init__(self, *, priors: int = 5000, clusters: int = 100, top: int = 5) -> None:
        if not 1 <= top <= clusters <= priors:
            raise UsageError(
                f"Clustered needs 1 <= top <= clusters <= priors, got top={top}, clusters={clusters}, priors={priors}."
            )
        super().__init__(priors=priors, top=top)
        self.clusters = clusters

    def draws(self, prior: FacePrior, seed: int) -> Tensor:
        from sklearn.cluster import KMeans  # late: with SciPy it takes as long to load as PyTorch

        drawn = super().draws(prior, seed)
        means = KMeans(self.clusters, n_init=1, random_state=seed).fit(drawn.flatten(1).cpu().numpy())
        return torch.from_numpy(means.cluster_centers_).to(drawn).view(-1, *prior.shape)


class RandomStart(Start):
    """One draw of the prior for each target; nothing is asked. Without a search it is the blind baseline."""

    def __call__(self, prior: FacePrior, targets: Tensor, ask: Ask, seed: int) -> Tensor:
        draws = generators(seed, row_digests(targets), "random start")
        return torch.cat([prior.sample(1, generator) for generator in draws])


class MeanStart(Start):
    """The mean of `samples` draws of the prior, for every target; nothing is asked."""

    def __init__(self, *, samples: int = 10_000) -> None:
        if samples < 1:
            raise UsageError(f"MeanStart needs at least one sample, got {samples}.")
        self.samples = samples

    def __call__(self, prior: FacePrior, targets: Tensor, ask: Ask, seed: int) -> Tensor:
        mean = prior.sample(self.samples, Generator().manual_seed(seed)).mean(0)
        return mean.expand(len(targets), *mean.shape).clone()


# By the name that a spec can write.
STARTS: dict[str, type[Start]] = {
    "ranked": Ranked, "cluster": Clustered, "random": RandomStart, "mean": MeanStart,
}  # fmt: skip
