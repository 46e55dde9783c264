"""How well a person's attributes can be read.

Everywhere here: logits (N, K) have a column for each of the values 0 to K - 1, labels (N,) are such values, and years
are (N, 1) or (N,). Unlabelled rows (negative, NaN) are left out beforehand. Rates are in [0, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor

from bauta.errors import ShapeError, UsageError, check_shape
from bauta.metrics.base import Metric, SetMetric
from bauta.metrics.draws import balanced_accuracies, macro_aucs
from bauta.metrics.image import cosine
from bauta.metrics.verification import auc


def _checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    logits, labels = torch.as_tensor(logits).detach().cpu(), torch.as_tensor(labels).cpu()
    check_shape(logits, "N K", "logits")
    if labels.is_floating_point() or labels.shape != logits.shape[:1]:
        raise ShapeError(
            f"labels must be whole numbers, one a row ({len(logits)},), got {labels.dtype} of shape "
            f"{tuple(labels.shape)}."
        )
    _usable(labels)
    if not logits.isfinite().all():
        raise UsageError("Logits must be finite numbers, but some are NaN or infinite.")
    return logits, labels.long()


def _usable(labels: Tensor) -> None:
    unlabelled = int((~(labels >= 0)).sum())
    if unlabelled or not len(labels):
        raise UsageError(f"{unlabelled} of {len(labels)} rows are unlabelled; leave them out, and keep at least one.")


def balanced_accuracy(logits: Tensor, labels: Tensor) -> float:
    """The mean, over the classes that occur, of how many of their faces are read rightly; 1 / classes is chance.

    A class beyond the columns is never guessed and so never right.
    """
    logits, labels = _checked(logits, labels)
    right = logits.argmax(1) == labels
    return float(torch.stack([right[labels == c].double().mean() for c in torch.unique(labels)]).mean())


def macro_auc(logits: Tensor, labels: Tensor) -> float:
    """The mean, over the classes that occur, of the area under the ROC curve of a class's probability; 0.5 is chance.

    One class against all others, by softmax probabilities (Hand and Till, 2001, call the pairwise kin M). A class
    beyond the columns counts 0.5. Raises `UsageError` where only one class occurs.
    """
    logits, labels = _checked(logits, labels)
    shares, areas = logits.double().softmax(1), []
    for c in torch.unique(labels).tolist():
        score = shares[:, c] if c < shares.shape[1] else torch.zeros(len(labels), dtype=torch.float64)
        areas.append(auc(score, labels == c))
    return sum(areas) / len(areas)


def attribute_cosine(guess: Tensor, clean: Tensor) -> Tensor:
    """PMT's CosSim (Pu et al., IEEE TDSC 2025, Eq. 11): logits (N, K) twice -> (N,), the cosine of their probabilities.

    guess: the estimator's on what leaked; clean: the same estimator's on the original. It lies in [0, 1] and is high by
    itself: two vectors of two probabilities are never far apart.
    """
    return cosine(guess.softmax(1), clean.softmax(1))


def years_apart(guess: Tensor, truth: Tensor) -> Tensor:
    """(N, 1) or (N,) years twice -> (N,) absolute differences.

    Against the true age it is the error; against what the same estimator says of the original, PMT's age difference
    |A(x~) - A(x)|.
    """
    sides = []
    for name, years in (("guess", guess), ("truth", truth)):
        years = torch.as_tensor(years)
        if years.ndim == 0 or years.numel() != len(years):
            raise ShapeError(f"{name} must be years, one a row (N, 1) or (N,), got shape {tuple(years.shape)}.")
        sides.append(years.reshape(-1).float())
    if len(sides[0]) != len(sides[1]):
        raise ShapeError(f"guess and truth must be of one length, got {len(sides[0])} and {len(sides[1])}.")
    return (sides[0] - sides[1]).abs()


def majority(labels: Tensor) -> float:
    """The accuracy of whoever always says the most frequent class, which needs no picture."""
    _usable(labels)
    return float(torch.bincount(labels.long()).max() / len(labels))


def blind_error(years: Tensor) -> float:
    """The mean absolute error of whoever always says the median age, the best that needs no picture."""
    _usable(years)
    years = years.reshape(-1).double()
    return float((years - years.quantile(0.5)).abs().mean())


# scores are logits here and the truth is labels
BALANCED_ACCURACY = SetMetric("balanced accuracy", balanced_accuracy, private_when="low", at_once=balanced_accuracies)
MACRO_AUC = SetMetric("macro AUC", macro_auc, private_when="low", at_once=macro_aucs)
COSSIM = Metric("CosSim", attribute_cosine, private_when="low")
AGE_ERROR = Metric("age error", years_apart, private_when="high", unit="years")
AGE_DIFFERENCE = Metric("age difference", years_apart, private_when="high", unit="years")
