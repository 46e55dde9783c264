"""What protection costs the one who is authorized: the protocol's accuracy with and without it, on the same pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from bauta.faces import Pairs
from bauta.metrics import bootstrap, tar_metric
from bauta.metrics.base import Interval, SetMetric
from bauta.metrics.verification import ACCURACY as OF_FOLDS
from bauta.metrics.verification import hits
from bauta.pipeline import Pipeline, System
from bauta.study.judge import STRICT_FAR, filled
from bauta.study.records import Row
from bauta.study.views import BATCH
from bauta.types import Faces, Stage, Templates

ACCURACY, TRUE = "accuracy, ten folds", tar_metric(STRICT_FAR)
TAR = TRUE.name
LOST = " lost"


def verified(blank: Row, system: System, pairs: Pairs) -> Iterator[Row]:
    """Ten-fold accuracy and TAR at a FAR of 0.001 with the first picture of each pair on the probe's side and the
    second on the gallery's; and what both lose to the bare recognizer on the same pairs, in the unit of the rates.

    Intervals from resampling identities. Raises `UsageError` for less than two folds.
    """
    who = pairs.faces.identity
    groups = None if who is None else torch.stack([who[pairs.first], who[pairs.second]], 1)
    bare = templates(system.gallery.bare(), pairs.faces)
    probes = templates(system.probe, pairs.faces)
    gallery = probes if system.gallery is system.probe else templates(system.gallery, pairs.faces)
    before, after = ((a[pairs.first] * b[pairs.second]).sum(1) for a, b in ((bare, bare), (probes, gallery)))
    right_before, right_after = (hits(s, pairs.same, pairs.fold) for s in (before, after))

    found = {
        ACCURACY: OF_FOLDS.interval(right_after, pairs.fold, groups),
        ACCURACY + LOST: lost(OF_FOLDS, right_before, right_after, pairs.fold, groups),
        TAR: TRUE.interval(after, pairs.same, groups),
        TAR + LOST: lost(TRUE, before, after, pairs.same, groups),
    }
    for metric, interval in found.items():
        yield filled(replace(blank, metric=metric, private_when=""), interval)


def lost(metric: SetMetric, was: Tensor, now: Tensor, of: Tensor, groups: Tensor | None) -> Interval:
    """How much smaller a number became, on the same draws of people."""
    many = metric.at_once
    assert many is not None

    def plain(was: Tensor, now: Tensor, of: Tensor) -> float:
        return metric(was, of) - metric(now, of)

    def at_once(counts: Tensor, was: Tensor, now: Tensor, of: Tensor) -> Tensor:
        return many(counts, was, of) - many(counts, now, of)

    return bootstrap(plain, was, now, of, groups=groups, at_once=at_once)


def templates(pipeline: Pipeline, faces: Faces) -> Templates:
    """What the pipeline's database holds of each face."""
    with torch.no_grad():
        return torch.cat([pipeline.at(Stage.TEMPLATES, batch) for batch in faces.batches(BATCH)])
