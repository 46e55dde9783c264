"""Privacy scores of reconstructed faces, as MAP2V's released evaluation computes them (Zhang et al., CVPR 2024).

A validating recognizer compares reconstructions with real pictures, at a threshold set on real pictures alone. PSI: is
a reconstruction accepted as the very picture whose template was attacked? PSII: as other pictures of that person? Both
in percent, where 50 means that nothing leaked and 100 that all of it did. SAR: how often it is accepted at a FAR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import ShapeError, UsageError, check_shape
from bauta.metrics.base import Interval
from bauta.types import Templates

POINTS = 1000  # thresholds
FINE = 2 * POINTS - 1  # with the middles between them, where the mean of neighboring ones can lie
FARS = (1e-2, 1e-3, 1e-4)
CHUNK = 256  # rows of scores at a time


@dataclass(frozen=True)
class PrivacyScores:
    """What a validating recognizer makes of reconstructions, all in percent, with 95 % intervals over the targets.

    threshold: the best one. accuracy: of real pairs there (balanced). psi, psii: see the module. sar, sar_others: FAR
    -> how many reconstructions are accepted as the attacked picture, and as the person's others. An interval's n
    counts comparisons. psii and sar_others are None where no target has another picture.
    """

    threshold: float
    accuracy: float
    psi: Interval
    psii: Interval | None
    sar: Mapping[float, Interval]
    sar_others: Mapping[float, Interval] | None


@dataclass(frozen=True)
class _Counts:
    """How many of each target person's scores lie at or above, and how many above, each threshold: (P, FINE) each."""

    at_least: Tensor
    above: Tensor
    total: Tensor

    def rate(self, counts: Tensor, times: Tensor) -> Tensor:
        """(R, P) how often each person is taken -> (R, FINE) share of scores that are counted."""
        return (times @ counts) / (times @ self.total).clamp_min(1)[:, None]


def privacy_scores(
    reconstructed: Templates,
    real: Templates,
    identity: Tensor,
    attacked: Tensor,
    *,
    fars: Sequence[float] = FARS,
    draws: int = 1000,
    seed: int = 0,
) -> PrivacyScores:
    """The scores of reconstructions by one validating recognizer.

    reconstructed: (T, D), one row for each target. real: (N, D), all real pictures: those of the targets' people give
    the genuine pairs (every two of a person's), and against all others the impostor pairs. identity: (N,) of the real
    ones. attacked: (T,), which real row each target is. Templates by the same recognizer, of any length; cosine counts.

    The best threshold, of 1,000 between the lowest score and the highest impostor's, maximizes TAR - FAR, where a pair
    is accepted *above* it. PSI and PSII are the means of two shares there: reconstructions at or above it, impostors
    below it. A FAR's threshold is the one whose FAR is nearest; of several, their mean.

    Intervals: percentiles of `draws` resamples of the targets' people with all of their pairs, the threshold set anew
    in each; the others stay. Raises `ShapeError`, `UsageError`.
    """
    _check(reconstructed, real, identity, attacked)
    reconstructed, real = F.normalize(reconstructed.detach().float()), F.normalize(real.detach().float())
    people, owner = torch.unique(identity[attacked], return_inverse=True)
    own = torch.isin(identity, people)
    if not bool((~own).any()):
        raise UsageError("Impostor pairs need pictures of people who are not attacked; add some to the real ones.")
    positive, negative = real[own], real[~own]
    person = torch.searchsorted(people, identity[own])
    rows = torch.cumsum(own, 0)[attacked] - 1  # where the attacked pictures are among the positive ones

    genuine, impostor = _genuine(positive, person), _impostor(positive, negative, person)
    if not len(genuine[0]):
        raise UsageError("A threshold needs genuine pairs, but no target has a second picture; attack people who have.")
    low = min(float(genuine[0].min()), float(impostor[0].min()))
    grid = torch.linspace(low, float(impostor[0].max()), FINE, dtype=torch.float64)
    scores = (reconstructed @ positive.T).clamp(-1, 1)
    same = person == owner[:, None]
    itself = torch.zeros_like(same).scatter(1, rows[:, None], True)
    first = scores[itself], owner
    others = scores[same & ~itself], owner[:, None].expand_as(same)[same & ~itself]
    count = [_counted(found, whose, grid, len(people)) for found, whose in (genuine, impostor, first, others)]

    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(people), (draws, len(people)), generator=generator)
    times = torch.zeros(draws + 1, len(people), dtype=torch.float64)
    times[0] = 1  # all of them once: the value itself
    times[1:].scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    return _scored(count, times, grid, fars)


def _scored(count: Sequence[_Counts], times: Tensor, grid: Tensor, fars: Sequence[float]) -> PrivacyScores:
    genuine, impostor, first, others = count
    tar, far = (pairs.rate(pairs.above[:, ::2], times) for pairs in (genuine, impostor))
    best = 2 * (tar - far).argmax(1, keepdim=True)
    below = 1 - impostor.rate(impostor.at_least, times).gather(1, best)

    def balanced(pairs: _Counts) -> Interval:
        hits = pairs.rate(pairs.at_least, times).gather(1, best)
        return _interval(50 * (hits + below), pairs, times)

    def at(rate: float, pairs: _Counts) -> Interval:
        apart = (far - rate).abs()
        nearest = (apart == apart.amin(1, keepdim=True)).double()  # neighbors, since FAR falls
        place = nearest @ torch.arange(0, FINE, 2).double() / nearest.sum(1)
        place = place.round().long()[:, None]
        return _interval(100 * pairs.rate(pairs.at_least, times).gather(1, place), pairs, times)

    more = bool(others.total.any())
    return PrivacyScores(
        float(grid[best[0]]),
        float(50 * (genuine.rate(genuine.at_least, times[:1]).gather(1, best[:1]) + below[:1])),
        balanced(first),
        balanced(others) if more else None,
        {rate: at(rate, first) for rate in fars},
        {rate: at(rate, others) for rate in fars} if more else None,
    )


def _interval(values: Tensor, pairs: _Counts, times: Tensor) -> Interval:
    value, resampled = values[0, 0], values[1:, 0][(times[1:] @ pairs.total) > 0]
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = torch.quantile(resampled, ends).tolist() if len(resampled) else (float("nan"), float("nan"))
    return Interval(float(value), low, high, int(pairs.total.sum()))


def _genuine(positive: Templates, person: Tensor) -> tuple[Tensor, Tensor]:
    """(scores, whose) of all pairs of a person's pictures, in both orders as the released code has them."""
    scores, whose = [positive.new_empty(0)], [person[:0]]
    for one in torch.unique(person).tolist():
        mine = positive[person == one]
        apart = ~torch.eye(len(mine), dtype=torch.bool)
        scores.append((mine @ mine.T).clamp(-1, 1)[apart])
        whose.append(torch.full_like(scores[-1], one, dtype=torch.long))
    return torch.cat(scores), torch.cat(whose)


def _impostor(positive: Templates, negative: Templates, person: Tensor) -> tuple[Tensor, Tensor]:
    """(scores, whose) of the targets' people's pictures with all others'."""
    scores = torch.cat([part @ negative.T for part in torch.split(positive, CHUNK)]).clamp(-1, 1)
    return scores.flatten(), person.repeat_interleave(len(negative))


def _counted(scores: Tensor, whose: Tensor, grid: Tensor, people: int) -> _Counts:
    """For each person, from histograms: a million scores are seen once and not at each threshold."""
    scores = scores.double()

    def over(right: bool) -> Tensor:
        # how many thresholds a score passes, and so at how many of them it counts
        passed = torch.searchsorted(grid, scores, right=right)
        bins = torch.bincount(whose * (FINE + 1) + passed, minlength=people * (FINE + 1)).view(people, -1)
        return bins.flip(1).cumsum(1).flip(1)[:, 1:].double()

    return _Counts(over(True), over(False), torch.bincount(whose, minlength=people).double())


def _check(reconstructed: Templates, real: Templates, identity: Tensor, attacked: Tensor) -> None:
    check_shape(reconstructed, "T D", "reconstructed")
    check_shape(real, f"N {reconstructed.shape[1]}", "real")
    if identity.shape != (len(real),) or attacked.shape != (len(reconstructed),):
        raise ShapeError(
            f"Give one identity a real picture ({len(real)},) and one row a target ({len(reconstructed)},); got "
            f"{tuple(identity.shape)} and {tuple(attacked.shape)}."
        )
    if not len(attacked) or int(attacked.min()) < 0 or int(attacked.max()) >= len(real):
        raise UsageError(f"attacked must be rows of the {len(real)} real pictures, at least one of them.")
    if not (reconstructed.isfinite().all() and real.isfinite().all()):
        raise UsageError("Templates must be finite numbers, but some are NaN or infinite.")
