"""Privacy scores against the published rule in plain loops, and at the ends of their scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.errors import ShapeError, UsageError
from bauta.metrics import privacy_scores
from bauta.metrics.privacy_score import _Counts, _interval


def people(number: int, pictures: int, seed: int, noise: float = 0.7) -> tuple[Tensor, Tensor]:
    """Templates of `number` people around a center each, and who they are (shuffled)."""
    g = torch.Generator().manual_seed(seed)
    identity = torch.arange(number).repeat_interleave(pictures)
    centers = torch.randn(number, 16, generator=g)
    order = torch.randperm(len(identity), generator=g)
    return (centers[identity] + noise * torch.randn(len(identity), 16, generator=g))[order], identity[order] + 100


def setting(noise: float = 0.8) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Six of 24 people attacked, one of them in two pictures, one who has a single picture."""
    real, identity = people(24, 5, 0)
    keep = ~((identity == 103) & (torch.arange(len(identity)) != int((identity == 103).nonzero()[0])))
    real, identity = real[keep], identity[keep]
    rows = [int((identity == who).nonzero()[0]) for who in (103, 107, 101, 119, 122, 110)]
    attacked = torch.tensor([*rows, int((identity == 107).nonzero()[2])])
    guess = real[attacked] + noise * torch.randn(7, 16, generator=torch.Generator().manual_seed(1))
    return guess, real, identity, attacked


def unit(x: Tensor) -> NDArray[np.float32]:
    return (x / x.norm(dim=1, keepdim=True)).numpy()


def by_hand(guess: Tensor, real: Tensor, identity: Tensor, attacked: Tensor) -> dict[str, float]:
    """The rule, pair by pair."""
    r, who = unit(real), identity.tolist()
    own, cross = (r @ r.T).tolist(), (unit(guess) @ r.T).tolist()
    targets = {who[a] for a in attacked.tolist()}
    genuine, impostor, first, others = [], [], [], []
    for i in range(len(r)):
        for j in range(len(r)):
            if who[i] in targets and who[j] == who[i] and i != j:
                genuine.append(own[i][j])
            if who[i] in targets and who[j] not in targets:
                impostor.append(own[i][j])
    for t, a in enumerate(attacked.tolist()):
        for j in range(len(r)):
            if j == a:
                first.append(cross[t][j])
            elif who[j] == who[a]:
                others.append(cross[t][j])

    def share(scores: list[float], threshold: float, *, equal: bool) -> float:
        found = np.array(scores)
        return float((found >= threshold if equal else found > threshold).mean())

    grid = np.linspace(min(genuine + impostor), max(impostor), 1000)
    gaps = [share(genuine, t, equal=False) - share(impostor, t, equal=False) for t in grid]
    fars = np.array([share(impostor, t, equal=False) for t in grid])
    best = grid[int(np.argmax(gaps))]
    below = 1 - share(impostor, best, equal=True)
    found = {"threshold": best, "accuracy": 50 * (share(genuine, best, equal=True) + below)}
    found |= {"psi": 50 * (share(first, best, equal=True) + below), "first": len(first)}
    found |= {"psii": 50 * (share(others, best, equal=True) + below), "others": len(others)}
    for far in (1e-2, 1e-3, 1e-4):
        apart = np.abs(fars - far)
        threshold = grid[apart == apart.min()].mean()
        found[f"sar {far}"] = 100 * share(first, threshold, equal=True)
        found[f"others {far}"] = 100 * share(others, threshold, equal=True)
    return found


@pytest.mark.parametrize("noise", [0.3, 0.9, 2.0])
def test_scores_are_the_published_rule(noise: float) -> None:
    setup = setting(noise)
    found, expected = privacy_scores(*setup, draws=20), by_hand(*setup)
    assert found.threshold == pytest.approx(expected["threshold"], abs=1e-5)
    assert found.accuracy == pytest.approx(expected["accuracy"], abs=1e-6)
    assert found.psi.value == pytest.approx(expected["psi"], abs=1e-6)
    assert found.psii is not None
    assert found.sar_others is not None
    assert found.psii.value == pytest.approx(expected["psii"], abs=1e-6)
    assert (found.psi.n, found.psii.n) == (expected["first"], expected["others"]) == (7, 4 * 6)
    for far, interval in found.sar.items():
        assert interval.value == pytest.approx(expected[f"sar {far}"], abs=1e-6)
        assert found.sar_others[far].value == pytest.approx(expected[f"others {far}"], abs=1e-6)


def test_pictures_themselves_leak_all_and_strangers_nothing() -> None:
    real, identity = people(60, 4, 3, noise=0.3)
    attacked = torch.tensor([int((identity == 100 + k).nonzero()[0]) for k in range(30)])
    whole = privacy_scores(real[attacked], real, identity, attacked)
    assert whole.psii is not None
    assert min(whole.psi.value, whole.psii.value) > 97
    strangers = torch.randn(30, 16, generator=torch.Generator().manual_seed(9))
    blind = privacy_scores(strangers, real, identity, attacked)
    assert blind.psi.value < 57
    assert blind.psi.low <= blind.psi.value <= blind.psi.high
    assert blind.sar[1e-3].value < 10


def test_intervals_come_from_resampling_people() -> None:
    """Each draw is the rule itself on the people drawn; the others stay."""
    guess, real, identity, attacked = setting(0.9)
    rest, drawn = [], []
    generator = torch.Generator().manual_seed(4)
    targets = torch.unique(identity[attacked])
    others = ~torch.isin(identity, targets)
    for _ in range(12):
        names = torch.randint(len(targets), (len(targets),), generator=generator)
        g, r, i, a = [], [real[others]], [identity[others]], []
        place = int(others.sum())
        for copy, name in enumerate(names.tolist()):
            rows = (identity == targets[name]).nonzero().flatten()
            for t in (identity[attacked] == targets[name]).nonzero().flatten().tolist():
                g.append(guess[t])
                a.append(place + int((rows == attacked[t]).nonzero()))
            r.append(real[rows])
            i.append(torch.full((len(rows),), 1000 + copy))
            place += len(rows)
        drawn.append(by_hand(torch.stack(g), torch.cat(r), torch.cat(i), torch.tensor(a))["psi"])
        rest.append(len(g))
    found = privacy_scores(guess, real, identity, attacked, draws=12, seed=4)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.psi.low == pytest.approx(low, abs=0.6)  # each draw's grid ends at its own highest impostor
    assert found.psi.high == pytest.approx(high, abs=0.6)
    assert len(set(rest)) > 1


def test_the_ends_leave_a_fortieth_of_the_draws_outside() -> None:
    """Draws in which nobody has a score do not count."""
    scored = _Counts(torch.zeros(2, 1), torch.zeros(2, 1), torch.tensor([3.0, 0.0]).double())
    times = torch.tensor([[1, 1], *[[1, 0]] * 41, [0, 2]]).double()
    values = torch.cat([torch.tensor([7.0]), torch.arange(41.0).flip(0), torch.tensor([99.0])])[:, None].double()
    found = _interval(values, scored, times)
    assert (found.value, found.low, found.high, found.n) == pytest.approx((7, 1, 39, 3))


def test_one_target_is_enough() -> None:
    guess, real, identity, attacked = setting(0.9)
    one = (guess[1:2], real, identity, attacked[1:2])
    found, expected = privacy_scores(*one), by_hand(*one)
    assert found.psi.value == pytest.approx(expected["psi"], abs=1e-6)
    assert found.sar[1e-2].value == pytest.approx(expected["sar 0.01"], abs=1e-6)
    assert found.psi.n == 1
    whole = privacy_scores(*setting(0.9))
    assert whole == privacy_scores(*setting(0.9), draws=1000, seed=0) != privacy_scores(*setting(0.9), seed=1)


def test_people_with_one_picture_have_no_others() -> None:
    real, identity = people(10, 1, 5)
    real2, identity2 = people(4, 3, 6)
    with pytest.raises(UsageError, match="second picture"):
        privacy_scores(real[:2], real, identity, torch.tensor([0, 1]))
    both, names = torch.cat([real, real2]), torch.cat([identity, identity2 + 500])
    found = privacy_scores(both[[0, 10]], both, names, torch.tensor([0, 10]), draws=50)
    assert found.psii is not None
    assert found.psii.n == 2


def test_what_makes_no_sense_is_refused() -> None:
    guess, real, identity, attacked = setting()
    with pytest.raises(ShapeError, match="one identity"):
        privacy_scores(guess, real, identity[1:], attacked)
    with pytest.raises(UsageError, match="rows of the"):
        privacy_scores(guess, real, identity, attacked + len(real))
    with pytest.raises(UsageError, match="finite"):
        privacy_scores(guess / 0, real, identity, attacked)
    with pytest.raises(UsageError, match="not attacked"):
        privacy_scores(guess[:1], real[identity == 107], identity[identity == 107], torch.tensor([0]))
