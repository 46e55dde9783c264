"""How well a recognizer tells clean pictures apart: the figures that a record states, measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from bauta.faces import Pairs
from bauta.metrics import AUC, EER, tar_metric, ten_fold_accuracy
from bauta.metrics.base import Interval
from bauta.metrics.verification import ACCURACY, hits
from bauta.recognizers import Recognizer
from bauta.recognizers.embedding import embed

FARS = (1e-3, 1e-2)


@dataclass(frozen=True)
class Evaluation:
    """The figures of one recognizer on one protocol; rates in [0, 1], intervals over identities.

    accuracy: 10-fold, each fold judged at the best threshold of the others. deviation: of the accuracy over the folds.
    threshold: the mean of the folds' cosine thresholds. tar: FAR -> the true accept rate. seconds: for the templates.
    """

    accuracy: Interval
    deviation: float
    threshold: float
    eer: Interval
    auc: Interval
    tar: Mapping[float, Interval]
    seconds: float


def evaluate(
    recognizer: Recognizer, pairs: Pairs, *, batch_size: int = 64, progress: Callable[[int], None] | None = None
) -> Evaluation:
    """LFW's protocol (Huang et al., 2007) on `pairs`, one view a picture, each distinct picture embedded once.

    progress is told how many pictures were just embedded. Raises `UsageError` for less than two folds.
    """
    begun = time.perf_counter()
    templates = embed(recognizer, pairs.faces, batch_size, progress)
    seconds = time.perf_counter() - begun
    scores, same = (templates[pairs.first] * templates[pairs.second]).sum(1), pairs.same
    who = pairs.faces.identity
    groups = None if who is None else torch.stack([who[pairs.first], who[pairs.second]], 1)
    folds = ten_fold_accuracy(scores, same, pairs.fold)
    right = ACCURACY.interval(hits(scores, same, pairs.fold), pairs.fold, groups)
    tar = {far: tar_metric(far).interval(scores, same, groups) for far in FARS}
    return Evaluation(
        right,
        folds.deviation,
        folds.threshold,
        EER.interval(scores, same, groups),
        AUC.interval(scores, same, groups),
        tar,
        seconds,
    )
