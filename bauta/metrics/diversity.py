"""How differently the members of a team fail.

Everywhere here: failures (L, N) bool says which of L members fail on which of N samples; L is at least 2 and N at least
1, or there is a `ShapeError`. Equations count, on each sample, the k members that fail, or, for each pair of members,
the samples on which both fail (a), only one (b, c), and neither (d). Where an equation divides by zero, the answer is
NaN; a mean over pairs is over those that have an answer. Reviewed by Kuncheva and Whitaker, Machine Learning 51, 2003.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isnan, nan
from statistics import fmean
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from bauta.errors import ShapeError, UsageError


def generalized_diversity(failures: Tensor) -> float:
    """GD = 1 - p(2) / p(1), high where diverse, in [0, 1] (Partridge and Krzanowski, 1997).

    p(1) is the chance that a member drawn at random fails, p(2) that two different ones fail on one sample:
    mean of k / L, and of k (k - 1) / (L (L - 1)). 0: all fail together; 1: never two at once. NaN: nobody fails.
    """
    k, members, _ = _counts(failures)
    one = (k / members).mean()
    two = (k * (k - 1) / (members * (members - 1))).mean()
    return float(1 - two / one)


def disagreement(failures: Tensor) -> float:
    """(b + c) / N, mean over the pairs; high where diverse, in [0, 1] (Skalak, 1996). Always defined."""
    _, b, c, _ = _pairs(failures)
    return _mean((b + c) / failures.shape[1])


def cohen_kappa(failures: Tensor) -> float:
    """(o - e) / (1 - e), mean over the pairs; **low** where diverse, in [-1, 1] (Cohen, 1960).

    o = (a + d) / N is how often two members fare alike, e how often they would by chance, from how often each fails.
    0 where one of the two always fails (or never); NaN where both do.
    """
    a, b, c, d = _pairs(failures)
    n = failures.shape[1]
    first, second = (a + b) / n, (a + c) / n
    alike, chance = (a + d) / n, first * second + (1 - first) * (1 - second)
    return _mean((alike - chance) / (1 - chance))


def q_statistic(failures: Tensor) -> float:
    """(a d - b c) / (a d + b c), mean over the pairs; **low** where diverse, in [-1, 1] (Yule, 1900).

    NaN where both products are 0, as for a member that always fails or never.
    """
    a, b, c, d = _pairs(failures)
    return _mean((a * d - b * c) / (a * d + b * c))


def fleiss_kappa(failures: Tensor) -> float:
    """1 - mean of k (L - k) / (L (L - 1) p (1 - p)); **low** where diverse, in [-1 / (L - 1), 1] (Fleiss, 1971).

    p is the mean of k / L. Unlike Cohen's, chance counts failures of the team and not of each member. NaN where all
    members always fail, or nobody does.
    """
    k, members, _ = _counts(failures)
    p = (k / members).mean()
    return float(1 - (k * (members - k)).mean() / (members * (members - 1) * p * (1 - p)))


def kohavi_wolpert(failures: Tensor) -> float:
    """Mean of k (L - k) / L^2; high where diverse, in [0, 1/4] (Kohavi and Wolpert, 1996). Always defined.

    It is (L - 1) / (2 L) times `disagreement`, so within one team size it ranks alike.
    """
    k, members, _ = _counts(failures)
    return float((k * (members - k)).mean() / members**2)


@dataclass(frozen=True)
class Diversity:
    """A score of a team with its direction.

    focal: whether it has a meaning on the failures of one member. Kappa and Q compare a pair with what chance would
    give, and beside a member that always fails nothing is left to compare: theirs is then 0, or NaN.
    """

    name: str
    score: Callable[[Tensor], float] = field(repr=False)
    diverse_when: Literal["low", "high"]
    focal: bool

    def __call__(self, failures: Tensor) -> float:
        """The score of (L, N) failures."""
        return self.score(failures)


GD = Diversity("gd", generalized_diversity, "high", focal=True)
DIVERSITY: tuple[Diversity, ...] = (
    GD,
    Diversity("disagreement", disagreement, "high", focal=True),
    Diversity("kw", kohavi_wolpert, "high", focal=True),
    Diversity("fleiss", fleiss_kappa, "low", focal=True),
    Diversity("kappa", cohen_kappa, "low", focal=False),
    Diversity("q", q_statistic, "low", focal=False),
)


class FocalDiversity(NamedTuple):
    """value: the mean over the focal members. members: each one's score, NaN for one that is left out. failures: (L,)
    how many each one has."""

    value: float
    members: tuple[float, ...]
    failures: tuple[int, ...]

    @property
    def left_out(self) -> tuple[int, ...]:
        """Members (rows) on whose failures nothing could be scored, as where there are none."""
        return tuple(row for row, score in enumerate(self.members) if isnan(score))


def focal_diversity(
    failures: Tensor, score: Callable[[Tensor], float], *, draws: int = 3, samples: int = 100, seed: int = 0
) -> FocalDiversity:
    """A team's score on the samples that a member fails on, mean over the members (EnsembleBench: Wu et al., 2020).

    Of a member with more than `samples` failures, so many are drawn without repeating one, `draws` times, and the mean
    counts (EnsembleBench repeats some); of others all count, once. A member's draws depend on its own failures and the
    seed alone, so that teams are compared on the same samples. Members without a score (no failures) are left out of
    the mean, which is NaN where nobody is in it. The direction is that of `score`.

    **It rewards unequal members**: on the many failures of a weak one the strong disagree with it. Compare teams of
    like accuracy, and read the members' own failures beside it.
    """
    _checked(failures)
    if draws < 1 or samples < 1:
        raise UsageError(f"draws and samples must be 1 or more, got {draws} and {samples}.")
    scores = []
    for own in failures:
        negative = failures[:, own]
        scores.append(_mean_of_draws(negative, score, draws, samples, seed) if negative.shape[1] else nan)
    found = [s for s in scores if not isnan(s)]
    return FocalDiversity(fmean(found) if found else nan, tuple(scores), tuple(failures.sum(1).tolist()))


def _mean_of_draws(negative: Tensor, score: Callable[[Tensor], float], draws: int, samples: int, seed: int) -> float:
    n = negative.shape[1]
    if n <= samples:
        return score(negative)
    generator = torch.Generator().manual_seed(seed)
    drawn = [score(negative[:, torch.randperm(n, generator=generator)[:samples]]) for _ in range(draws)]
    found = [s for s in drawn if not isnan(s)]
    return fmean(found) if found else nan


def _checked(failures: Tensor) -> None:
    shape = tuple(failures.shape)
    if failures.dtype != torch.bool or len(shape) != 2 or shape[0] < 2 or shape[1] < 1:
        raise ShapeError(
            f"failures must be bool (L, N), at least two members and one sample, got {failures.dtype} of shape {shape}."
        )


def _counts(failures: Tensor) -> tuple[Tensor, int, int]:
    """(N,) how many members fail on each sample, L and N."""
    _checked(failures)
    return failures.sum(0).double(), *failures.shape


def _pairs(failures: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each pair of members: both fail, only the first, only the second, neither; each (L (L - 1) / 2,)."""
    _checked(failures)
    rows = failures.double()
    together, own = rows @ rows.T, rows.sum(1)
    i, j = torch.triu_indices(len(rows), len(rows), 1)
    both = together[i, j]
    return both, own[i] - both, own[j] - both, failures.shape[1] - own[i] - own[j] + both


def _mean(values: Tensor) -> float:
    """Of the pairs that have an answer."""
    return float(values.nanmean())
