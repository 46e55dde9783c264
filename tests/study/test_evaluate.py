"""A recognizer on a protocol, against scikit-learn and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from sklearn.metrics import roc_auc_score, roc_curve
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.faces import Pairs
from bauta.recognizers.embedding import embed
from bauta.study.evaluate import evaluate
from bauta.types import Faces

FOLDS = 4


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """80 pairs over 40 pictures of 20 people: two pictures of one person are nearly alike."""
    faces = tiny.pictures(20, seed=3).repeat_interleave(2, 0)
    faces = (faces + 0.35 * torch.randn(faces.shape, generator=torch.Generator().manual_seed(4))).clamp(0, 1)
    same = torch.arange(80) % 2 == 0
    first = torch.arange(80) // 2
    # the other picture of the same person, or one of somebody else further on
    second = torch.where(same, first ^ 1, (first + 7) % 40)
    # folds of unequal sizes
    fold = torch.tensor([0] * 30 + [1] * 20 + [2] * 20 + [3] * 10)
    return Pairs(Faces(faces, torch.arange(40) // 2), first, second, same, fold)


def scores_by_loop(pairs: Pairs) -> np.ndarray:
    network = tiny.recognizer()
    found = []
    for a, b in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True):
        x, y = (network.embed(pairs.faces.images[i : i + 1])[0] for i in (a, b))
        found.append(float(F.cosine_similarity(x, y, dim=0)))
    return np.array(found)


def test_the_figures_are_those_of_other_code(pairs: Pairs) -> None:
    found = evaluate(tiny.recognizer(), pairs, batch_size=7)
    scores, same, fold = scores_by_loop(pairs), pairs.same.numpy(), pairs.fold.numpy()
    accuracies = []
    for f in range(FOLDS):
        train, test = fold != f, fold == f
        first, last = np.floor(scores[train].min() * 1000) - 1, np.ceil(scores[train].max() * 1000)
        lines = np.arange(first, last + 1) / 1000
        # of equally good thresholds the lowest
        best = max(lines, key=lambda t: (((scores[train] > t) == same[train]).sum(), -t))
        accuracies.append(((scores[test] > best) == same[test]).mean())
    assert 0.6 < np.mean(accuracies) < 1
    assert found.accuracy.value == pytest.approx(np.mean(accuracies))
    assert found.deviation == pytest.approx(np.std(accuracies))
    assert found.auc.value == pytest.approx(roc_auc_score(same, scores))
    fpr, tpr, _ = roc_curve(same, scores, drop_intermediate=False)
    assert found.tar[1e-2].value == pytest.approx(tpr[fpr <= 1e-2].max())
    assert np.abs(fpr - (1 - tpr)).min() >= abs(found.eer.value - fpr[np.abs(fpr - (1 - tpr)).argmin()]) - 1e-9
    for interval in (found.accuracy, found.auc, found.eer, *found.tar.values()):
        assert interval.low <= interval.value <= interval.high
        assert interval.low < interval.high
        assert interval.n == 80


def test_an_interval_counts_people_and_not_pairs(pairs: Pairs) -> None:
    """The same pairs as if each picture were another person: the interval is another one, the value is not."""
    loose = Pairs(Faces(pairs.faces.images), pairs.first, pairs.second, pairs.same, pairs.fold)
    one, other = evaluate(tiny.recognizer(), pairs), evaluate(tiny.recognizer(), loose)
    assert one.accuracy.value == other.accuracy.value
    assert (one.accuracy.low, one.accuracy.high) != (other.accuracy.low, other.accuracy.high)


def test_each_distinct_picture_is_embedded_once_and_told(pairs: Pairs) -> None:
    seen: list[int] = []
    network = tiny.recognizer()
    templates = embed(network, pairs.faces, 16, seen.append)
    assert seen == [16, 16, 8]
    torch.testing.assert_close(templates, network.embed(pairs.faces.images), rtol=0, atol=1e-6)


def test_one_fold_has_no_others_to_learn_from(pairs: Pairs) -> None:
    single = Pairs(pairs.faces, pairs.first, pairs.second, pairs.same, torch.zeros(80, dtype=torch.long))
    with pytest.raises(UsageError, match="at least two folds"):
        evaluate(tiny.recognizer(), single)
