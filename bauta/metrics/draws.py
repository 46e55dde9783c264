"""Statistics of many resamplings at once, for `bootstrap(..., at_once=...)`.

Everywhere here: counts (K, N) say how often each of K draws has each of N rows; the answer is (K,), NaN where a draw
has no meaning. The same numbers as the plain statistic of the repeated rows, but for the last digits of a sum.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bauta.metrics.base import Interval, bootstrap


def means(counts: Tensor, values: Tensor) -> Tensor:
    """Of one number a row."""
    values = values.double()
    if bool(values.isfinite().all()):
        return counts.double() @ values / counts.sum(1)
    return torch.where(counts > 0, counts * values, 0.0).sum(1) / counts.sum(1)  # what was not drawn counts nothing


def mean_interval(values: Tensor, groups: Tensor | None = None) -> Interval:
    """The mean of one number a row, with its interval; `groups` as `bootstrap` takes them."""
    return bootstrap(lambda v: float(v.mean()), values.double(), groups=groups, at_once=means)


def fold_means(counts: Tensor, right: Tensor, fold: Tensor) -> Tensor:
    """`bauta.metrics.verification.mean_of_folds`: folds may differ in size, and each that was drawn counts alike."""
    parts = torch.stack([means(counts[:, fold == f], right[fold == f]) for f in torch.unique(fold)], 1)
    return parts.nanmean(1)


def balanced_accuracies(counts: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """`bauta.metrics.attribute.balanced_accuracy`."""
    return fold_means(counts, (logits.argmax(1) == labels).double(), labels)


def macro_aucs(counts: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """`bauta.metrics.attribute.macro_auc`."""
    shares = logits.double().softmax(1)
    nobody = torch.zeros(len(labels), dtype=torch.float64)
    classes = torch.unique(labels).tolist()
    scores = [shares[:, c] if c < shares.shape[1] else nobody for c in classes]
    return torch.stack([aucs(counts, s, labels == c) for s, c in zip(scores, classes, strict=True)], 1).nanmean(1)


def aucs(counts: Tensor, scores: Tensor, same: Tensor) -> Tensor:
    """`bauta.metrics.auc`."""
    fpr, tpr = rocs(counts, scores, same)
    return torch.trapezoid(tpr, fpr, dim=1)


def eers(counts: Tensor, scores: Tensor, same: Tensor) -> Tensor:
    """`bauta.metrics.eer`."""
    fpr, tpr = rocs(counts, scores, same)
    gap = 1 - tpr - fpr
    after = (gap <= 0).long().argmax(1, keepdim=True)
    before = (after - 1).clamp_min(0)
    high, low = gap.gather(1, before), gap.gather(1, after)
    near, far = fpr.gather(1, before), fpr.gather(1, after)
    return (near + high / (high - low) * (far - near)).squeeze(1)


def tars(far: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """`bauta.metrics.tar_at_far` at this false accept rate."""

    def at_far(counts: Tensor, scores: Tensor, same: Tensor) -> Tensor:
        fpr, tpr = rocs(counts, scores, same)
        last = (fpr <= far).sum(1, keepdim=True) - 1
        return tpr.gather(1, last.clamp_min(0)).squeeze(1)

    return at_far


def rocs(counts: Tensor, scores: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    """False and true accept rates (K, T) of each draw, from accepting nobody to accepting everybody.

    The thresholds are those of all rows: where a draw lacks a score, its point stands twice. NaN where a class is
    missing.
    """
    scores, order = scores.sort(descending=True)
    last = torch.ones(len(scores), dtype=torch.bool)
    last[:-1] = scores[:-1] != scores[1:]
    counts, mates = counts[:, order], same[order]
    true, false = (counts * mates).cumsum(1)[:, last], (counts * ~mates).cumsum(1)[:, last]
    missing = ((true[:, -1] == 0) | (false[:, -1] == 0))[:, None]
    rates = [torch.nn.functional.pad(taken.double() / taken[:, -1:], (1, 0)) for taken in (false, true)]
    fpr, tpr = (rate.masked_fill(missing, torch.nan) for rate in rates)
    return fpr, tpr
