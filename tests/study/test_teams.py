"""Team selection: failures against plain loops, rankings against every team scored by hand."""

from __future__ import annotations

import pickle
from itertools import combinations
from math import isnan
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional as F

from bauta import zoo
from bauta.errors import ShapeError, UsageError
from bauta.faces import Pairs
from bauta.metrics import DIVERSITY, GD, disagreement, generalized_diversity
from bauta.recognizers import Recognizer, load
from bauta.study.teams import Failures, crowd, enroll, pair_failures, rank1_failures, rank_teams
from bauta.types import Faces

Q = next(d for d in DIVERSITY if d.name == "q")


def team() -> list[Recognizer]:
    return [tiny.recognizer(name, seed=seed) for seed, name in enumerate(("one", "two", "three"))]


def people(number: int = 20, each: int = 4, noise: float = 0.35) -> Faces:
    """Noisy pictures, each person's in a row."""
    base = tiny.pictures(number, seed=2).repeat_interleave(each, 0)
    loud = noise * torch.randn(base.shape, generator=torch.Generator().manual_seed(0))
    return Faces((base + loud).clamp(0, 1), torch.arange(number * each) // each)


def drawn(members: int = 4, samples: int = 200) -> Failures:
    """Failures at four rates that partly go together, five samples a person."""
    g = torch.Generator().manual_seed(0)
    hard = torch.rand(samples, generator=g)
    rates = torch.linspace(0.6, 0.75, members)[:, None]
    matrix = 0.5 * torch.rand(members, samples, generator=g) + 0.5 * hard > rates
    return Failures(tuple("abcdefgh"[:members]), matrix, torch.arange(samples) // 5, "made")


def test_rank1_failures_are_those_of_a_nearest_neighbor() -> None:
    faces, networks, told = people(), team(), []
    found = rank1_failures(networks, faces, seed=3, batch_size=32, progress=told.append)
    gallery = enroll(faces.identity, 1, 3)
    assert (found.names, found.matrix.shape) == (("one", "two", "three"), (3, 60))
    assert torch.equal(found.people, faces.identity[~gallery])
    assert "20 people" in found.task
    assert told == [32, 32, 16] * 3
    for network, row in zip(networks, found.matrix, strict=True):
        templates = network.embed(faces.images).numpy()
        nearest = NearestNeighbors(n_neighbors=1).fit(templates[gallery]).kneighbors(templates[~gallery])[1][:, 0]
        named = faces.identity[gallery].numpy()[nearest]
        assert torch.equal(row, torch.from_numpy(named != found.people.numpy()))
        assert 0 < row.sum() < 60
    assert found.counts == {n: int(c) for n, c in zip(found.names, found.matrix.sum(1), strict=True)}
    assert set(found.few) == {name for name, count in found.counts.items() if count < 30}


def test_enrolled_pictures_are_drawn_by_the_seed() -> None:
    identity = torch.tensor([5, 5, 5, 7, 9, 9, 9, 9])
    for number in (1, 2):
        chosen = enroll(identity, number, 0)
        counts = {who: int(chosen[identity == who].sum()) for who in (5, 7, 9)}
        assert counts == {5: number, 7: 1, 9: number}
    first = {int(enroll(identity, 1, seed)[4:].nonzero()) for seed in range(40)}
    assert first == {0, 1, 2, 3}
    assert torch.equal(enroll(identity, 2, 1), enroll(identity, 2, 1))


def test_pair_failures_at_a_recorded_threshold_and_at_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    (tmp_path / "two.pth").write_bytes(b"")
    zoo.register("two", tmp_path / "two.pth", "iresnet50", threshold=0.9)
    faces = people(16, 2, 0.5)
    even = torch.arange(0, 32, 2)
    first, second = torch.cat([even, even]), torch.cat([even + 1, (even + 3) % 32])
    same, fold = torch.arange(32) < 16, torch.arange(32) % 2
    found = pair_failures(team(), Pairs(faces, first, second, same, fold))
    assert torch.equal(found.people, torch.stack([faces.identity[first], faces.identity[second]], 1))
    for network, row in zip(team(), found.matrix, strict=True):
        scores = [F.cosine_similarity(*network.embed(faces.images[[a, b]])[:, None])[0].item() for a, b in
                  zip(first.tolist(), second.tolist(), strict=True)]  # fmt: skip
        wrong = [[(s > line) != y for s, y in zip(scores, same.tolist(), strict=True)] for line in (*scores, -1)]
        if network.name == "two":
            assert row.tolist() == [(s > 0.9) != y for s, y in zip(scores, same.tolist(), strict=True)]
            assert row.sum() > min(map(sum, wrong))
        else:
            assert row.sum() == min(map(sum, wrong))


def by_hand(matrix: Tensor, rows: tuple[int, ...]) -> float:
    """Focal GD over all failures of each member."""
    some = matrix[list(rows)]
    return float(np.mean([generalized_diversity(some[:, own]) for own in some]))


def test_every_team_is_scored_and_the_most_diverse_is_first() -> None:
    failures = drawn()
    found = rank_teams(failures, draws=100)
    assert [len(t.members) for t in found] == [2] * 6 + [3] * 4 + [4]
    assert len({t.members for t in found}) == 11
    for size in (2, 3, 4):
        expected = {
            tuple(failures.names[i] for i in rows): by_hand(failures.matrix, rows)
            for rows in combinations(range(4), size)
        }
        same = [t for t in found if len(t.members) == size]
        assert {t.members: t.score for t in same} == pytest.approx(expected)
        assert same[0].members == max(expected, key=expected.__getitem__)
        assert [t.score for t in same] == pytest.approx(sorted(expected.values(), reverse=True))
        assert [t.best for t in same] == [True] + [False] * (len(same) - 1)
        assert all(t.lead is None for t in same[1:])
        if size < 4:
            assert same[0].lead.value == pytest.approx(same[0].score - same[1].score)
            assert same[0].lead.low <= same[0].lead.value <= same[0].lead.high
    for t in found:
        rows = [failures.names.index(name) for name in t.members]
        assert t.whole["disagreement"] == disagreement(failures.matrix[rows])
        assert t.whole.keys() == {d.name for d in DIVERSITY}
        assert t.interval.low < t.score < t.interval.high
        assert t.interval.value == t.score
    assert rank_teams(failures, size=3, draws=100) == [t for t in found if len(t.members) == 3]
    assert rank_teams(failures, size=2, top=2, draws=100) == found[:2]


def test_where_low_is_diverse_the_lowest_is_first_over_all_samples() -> None:
    failures = drawn()
    found = rank_teams(failures, Q, size=2, draws=100)
    assert [t.score for t in found] == sorted(t.whole["q"] for t in found)
    assert found[0].lead.value == pytest.approx(found[1].score - found[0].score)


def test_an_interval_counts_people() -> None:
    """The same failures as if each sample were another person."""
    failures = drawn()
    loose = Failures(failures.names, failures.matrix, None, "made")
    one, other = (rank_teams(f, size=4, draws=200)[0] for f in (failures, loose))
    assert one.score == other.score
    assert one.interval != other.interval


def test_members_that_never_fail_are_left_out_and_said_so() -> None:
    matrix = drawn(2).matrix
    some = Failures(("a", "b", "never"), torch.cat([matrix, torch.zeros(1, 200, dtype=torch.bool)]), None, "made")
    found = {t.members: t for t in rank_teams(some, draws=50)}
    assert found["a", "b"].left_out == ()
    assert found["a", "b", "never"].left_out == found["a", "never"].left_out == ("never",)
    assert found["a", "never"].score == 1, "of two, the other never fails with it"
    nobody = rank_teams(Failures(("a", "b"), torch.zeros(2, 9, dtype=torch.bool), None, "made"), GD, draws=50)
    assert (isnan(nobody[0].score), nobody[0].interval, nobody[0].best) == (True, None, False)


def test_a_team_needs_two_and_their_names() -> None:
    for size in (0, 1, 5):
        with pytest.raises(UsageError, match=f"of 4 networks there is none of {size}"):
            rank_teams(drawn(), size=size)
    with pytest.raises(UsageError, match="of 1 networks there is none of 2"):
        rank_teams(drawn(1))
    with pytest.raises(UsageError, match="one came twice"):
        rank1_failures([team()[0], team()[0]], people(4))
    with pytest.raises(ShapeError, match="one row for each of 2 networks"):
        Failures(("a", "b"), torch.zeros(3, 4, dtype=torch.bool), None, "made")
    for nobody in (Faces(tiny.pictures(4)), Faces(tiny.pictures(4), torch.arange(4))):
        with pytest.raises(UsageError, match="Rank-1 needs people with 2 pictures or more"):
            rank1_failures(team(), nobody)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine people with 1 to 5 pictures, gray values that say who and which."""
    for number in range(9):
        for picture in range(1 + number % 5):
            path = tmp_path / "people" / f"p{number}" / f"{picture}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (112, 112), 10 * number + picture).save(path)
    return tmp_path / "people"


def test_a_crowd_is_spread_over_people(folder: Path) -> None:
    def told(faces: Faces) -> list[tuple[int, int]]:
        return [divmod(round(255 * x), 10) for x in faces.images[:, 0, 0, 0].tolist()]

    everyone = told(crowd(folder, 100))
    assert {who for who, _ in everyone} == {1, 2, 3, 4, 6, 7, 8}, "0 and 5 have one picture"
    assert len(set(everyone)) == len(everyone) == 2 + 3 + 4 + 5 + 2 + 3 + 4
    few = told(crowd(folder, 9, seed=1))
    assert sorted([who for who, _ in few].count(who) for who in {who for who, _ in few}) == [2, 2, 2, 3]
    assert told(crowd(folder, 9, seed=1)) == few
    assert len({tuple(told(crowd(folder, 6, seed=seed))) for seed in range(8)}) > 4
    assert {who for who, _ in told(crowd(folder, 12, least=4))} <= {3, 4, 8}
    with pytest.raises(UsageError, match="0 such people"):
        crowd(folder, 100, least=6)
    with pytest.raises(UsageError, match="3 pictures were asked for"):
        crowd(folder, 3)


def test_pictures_of_nobody_known_are_refused(tmp_path: Path) -> None:
    Image.new("L", (112, 112)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="has 0 such people"):
        crowd(tmp_path)
    picture = (tmp_path / "a.png").read_bytes()
    (tmp_path / "pack.bin").write_bytes(pickle.dumps(([picture] * 4, [True, False])))
    with pytest.raises(UsageError, match="does not say who is who"):
        crowd(tmp_path / "pack.bin")


@pytest.mark.mirror
def test_a_strong_and_a_weak_network_on_real_faces(mirror: Path) -> None:
    faces = crowd("lfw", 80)
    assert torch.equal(torch.bincount(faces.identity).unique(), torch.tensor([0, 2]))
    names = ("mobilefacenet-y1-ms1m", "mobileface-v3")
    found = rank1_failures([load(name) for name in names], faces)
    counts = [found.counts[name] for name in names]
    assert found.matrix.shape == (2, 40)
    assert counts[0] <= 4 < counts[1]
    (pair,) = rank_teams(found, draws=50)
    assert pair.members == names
    assert pair.whole["disagreement"] == (found.matrix[0] != found.matrix[1]).float().mean()
