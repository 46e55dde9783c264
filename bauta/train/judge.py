"""How well a pipeline in training tells people apart whom it never saw."""

from __future__ import annotations

from collections.abc import Callable

import torch

from bauta.faces import Pairs
from bauta.metrics import auc
from bauta.metrics.verification import ACCURACY, hits
from bauta.pipeline import Pipeline
from bauta.types import Faces

__all__ = ["judge"]


def judge(
    pipeline: Pipeline, pairs: Pairs, *, view: Callable[[Faces], Faces] | None = None, batch_size: int = 64
) -> dict[str, float]:
    """LFW's protocol (Huang et al., 2007) through the whole pipeline, both pictures protected.

    accuracy: each fold at the best threshold of the others, with its 95 % interval over identities (low, high); auc;
    pairs: how many. view: what happens to the pictures before, as a `ColorCast`. The pipeline's mode is put back.
    """
    modes = {module: module.training for module in pipeline.modules()}
    device = next(pipeline.recognizer.parameters()).device
    parts = []
    pipeline.eval()
    with torch.no_grad():
        for batch in pairs.faces.batches(batch_size):
            seen = batch if view is None else view(batch)
            parts.append(pipeline.templates(seen.to(device)).float().cpu())
    for module, mode in modes.items():
        module.training = mode
    templates = torch.cat(parts)
    scores = (templates[pairs.first] * templates[pairs.second]).sum(1)
    who = pairs.faces.identity
    groups = None if who is None else torch.stack([who[pairs.first], who[pairs.second]], 1)
    found = ACCURACY.interval(hits(scores, pairs.same, pairs.fold), pairs.fold, groups)
    return {
        "accuracy": found.value,
        "low": found.low,
        "high": found.high,
        "auc": auc(scores, pairs.same),
        "pairs": len(pairs),
    }
