"""What protection costs the one who is authorized: the protocol's accuracy with and without it, on the same pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from bauta.faces import Pairs
from bauta.metrics import bootstrap, tar_at_far
from bauta.metrics.verification import hits, mean_of_folds
from bauta.pipeline import Pipeline, System
from bauta.study.judge import STRICT_FAR, filled
from bauta.study.records import Row
from bauta.study.views import BATCH
from bauta.types import Faces, Stage, Templates

ACCURACY, TAR = "accuracy, ten folds", f"TAR@FAR={STRICT_FAR:g}"
LOST = " lost"


def verified(blank: Row, system: System, pairs: Pairs) -> Iterator[Row]:
    """Ten-fold accuracy and TAR at a FAR of 0.001 with the first picture of each pair on the probe's side and the
    second on the gallery's; and what both lose to the bare recognizer on the same pairs, in the unit of the rates.

    Intervals from resampling identities. Raises `UsageError` for less than two folds.
    """
    who = pairs.faces.identity
    groups = None if who is None else torch.stack([who[pairs.first], who[pairs.second]], 1)
    bare = templates(system.gallery.bare(), pairs.faces)
    scores = templates(system.probe, pairs.faces)[pairs.first] * templates(system.gallery, pairs.faces)[pairs.second]
    before, after = (bare[pairs.first] * bare[pairs.second]).sum(1), scores.sum(1)
    right_before, right_after = (hits(s, pairs.same, pairs.fold) for s in (before, after))

    def lost(was: Tensor, now: Tensor, fold: Tensor) -> float:
        return mean_of_folds(was, fold) - mean_of_folds(now, fold)

    def tar(now: Tensor, same: Tensor) -> float:
        return tar_at_far(now, same, STRICT_FAR)

    def tar_lost(was: Tensor, now: Tensor, same: Tensor) -> float:
        return tar(was, same) - tar(now, same)

    found = {
        ACCURACY: bootstrap(mean_of_folds, right_after, pairs.fold, groups=groups),
        ACCURACY + LOST: bootstrap(lost, right_before, right_after, pairs.fold, groups=groups),
        TAR: bootstrap(tar, after, pairs.same, groups=groups),
        TAR + LOST: bootstrap(tar_lost, before, after, pairs.same, groups=groups),
    }
    for metric, interval in found.items():
        yield filled(replace(blank, metric=metric, private_when=""), interval)


def templates(pipeline: Pipeline, faces: Faces) -> Templates:
    """What the pipeline's database holds of each face."""
    with torch.no_grad():
        return torch.cat([pipeline.at(Stage.TEMPLATES, batch) for batch in faces.batches(BATCH)])
