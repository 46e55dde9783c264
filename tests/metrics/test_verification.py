"""Verification metrics against scikit-learn, plain loops and algebra."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor

from bauta.errors import ShapeError, UsageError
from bauta.metrics import (
    AUC,
    EER,
    auc,
    best_threshold,
    eer,
    pmt_accuracy,
    rank1,
    roc,
    srra,
    tar_at_far,
    tar_metric,
    ten_fold_accuracy,
    threshold_at_far,
)
from bauta.metrics.verification import fold_threshold, hits, mean_of_folds


def comparisons(n: int = 800, seed: int = 0, step: float = 0.0) -> tuple[Tensor, Tensor]:
    """Overlapping scores of mates and impostors; `step` rounds them, which makes ties."""
    g = torch.Generator().manual_seed(seed)
    same = torch.rand(n, generator=g) < 0.4
    scores = 0.3 * same + 0.2 * torch.randn(n, generator=g)
    return ((scores / step).round() * step if step else scores), same


# scores on a coarse grid, so that ties within and across the classes are the rule; both classes are there
graded = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({same for _, same in rows}) == 2
)


def unpack(rows: list[tuple[int, bool]]) -> tuple[Tensor, Tensor]:
    return torch.tensor([s / 4 for s, _ in rows]), torch.tensor([b for _, b in rows])


@settings(max_examples=100, deadline=None)
@given(graded)
def test_roc_and_auc_are_sklearns(rows: list[tuple[int, bool]]) -> None:
    scores, same = unpack(rows)
    ours = roc(scores, same)
    fpr, tpr, _ = roc_curve(same, scores, drop_intermediate=False)
    assert np.allclose(ours.fpr, fpr)
    assert np.allclose(ours.tpr, tpr)
    assert auc(scores, same) == pytest.approx(roc_auc_score(same, scores))


@settings(max_examples=100, deadline=None)
@given(graded)
def test_each_threshold_gives_its_rates_when_applied(rows: list[tuple[int, bool]]) -> None:
    scores, same = unpack(rows)
    for fpr, tpr, threshold in zip(*roc(scores, same), strict=True):
        accepted = scores > float(threshold)
        assert accepted[~same].double().mean() == fpr
        assert accepted[same].double().mean() == tpr


@settings(max_examples=100, deadline=None)
@given(graded, st.sampled_from([0.0, 0.01, 0.1, 0.3, 1.0]))
def test_tar_at_far_is_the_best_of_all_thresholds(rows: list[tuple[int, bool]], far: float) -> None:
    scores, same = unpack(rows)
    best = 0.0
    for threshold in [*(scores.double() - 0.125).tolist(), 2.0]:
        accepted = scores.double() > threshold
        if accepted[~same].double().mean() <= far:
            best = max(best, accepted[same].double().mean().item())
    assert tar_at_far(scores, same, far) == best
    accepted = scores > threshold_at_far(scores, same, far)
    assert accepted[~same].double().mean() <= far
    assert accepted[same].double().mean() == best


@settings(max_examples=100, deadline=None)
@given(graded)
def test_best_threshold_beats_every_other(rows: list[tuple[int, bool]]) -> None:
    scores, same = unpack(rows)
    ours = ((scores > best_threshold(scores, same)) == same).sum()
    assert ours == max(((scores > t / 8) == same).sum() for t in range(-9, 10))


@pytest.mark.parametrize("step", [0.0, 0.05])
def test_eer_is_where_sklearns_curve_crosses_the_diagonal(step: float) -> None:
    scores, same = comparisons(step=step)
    fpr, tpr, _ = roc_curve(same, scores, drop_intermediate=False)
    assert eer(scores, same) == pytest.approx(brentq(lambda x: 1 - x - interp1d(fpr, tpr)(x), 0, 1), abs=1e-6)


@pytest.mark.parametrize(("flip", "expected"), [(1, (1.0, 0.0)), (-1, (0.0, 1.0)), (0, (0.5, 0.5))])
def test_perfect_inverted_and_constant_scores(flip: int, expected: tuple[float, float]) -> None:
    same = torch.tensor([True, True, False, False, False])
    scores = flip * torch.tensor([0.9, 0.8, 0.2, 0.1, 0.1])
    assert (auc(scores, same), eer(scores, same)) == pytest.approx(expected)


def test_neighboring_floats_are_still_parted() -> None:
    high, same = torch.tensor(0.3), torch.tensor([True, False])
    for _ in range(8):  # half of the pairs of neighbors have their middle rounded up
        low, high = high, torch.nextafter(high, torch.tensor(1.0))
        scores = torch.stack([high, low])
        assert ((scores > best_threshold(scores, same)) == same).all()
        assert tar_at_far(scores, same, 0) == 1


def test_thresholds_lie_in_the_middle() -> None:
    """Between two scores, and of the thresholds that are equally good."""
    same = torch.tensor([True, False])
    assert best_threshold(torch.tensor([0.9, 0.5]), same) == pytest.approx(0.7)
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])
    # accepting 1, 3 or 5 decides three of five rightly
    assert best_threshold(scores, torch.tensor([True, False, True, False, True])) == pytest.approx(0.65)


def test_hits_are_the_protocols_decisions() -> None:
    """Folds of unlike sizes: each counts alike, and numbers may be missing among them."""
    scores, same = comparisons(n=300, seed=2)
    fold = torch.tensor([0, 2, 2, 5, 5, 5]).repeat(50)
    right = hits(scores, same, fold)
    for f in (0, 2, 5):
        line = fold_threshold(scores[fold != f], same[fold != f])
        own = fold == f
        assert right[own].tolist() == ((scores[own] > line) == same[own]).double().tolist()
    parts = [float(right[fold == f].mean()) for f in (0, 2, 5)]
    assert mean_of_folds(right, fold) == pytest.approx(sum(parts) / 3)
    assert mean_of_folds(right, fold) == pytest.approx(ten_fold_accuracy(scores, same, fold).accuracy)
    assert mean_of_folds(torch.tensor([1.0, 0.0, 1.0]).double(), torch.tensor([0, 1, 1])) == 0.75


def test_ten_folds_as_a_plain_loop() -> None:
    scores, same = comparisons(n=300, seed=1, step=0.01)
    fold = torch.arange(300) % 10
    accuracies, thresholds = [], []
    for f in range(10):
        train = [(s, y) for s, y, k in zip(scores.tolist(), same.tolist(), fold.tolist(), strict=True) if k != f]
        test = [(s, y) for s, y, k in zip(scores.tolist(), same.tolist(), fold.tolist(), strict=True) if k == f]
        lowest, highest = min(s for s, _ in train), max(s for s, _ in train)
        candidates = [k / 1000 for k in range(math.floor(lowest * 1000) - 1, math.ceil(highest * 1000) + 1)]
        right = [sum((s > t) == y for s, y in train) for t in candidates]
        equal = [t for t, hits in zip(candidates, right, strict=True) if hits == max(right)]
        best = equal[0]
        accuracies.append(sum((s > best) == y for s, y in test) / len(test))
        thresholds.append(best)
    ours = ten_fold_accuracy(scores, same, fold)
    assert ours.accuracy == pytest.approx(np.mean(accuracies))
    assert ours.deviation == pytest.approx(np.std(accuracies))
    assert ours.threshold == pytest.approx(np.mean(thresholds), abs=1e-6)


def test_a_fold_is_not_judged_at_its_own_threshold() -> None:
    """Two folds, each separable alone, at thresholds that fail on the other."""
    scores = torch.tensor([0.1, 0.2, 0.8, 0.9])
    same = torch.tensor([False, True, False, True])
    assert ten_fold_accuracy(scores, same, torch.tensor([0, 0, 1, 1])).accuracy == 0.5


def test_rank1_as_a_plain_loop() -> None:
    g = torch.Generator().manual_seed(2)
    people = torch.randn(30, 8, generator=g)
    gallery_ids = torch.randperm(60, generator=g) % 30
    probe_ids = torch.randint(0, 30, (1500,), generator=g)  # more than one block of rows
    gallery = (people[gallery_ids] + torch.randn(60, 8, generator=g)) * torch.rand(60, 1, generator=g)
    probes = people[probe_ids] + torch.randn(1500, 8, generator=g)
    unit = gallery.numpy() / np.linalg.norm(gallery.numpy(), axis=1, keepdims=True)
    theirs = [gallery_ids[int(np.argmax(unit @ p))].item() == i for p, i in zip(probes.numpy(), probe_ids, strict=True)]
    ours = rank1(probes, gallery, probe_ids, gallery_ids)
    assert ours.tolist() == theirs
    assert 0.3 < ours.double().mean() < 0.99


def test_rank1_of_templates_that_say_nothing_is_a_miss() -> None:
    ids = torch.arange(5)
    assert not rank1(torch.ones(5, 3), torch.ones(5, 3), ids, ids).any()


def test_rank1_wants_everybody_enrolled() -> None:
    with pytest.raises(UsageError, match="1 of 2 probes"):
        rank1(torch.eye(2), torch.eye(2), torch.tensor([1, 9]), torch.tensor([1, 2]))


def test_pmt_accuracy_is_equation_10() -> None:
    """All eight cases, written out."""
    k, above, below = 0.2, 0.5, 0.1
    cases = [  # self, pair, same, right
        (above, above, True, True),
        (above, below, True, False),
        (above, above, False, False),
        (above, below, False, True),
        (below, above, True, False),
        (below, below, True, False),
        (below, above, False, False),
        (below, below, False, False),
    ]
    own, pair, same, right = zip(*cases, strict=True)
    assert pmt_accuracy(torch.tensor(own), torch.tensor(pair), torch.tensor(same), k).tolist() == list(right)
    assert srra(torch.tensor(own), k).tolist() == [True] * 4 + [False] * 4


@pytest.mark.parametrize("metric", [AUC, EER, tar_metric(0.1)], ids=lambda m: m.name)
def test_what_has_no_meaning_is_refused(metric) -> None:  # type: ignore[no-untyped-def]
    scores = torch.tensor([0.1, 0.2, 0.3])
    with pytest.raises(UsageError, match="got 3 and 0"):
        metric(scores, torch.ones(3, dtype=torch.bool))
    with pytest.raises(UsageError, match="got 0 and 3"):
        metric(scores, torch.zeros(3, dtype=torch.bool))
    with pytest.raises(UsageError, match="2 of 3 are NaN"):
        metric(torch.tensor([0.1, torch.nan, torch.inf]), torch.tensor([True, False, True]))
    with pytest.raises(ShapeError, match="must be bool"):
        metric(scores, torch.tensor([1, 0, 1]))
    with pytest.raises(ShapeError, match="one a score"):
        metric(scores, torch.tensor([True, False]))


def test_other_nonsense_is_refused() -> None:
    scores, same = comparisons(20)
    with pytest.raises(UsageError, match="two folds"):
        ten_fold_accuracy(scores, same, torch.zeros(20))
    with pytest.raises(UsageError, match=r"\[0, 1\]"):
        tar_at_far(scores, same, 1.5)
    with pytest.raises(UsageError, match="at least one pair"):
        best_threshold(torch.zeros(0), torch.zeros(0, dtype=torch.bool))


def test_directions() -> None:
    assert (AUC.private_when, EER.private_when, tar_metric(0.001).private_when) == ("low", "high", "low")
    assert tar_metric(0.001).name == "TAR@FAR=0.001"
