"""What a guess of an attribute is worth, beside what the same reader says of the clean picture, as rows."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.metrics.attribute import (
    BALANCED_ACCURACY,
    MACRO_AUC,
    attribute_cosine,
    blind_error,
    majority,
    years_apart,
)
from bauta.study.judge import Ledger
from bauta.study.records import Row


def judge_attributes(
    blank: Row, name: str, guess: Tensor, clean: Tensor, labels: Tensor, groups: Tensor | None
) -> Iterator[Row]:
    """Logits (N, K) or years (N, 1) against labels (N,), negative where nobody knows.

    clean: what the same reader says of the unprotected leak, for PMT's CosSim and age difference. groups: (N,) whose
    row it is, None where nobody knows. Raises `UsageError` where no victim is labelled.
    """
    known = labels >= 0
    if not known.any():
        raise UsageError(f"No victim is labelled with {name}; measure on faces whose {name} is known.")
    guess, clean, truth = guess[known].float(), clean[known].float(), labels[known]
    ledger = Ledger(blank, None if groups is None else groups[known])
    if name == "age":
        note = f"who always says the median age errs by {blind_error(truth):.1f}"
        yield ledger.mean("MAE of age", years_apart(guess, truth), "high", note)
        yield ledger.mean("age difference", years_apart(guess, clean), "high")
        return
    classes = len(torch.unique(truth))
    note = f"chance {1 / classes:.4f}, majority {majority(truth):.4f}"
    right = ledger.over(f"balanced accuracy of {name}", BALANCED_ACCURACY, guess, truth)
    yield Row(**{**right.__dict__, "note": note})
    yield ledger.over(f"AUC of {name}", MACRO_AUC, guess, truth)
    yield ledger.mean(f"CosSim of {name}", attribute_cosine(guess, clean))
