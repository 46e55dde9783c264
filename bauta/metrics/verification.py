"""How well scores tell whether two pictures show one person.

Everywhere here: scores (N,) are similarities, same (N,) is bool, and a comparison is accepted when
**score > threshold**. Thresholds lie midway between neighboring observed scores, so that each way to part the scores
appears once. Rates are in [0, 1].
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import ShapeError, UsageError, check_shape
from bauta.metrics.base import SetMetric
from bauta.metrics.draws import aucs, eers, fold_means, tars
from bauta.types import Templates


class Roc(NamedTuple):
    """Receiver operating characteristic: one entry a threshold, from accepting nobody to accepting everybody.

    fpr: false accept rate (FAR); tpr: true accept rate (TAR); thresholds: falling. All (T,).
    """

    fpr: Tensor
    tpr: Tensor
    thresholds: Tensor


class FoldAccuracy(NamedTuple):
    """Accuracy, its standard deviation over the folds, and the mean of the folds' thresholds."""

    accuracy: float
    deviation: float
    threshold: float


def _checked(scores: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    scores, same = torch.as_tensor(scores).detach().cpu(), torch.as_tensor(same).cpu()
    check_shape(scores, "N", "scores")
    if same.dtype != torch.bool or same.shape != scores.shape:
        raise ShapeError(
            f"same must be bool, one a score ({len(scores)},), got {same.dtype} of shape {tuple(same.shape)}."
        )
    wrong = int((~scores.isfinite()).sum())
    if wrong:
        raise UsageError(f"Scores must be finite numbers, but {wrong} of {len(scores)} are NaN or infinite.")
    return scores, same


def _counts(scores: Tensor, same: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Accepted impostors, accepted mates and the threshold, for every way to part the scores."""
    scores, order = scores.sort(descending=True)
    same = same[order]
    last = torch.ones(len(scores), dtype=torch.bool)  # ends of runs of equal scores: the only places to part them
    last[:-1] = scores[:-1] != scores[1:]
    zero = torch.zeros(1, dtype=torch.long)
    false = torch.cat([zero, (~same).cumsum(0)[last]])
    true = torch.cat([zero, same.cumsum(0)[last]])
    upper, lower = scores[last][:-1], scores[last][1:]
    middle = lower + (upper - lower) / 2
    middle = torch.where(middle < upper, middle, lower)  # nothing lies between neighboring floats
    floor = torch.nextafter(scores[-1:], torch.full_like(scores[-1:], -torch.inf))
    return false, true, torch.cat([scores[:1], middle, floor])


def roc(scores: Tensor, same: Tensor) -> Roc:
    """The ROC curve, exact: every distinct operating point. Raises `UsageError` for NaN or a missing class."""
    scores, same = _checked(scores, same)
    mates = int(same.sum())
    if not 0 < mates < len(same):
        raise UsageError(
            f"A ROC needs pairs of one person and pairs of two, got {mates} and {len(same) - mates}; add the others."
        )
    false, true, thresholds = _counts(scores, same)
    return Roc(false.double() / (len(same) - mates), true.double() / mates, thresholds)


def auc(scores: Tensor, same: Tensor) -> float:
    """Area under the ROC curve: how often a mated pair outscores an impostor pair (a tie is half); 0.5 is chance."""
    curve = roc(scores, same)
    return float(torch.trapezoid(curve.tpr, curve.fpr))


def eer(scores: Tensor, same: Tensor) -> float:
    """Equal error rate: where the straight line through the ROC's points meets FAR = 1 - TAR; 0.5 is chance."""
    fpr, tpr, _ = roc(scores, same)
    gap = 1 - tpr - fpr  # falls from 1 to -1
    after = int((gap <= 0).nonzero()[0])
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    return float(fpr[after - 1] + share * (fpr[after] - fpr[after - 1]))


def _at_far(curve: Roc, far: float) -> int:
    if not 0 <= far <= 1:
        raise UsageError(f"far is a rate in [0, 1], got {far}.")
    return int((curve.fpr <= far).nonzero()[-1])


def tar_at_far(scores: Tensor, same: Tensor, far: float) -> float:
    """The best true accept rate while the false accept rate, on these very pairs, stays at or below `far`.

    A FAR below one over the number of impostor pairs means that none of them may pass.
    """
    curve = roc(scores, same)
    return float(curve.tpr[_at_far(curve, far)])


def threshold_at_far(scores: Tensor, same: Tensor, far: float) -> float:
    """The lowest threshold at which the false accept rate stays at or below `far`."""
    curve = roc(scores, same)
    return float(curve.thresholds[_at_far(curve, far)])


def best_threshold(scores: Tensor, same: Tensor) -> float:
    """The threshold of the highest accuracy on these pairs, exactly; of equally good ones the middle one."""
    scores, same = _checked(scores, same)
    if not len(scores):
        raise UsageError("A threshold needs at least one pair, got none.")
    false, true, thresholds = _counts(scores, same)
    gain = true - false
    best = (gain == gain.max()).nonzero().flatten()
    return float(thresholds[best[(len(best) - 1) // 2]])


def fold_threshold(scores: Tensor, same: Tensor) -> float:
    """The threshold that LFW's protocol takes from the other folds: see `ten_fold_accuracy`."""
    ends = int((scores.min() * 1000).floor()), int((scores.max() * 1000).ceil())
    grid = torch.arange(ends[0] - 1, ends[1] + 1, dtype=torch.float64) / 1000
    mates, impostors = scores[same].double().sort().values, scores[~same].double().sort().values
    right = torch.searchsorted(impostors, grid, right=True) - torch.searchsorted(mates, grid, right=True)
    return float(grid[(right == right.max()).nonzero()[0]])


def ten_fold_accuracy(scores: Tensor, same: Tensor, fold: Tensor) -> FoldAccuracy:
    """LFW's protocol (Huang et al., 2007): each fold is judged at the best threshold of all the others.

    Thresholds are thousandths, and of equally good ones the lowest is taken, as most published code does. An exact one
    lies between two particular scores, and the last bit of a weight then moves a weak network by a tenth of a point.

    fold: (N,), which fold a pair belongs to; LFW has ten of 600 pairs, any number from two on will do. The deviation
    is the population's, as published figures have it.
    """
    scores, same = _checked(scores, same)
    fold = torch.as_tensor(fold).cpu()
    if fold.shape != scores.shape:
        raise ShapeError(f"fold must have one entry a score ({len(scores)},), got {tuple(fold.shape)}.")
    folds = torch.unique(fold)
    if len(folds) < 2:
        raise UsageError(f"Cross validation needs at least two folds, got {len(folds)}.")
    thresholds = [fold_threshold(scores[fold != f], same[fold != f]) for f in folds]
    accuracies = torch.stack(
        [((scores[fold == f] > t) == same[fold == f]).double().mean() for f, t in zip(folds, thresholds, strict=True)]
    )
    return FoldAccuracy(
        float(accuracies.mean()), float(accuracies.std(correction=0)), sum(thresholds) / len(thresholds)
    )


def hits(scores: Tensor, same: Tensor, fold: Tensor) -> Tensor:
    """(N,) whether each pair is decided rightly at the threshold of the other folds."""
    right = torch.empty(len(scores), dtype=torch.float64)
    for f in torch.unique(fold):
        line = fold_threshold(scores[fold != f], same[fold != f])
        right[fold == f] = ((scores[fold == f] > line) == same[fold == f]).double()
    return right


def mean_of_folds(right: Tensor, fold: Tensor) -> float:
    """Folds may differ in size, and each counts alike."""
    number = torch.bincount(fold)
    return float((torch.bincount(fold, weights=right)[number > 0] / number[number > 0]).mean())


def rank1(probes: Templates, gallery: Templates, probe_ids: Tensor, gallery_ids: Tensor) -> Tensor:
    """Closed-set identification: (P,) bool, whether the most similar gallery template is of the probe's person.

    probes: (P, D); gallery: (G, D), any length of rows (cosine is compared). A tie with a stranger is a miss. Raises
    `UsageError` when a probe's person is not in the gallery.
    """
    check_shape(probes, "P D", "probes")
    check_shape(gallery, f"G {probes.shape[1]}", "gallery")
    probe_ids, gallery_ids = (torch.as_tensor(i).to(probes.device) for i in (probe_ids, gallery_ids))
    if len(probe_ids) != len(probes) or len(gallery_ids) != len(gallery):
        raise ShapeError(
            f"Give one identity a template: {len(probes)} probes and {len(gallery)} gallery rows came with "
            f"{len(probe_ids)} and {len(gallery_ids)}."
        )
    unknown = ~torch.isin(probe_ids, gallery_ids)
    if unknown.any():
        raise UsageError(
            f"rank-1 asks among enrolled people, but {int(unknown.sum())} of {len(probes)} probes have no "
            "gallery picture; leave them out."
        )
    if not (probes.isfinite().all() and gallery.isfinite().all()):
        raise UsageError("Templates must be finite numbers, but some are NaN or infinite.")
    gallery = F.normalize(gallery)
    hits = []
    for start in range(0, len(probes), 1024):
        some = slice(start, start + 1024)
        scores = F.normalize(probes[some]) @ gallery.T
        mates = probe_ids[some, None] == gallery_ids
        mate = scores.masked_fill(~mates, -torch.inf).amax(1)
        stranger = scores.masked_fill(mates, -torch.inf).amax(1)
        hits.append(mate > stranger)
    return torch.cat(hits) if hits else torch.zeros(0, dtype=torch.bool, device=probes.device)


def pmt_accuracy(self_scores: Tensor, pair_scores: Tensor, same: Tensor, threshold: float) -> Tensor:
    """PMT's accuracy (Pu et al., IEEE TDSC 2025, Eq. 10), pair by pair: (N,) bool, whose mean is the paper's figure.

    self_scores: a protected picture against its own original; pair_scores: against the pair's other picture. Right only
    if the protected picture is still accepted as its original *and* the pair is decided rightly.
    """
    own, _ = _checked(self_scores, same)
    pair, same = _checked(pair_scores, same)
    return (own > threshold) & ((pair > threshold) == same)


def srra(self_scores: Tensor, threshold: float) -> Tensor:
    """Success of a replay or reconstruction attack, (N,) bool: whether a picture is accepted as its own original."""
    own, _ = _checked(self_scores, torch.ones_like(self_scores, dtype=torch.bool))
    return own > threshold


def tar_metric(far: float) -> SetMetric:
    """TAR at a FAR that is set on the very scores that are judged (recalibrated), as a metric."""
    return SetMetric(
        f"TAR@FAR={far:g}", lambda scores, same: tar_at_far(scores, same, far), private_when="low", at_once=tars(far)
    )


AUC = SetMetric("AUC", auc, private_when="low", at_once=aucs)
EER = SetMetric("EER", eer, private_when="high", at_once=eers)
# of what `hits` says, and the folds
ACCURACY = SetMetric("accuracy", mean_of_folds, private_when="low", at_once=fold_means)
