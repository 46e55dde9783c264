"""What protection costs: against hand-made loops on a small protocol."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from bauta.faces import Pairs
from bauta.pipeline import Pipeline, System
from bauta.protections import GaussianNoise
from bauta.study.records import Row
from bauta.study.verification import ACCURACY, LOST, TAR, verified

BLANK = Row("x / utility", "x", "utility", "the authorized recognizer", "", None)
NETWORK = tiny.recognizer()


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    """Twenty people with two noisy pictures each, forty pairs in four folds."""
    base = tiny.pictures(20, seed=2).repeat_interleave(2, 0)
    noise = 0.15 * torch.randn(base.shape, generator=torch.Generator().manual_seed(0))
    even = torch.arange(0, 40, 2)
    faces = tiny.faces(40)
    faces.images.copy_((base + noise).clamp(0, 1))
    first, second = torch.cat([even, even]), torch.cat([even + 1, (even + 3) % 40])
    return Pairs(faces, first, second, torch.arange(40) < 20, torch.arange(40) % 4)


def by_tar(scores: NDArray[np.float32], same: NDArray[np.bool_]) -> float:
    """TAR at the FAR, by sklearn."""
    false, true, _ = roc_curve(same, scores, drop_intermediate=False)
    return float(true[false <= 0.001].max())


def accuracy_by_hand(scores: NDArray[np.float32], same: NDArray[np.bool_], fold: NDArray[np.int64]) -> float:
    """Each fold at the threshold of the others that is right most often, by trying every one."""
    rates = []
    for f in np.unique(fold):
        rest, own = fold != f, fold == f
        tried = np.sort(np.concatenate([scores[rest] - 1e-6, [1.0]]))
        line = max(tried, key=lambda t: ((scores[rest] > t) == same[rest]).mean())
        rates.append(((scores[own] > line) == same[own]).mean())
    return float(np.mean(rates))


def test_bare_recognition_loses_nothing(pairs: Pairs) -> None:
    plain = Pipeline(NETWORK)
    rows = {row.metric: row for row in verified(BLANK, System(plain, plain), pairs)}
    assert list(rows) == [ACCURACY, ACCURACY + LOST, TAR, TAR + LOST]
    for metric in (ACCURACY, TAR):
        lost = rows[metric + LOST]
        assert (lost.value, lost.low, lost.high) == (0, 0, 0)
    assert all(row.n == 40 and row.private_when == "" and row.role == "utility" for row in rows.values())


def test_the_numbers_are_those_computed_by_hand(pairs: Pairs) -> None:
    plain, noisy = Pipeline(NETWORK), Pipeline(NETWORK, GaussianNoise(1.5))
    rows = {row.metric: row.value for row in verified(BLANK, System(plain, noisy), pairs)}
    with torch.no_grad():
        live, stored = plain.templates(pairs.faces), noisy.templates(pairs.faces)
    same, fold = pairs.same.numpy(), pairs.fold.numpy()
    now = (live[pairs.first] * stored[pairs.second]).sum(1).numpy()
    was = (live[pairs.first] * live[pairs.second]).sum(1).numpy()
    tar = [by_tar(scores, same) for scores in (now, was)]
    assert rows[TAR] == pytest.approx(tar[0])
    assert rows[TAR + LOST] == pytest.approx(tar[1] - tar[0])
    assert by_tar(was, same) > by_tar(now, same)
    right = [accuracy_by_hand(scores, same, fold) for scores in (now, was)]
    assert rows[ACCURACY] == pytest.approx(right[0], abs=0.026)  # thresholds that tie may decide one pair otherwise
    assert rows[ACCURACY + LOST] == pytest.approx(right[1] - right[0], abs=0.051)
