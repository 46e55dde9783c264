"""A metric is a pure function with a direction; a mean comes with an interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import torch
from torch import Tensor

from bauta.errors import ShapeError, UsageError

Direction = Literal["low", "high"]
AT_ONCE = 2_000_000  # counts in memory at a time
KEPT = 8_000_000  # and of one set that are remembered: 16 MB


@dataclass(frozen=True)
class Metric:
    """How close each guess comes to its truth: one number a row.

    score: (guess, truth), both (B, ...), -> (B,). private_when: which end means that the person is protected.
    unit: "" for plain ratios.
    """

    name: str
    score: Callable[[Tensor, Tensor], Tensor] = field(repr=False)
    private_when: Direction
    unit: str = ""

    def __call__(self, guess: Tensor, truth: Tensor) -> Tensor:
        """(B,) scores."""
        return self.score(guess, truth)


@dataclass(frozen=True)
class SetMetric:
    """A number that belongs to a whole set of comparisons, not to one of them (AUC, EER, TAR at a FAR).

    score: (scores (N,), same (N,) bool) -> one number. at_once: of many draws, as `bootstrap` takes it.
    """

    name: str
    score: Callable[[Tensor, Tensor], float] = field(repr=False)
    private_when: Direction
    unit: str = ""
    at_once: Callable[..., Tensor] | None = field(default=None, repr=False)

    def __call__(self, scores: Tensor, same: Tensor) -> float:
        """The number for these comparisons."""
        return self.score(scores, same)

    def interval(
        self, scores: Tensor, same: Tensor, groups: Tensor | None = None, *, draws: int = 1000, seed: int = 0
    ) -> Interval:
        """The number with its 95 % interval; `groups` as in `bootstrap`."""
        return bootstrap(self.score, scores, same, groups=groups, draws=draws, seed=seed, at_once=self.at_once)


@dataclass(frozen=True)
class Interval:
    """A measured value, the ends of its interval, and how many rows it was measured on."""

    value: float
    low: float
    high: float
    n: int


def bootstrap(
    statistic: Callable[..., Tensor | float],
    *arrays: Tensor,
    groups: Tensor | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    at_once: Callable[..., Tensor] | None = None,
) -> Interval:
    """`statistic(*arrays)` with a percentile interval from resampling identities, not rows.

    arrays: (N, ...) each; the statistic gets their resampled rows and returns one number. groups: (N,), whose row it
    is; (N, 2), whose two pictures a comparison joins (it then appears as often as the two drawn counts multiply, Owen,
    The pigeonhole bootstrap, 2007; a person compared with themselves counts once); None where every row is a
    person. A draw on which the statistic has no meaning (`UsageError`: one class is missing) is left out.
    at_once: the same statistic of many draws, many times as quick: (counts (K, N), *arrays) -> (K,), where counts say
    how often a draw has each row; NaN where it has no meaning. `bauta.metrics.draws` has those of this package.

    Raises `UsageError` when arrays disagree in length, there are fewer than two identities, or fewer than half of the
    draws have a meaning.
    """
    lengths = {len(a) for a in arrays}
    if len(lengths) != 1:
        raise ShapeError(f"bootstrap needs arrays of one length, got {[len(a) for a in arrays]}.")
    n = lengths.pop()
    owners = torch.arange(n) if groups is None else torch.as_tensor(groups).cpu()
    if owners.ndim not in (1, 2) or len(owners) != n or (owners.ndim == 2 and owners.shape[1] != 2):
        raise ShapeError(f"groups must have shape ({n},) or ({n}, 2), got {tuple(owners.shape)}.")
    people, owner = torch.unique(owners, return_inverse=True)
    if len(people) < 2:
        raise UsageError(f"An interval over identities needs at least two of them, got {len(people)}.")
    values: list[float] = []
    for counts in resampled(owner, len(people), draws, seed):
        if owner.ndim == 2:  # no comparison may be left of people drawn
            counts = counts[counts.any(1)]
        if at_once is None:
            values += one_by_one(statistic, counts, arrays)
        elif len(counts):
            found = at_once(counts, *(a.detach().cpu() for a in arrays))
            values += found[~found.isnan()].tolist()
    if 2 * len(values) < draws or not values:
        raise UsageError(
            f"Only {len(values)} of {draws} draws over {len(people)} identities have a meaning; measure more people."
        )
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = torch.quantile(torch.tensor(values, dtype=torch.float64), ends).tolist()
    return Interval(float(statistic(*arrays)), low, high, n)


def one_by_one(statistic: Callable[..., Tensor | float], counts: Tensor, arrays: Sequence[Tensor]) -> list[float]:
    """The statistic of each draw's rows, without the draws on which it has no meaning."""
    rows, values = torch.arange(counts.shape[1]), []
    for times in counts:
        chosen = rows.repeat_interleave(times.long())
        try:
            values.append(float(statistic(*(a[chosen.to(a.device)] for a in arrays))))
        except UsageError:
            continue
    return values


def resampled(owner: Tensor, people: int, draws: int, seed: int) -> Iterable[Tensor]:
    """How often each row is in each draw, (K, N) whole numbers, in parts that fit into memory.

    owner: (N,) or (N, 2), numbers in 0..people-1. The draws of small sets are kept: a table asks for them again and
    again, of the very same pairs.
    """
    if draws * len(owner) > KEPT:
        return parted(owner, people, draws, seed)
    return kept(owner.numpy().tobytes(), tuple(owner.shape), people, draws, seed)


@lru_cache(maxsize=8)
def kept(owner: bytes, shape: tuple[int, ...], people: int, draws: int, seed: int) -> tuple[Tensor, ...]:
    """`resampled`, remembered."""
    return tuple(parted(torch.frombuffer(bytearray(owner), dtype=torch.long).view(shape), people, draws, seed))


def parted(owner: Tensor, people: int, draws: int, seed: int) -> Iterator[Tensor]:
    """`resampled`, made part by part."""
    generator = torch.Generator().manual_seed(seed)
    part = max(1, AT_ONCE // len(owner))
    for begun in range(0, draws, part):
        many = min(part, draws - begun)
        drawn = torch.randint(people, (many, people), generator=generator) + people * torch.arange(many)[:, None]
        once = torch.ones(drawn.numel(), dtype=torch.int16)
        times = torch.zeros(many * people, dtype=torch.int16).scatter_add_(0, drawn.flatten(), once).view(many, people)
        if owner.ndim == 2:
            first, second = (times.index_select(1, side) for side in owner.unbind(1))
            yield torch.where(owner[:, 0] == owner[:, 1], first, first * second)
        else:
            yield times.index_select(1, owner)


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """A proportion of independent rows with its score interval (Wilson, 1927), which holds at 0 of n and n of n too."""
    if not 0 <= successes <= n or n < 1:
        raise UsageError(f"wilson needs 0 <= successes <= n and n >= 1, got {successes} of {n}.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = successes / n
    center = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return Interval(p, min(p, max(0.0, center - half)), max(p, min(1.0, center + half)), n)
