"""What is measured of attributes, against scikit-learn, numpy and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, roc_auc_score
from torch import Tensor

from bauta.errors import ShapeError, UsageError
from bauta.metrics.attribute import (
    AGE_DIFFERENCE,
    AGE_ERROR,
    BALANCED_ACCURACY,
    COSSIM,
    MACRO_AUC,
    attribute_cosine,
    balanced_accuracy,
    blind_error,
    macro_auc,
    majority,
    years_apart,
)


def guesses(number: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits that lean to the truth, and unbalanced labels; some logits tie."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (number,), generator=g) * torch.randint(2, (number,), generator=g)
    logits = torch.randn(number, classes, generator=g).mul(2).round().div(2)
    logits[torch.arange(number), labels] += 0.7
    return logits, labels


@pytest.mark.parametrize(("number", "classes"), [(300, 2), (500, 5), (60, 7)])
def test_accuracy_and_auc_are_scikit_learns(number: int, classes: int) -> None:
    logits, labels = guesses(number, classes)
    assert len(torch.unique(labels)) == classes
    shares = logits.double().softmax(1).numpy()
    ours = balanced_accuracy(logits, labels)
    assert ours == pytest.approx(balanced_accuracy_score(labels, logits.argmax(1)))
    wanted = roc_auc_score(labels, shares[:, 1] if classes == 2 else shares, multi_class="ovr", average="macro")
    assert macro_auc(logits, labels) == pytest.approx(wanted)


def test_a_class_beyond_the_columns_is_never_right_and_a_coin_for_the_area() -> None:
    logits, labels = torch.tensor([[9.0, 0], [0, 9], [9, 0], [9, 0]]), torch.tensor([0, 1, 0, 2])
    assert balanced_accuracy(logits, labels) == pytest.approx(2 / 3)
    # class 0 beats one of the two others and ties with one; class 1 beats all; class 2 has no column
    assert macro_auc(logits, labels) == pytest.approx((0.75 + 1 + 0.5) / 3)


def test_classes_that_do_not_occur_do_not_count() -> None:
    logits, labels = guesses(200, 4)
    some = labels != 3
    by_hand = [(logits[labels == c].argmax(1) == c).float().mean() for c in range(3)]
    assert balanced_accuracy(logits[some], labels[some]) == pytest.approx(np.mean(by_hand), abs=1e-6)
    shares = logits[some].double().softmax(1)
    areas = [roc_auc_score(labels[some] == c, shares[:, c]) for c in range(3)]
    assert macro_auc(logits[some], labels[some]) == pytest.approx(np.mean(areas))
    with pytest.raises(UsageError):
        macro_auc(logits[:5], torch.zeros(5, dtype=torch.long))


def test_what_cannot_be_judged_is_refused() -> None:
    logits, labels = guesses(20, 3)
    unlabelled = labels.clone()
    unlabelled[3] = -1
    for metric in (balanced_accuracy, macro_auc):
        with pytest.raises(UsageError, match="1 of 20 rows are unlabelled"):
            metric(logits, unlabelled)
        with pytest.raises(ShapeError):
            metric(logits, labels[:-1])
        with pytest.raises(ShapeError):
            metric(logits, labels.float())
        with pytest.raises(UsageError, match="finite"):
            metric(logits.where(logits < logits.max(), torch.inf), labels)
        with pytest.raises(UsageError):
            metric(logits[:0], labels[:0])


def test_cossim_is_the_cosine_of_probabilities() -> None:
    (a, _), (b, _) = guesses(50, 5), guesses(50, 5, seed=1)
    for found, x, y in zip(attribute_cosine(a, b), a.numpy(), b.numpy(), strict=True):
        p, q = np.exp(x) / np.exp(x).sum(), np.exp(y) / np.exp(y).sum()
        assert float(found) == pytest.approx(p @ q / math.sqrt((p @ p) * (q @ q)), abs=1e-6)
    assert torch.allclose(COSSIM(a, a), torch.ones(50))
    coin, sure = torch.zeros(1, 2), torch.tensor([[0.0, 50]])
    assert float(COSSIM(coin, sure)) == pytest.approx(math.sqrt(0.5)), "an estimator that knows nothing gets 0.71"


def test_years() -> None:
    g = torch.Generator().manual_seed(0)
    guess, age = torch.rand(40, 1, generator=g) * 90, torch.randint(90, (40,), generator=g)
    assert float(AGE_ERROR(guess, age).mean()) == pytest.approx(mean_absolute_error(age, guess[:, 0]), rel=1e-6)
    assert torch.equal(AGE_DIFFERENCE(guess, guess + 3), years_apart(guess[:, 0], guess + 3))
    assert AGE_DIFFERENCE(guess, guess + 3).tolist() == pytest.approx([3.0] * 40, abs=1e-4)
    assert (AGE_ERROR.unit, AGE_ERROR.private_when) == ("years", "high")
    for wrong in (torch.zeros(40, 2), torch.zeros(39), torch.zeros(())):
        with pytest.raises(ShapeError):
            years_apart(wrong, age)


def test_what_needs_no_picture() -> None:
    assert majority(torch.tensor([2, 0, 2, 1])) == 0.5
    ages = torch.tensor([1, 5, 30, 80, 81])
    best = min(float((ages - guess).abs().float().mean()) for guess in range(100))
    assert blind_error(ages) == pytest.approx(best)
    assert blind_error(ages[:4, None]) == pytest.approx(float((ages[:4] - 17.5).abs().mean()))
    for function in (majority, blind_error):
        with pytest.raises(UsageError):
            function(torch.tensor([1, -1]))


def test_intervals_cover_the_number() -> None:
    logits, labels = guesses(400, 3)
    for metric in (BALANCED_ACCURACY, MACRO_AUC):
        interval = metric.interval(logits, labels, draws=100)
        assert interval.low < interval.value < interval.high
        assert interval.value == metric(logits, labels)
        assert interval.n == 400
        assert 0.02 < interval.high - interval.low < 0.15
        assert metric.private_when == "low"
