"""Searches: how photos are parted, and who is found, against loops by hand, scikit-learn and scipy."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.metrics import roc_curve
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.study.records import Row
from bauta.study.retrieval import SIDES, Reader, Search, search, searched
from bauta.types import Faces, Source

BLANK = Row("c", "s", "attack", "tiny", "", None)
NONE = Faces(torch.zeros(0, 3, 2, 2))


def photos_of(counts: dict[int, int]) -> Faces:
    """So many photos a person, of noise; each knows its number."""
    who = torch.tensor([person for person, number in counts.items() for _ in range(number)])
    images = torch.rand(len(who), 3, 2, 2, generator=torch.Generator().manual_seed(0))
    return Faces(images, who, source=[Source(f"{i}.png", f"{i:064x}") for i in range(len(who))])


def numbers(faces: Faces) -> list[str]:
    return [source.file for source in faces.source]


def people(faces: Faces) -> list[int]:
    assert faces.identity is not None
    return [int(person) for person in faces.identity]


def parts(made: Search) -> list[Faces]:
    return [made.learn, made.probe, made.gallery]


def test_photos_are_parted_as_published_a_person_and_none_is_in_two() -> None:
    faces = photos_of({3: 40, 5: 8, 6: 100, 8: 20, 9: 30})
    made = search(faces, 3, 10, NONE, seed=0)
    assert [Counter(people(part)) for part in parts(made)] == [
        {3: 28, 6: 70, 8: 14},  # 70 percent
        {3: 4, 6: 10, 8: 2},  # 10 percent
        {3: 8, 6: 10, 8: 4},  # 20 percent, at most ten
    ]
    everything = [number for part in parts(made) for number in numbers(part)]
    assert len(set(everything)) == len(everything) == 28 + 70 + 14 + 16 + 22
    truth = dict(zip(numbers(faces), people(faces), strict=True))
    assert all(truth[n] == p for part in parts(made) for n, p in zip(numbers(part), people(part), strict=True))
    few = search(faces, 3, 10, NONE, seed=0, most=3)
    assert [Counter(people(part)) for part in parts(few)[1:]] == [{3: 3, 6: 3, 8: 2}, {3: 3, 6: 3, 8: 3}]
    assert numbers(few.learn) == numbers(made.learn)


@given(st.integers(9, 200), st.integers(0, 5))
@hypothesis_settings(max_examples=30, deadline=None)
def test_every_part_has_a_photo(number: int, seed: int) -> None:
    made = search(photos_of({0: number}), 1, 9, NONE, seed, most=number)
    found = [numbers(part) for part in parts(made)]
    assert all(found)
    assert sorted([name for part in found for name in part], key=lambda name: int(name[:-4])) == [
        f"{i}.png" for i in range(number)
    ]


def test_the_parts_follow_the_seed_alone() -> None:
    faces = photos_of({0: 20, 1: 25, 2: 20})
    torch.manual_seed(1)
    first = search(faces, 2, 10, NONE, seed=0)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert [numbers(p) for p in parts(search(faces, 2, 10, NONE, seed=0))] == [numbers(p) for p in parts(first)]
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert numbers(search(faces, 2, 10, NONE, seed=1).probe) != numbers(first.probe)
    # more people, or other people's photos, change nobody's parts
    more = search(faces, 3, 10, NONE, seed=0)
    assert [numbers(part)[: len(p)] for part, p in zip(parts(more), parts(first), strict=True)] == [
        numbers(p) for p in parts(first)
    ]


def test_a_search_says_what_it_cannot_do() -> None:
    faces = photos_of({0: 20, 1: 12, 2: 20})
    with pytest.raises(UsageError, match=r"Only 2 people have 20 photos or more, but 3 were asked for\."):
        search(faces, 3, 20, NONE, 0)
    with pytest.raises(UsageError, match="least must be at least 9; got 8"):
        search(faces, 3, 8, NONE, 0)
    with pytest.raises(UsageError, match="give faces with identity"):
        search(replace(faces, identity=None), 1, 20, NONE, 0)
    with pytest.raises(UsageError, match="but gallery has no identity"):
        Search(faces, faces, replace(faces, identity=None), NONE)


COUNTS = {2: (5, 4), 4: (3, 6), 7: (7, 5), 9: (2, 3)}  # person -> probes, gallery


def noisy(base: Tensor, which: list[int], seed: int) -> Tensor:
    """A person's pictures: theirs and everybody's own noise, enough that some are mistaken."""
    draws = torch.Generator().manual_seed(seed)
    return (base[which] + 0.25 * torch.randn(len(which), 3, tiny.SIDE, tiny.SIDE, generator=draws)).clamp(0, 1)


@pytest.fixture(scope="module")
def scene() -> tuple[Search, Reader, Tensor, Tensor]:
    """Four people among thirty strangers, a tiny recognizer, and protected photos that are another picture each."""
    base = tiny.pictures(60, seed=4)
    probes = [person for person, (number, _) in COUNTS.items() for _ in range(number)]
    gallery = [person for person, (_, number) in COUNTS.items() for _ in range(number)]
    photos = Search(
        Faces(base[:4], torch.tensor(list(COUNTS))),
        Faces(noisy(base, probes, 0), torch.tensor(probes)),
        Faces(noisy(base, gallery, 1), torch.tensor(gallery)),
        Faces(noisy(base, list(range(20, 50)), 2)),
    )
    recognizer = tiny.recognizer(embedding=24)

    def embed(images: Tensor) -> Tensor:
        with torch.no_grad():
            return recognizer.embed(images)

    probe, gallery = (0.5 * part.images + 0.5 * base[i] for part, i in ((photos.probe, 50), (photos.gallery, 51)))
    return photos, Reader.of(embed, photos), probe, gallery


def rates(rows: list[Row]) -> dict[str, float]:
    return {row.metric: math.nan if row.value is None else row.value for row in rows}


@pytest.mark.parametrize("side", [*SIDES, "nobody"])
def test_who_is_found_agrees_with_a_loop_by_hand(side: str, scene: tuple[Search, Reader, Tensor, Tensor]) -> None:
    photos, reader, probe, gallery = scene
    found = rates(list(searched(BLANK, photos, reader, side, probe, gallery)))

    def templates(images: Tensor) -> list[list[float]]:
        return [[float(x) for x in row] for row in reader.embed(images)]

    asked = templates(probe if side in ("probe", "both") else photos.probe.images)
    clean, masked = templates(photos.gallery.images), templates(gallery)
    crowd = templates(photos.crowd.images)
    expected: dict[str, list[float]] = {}
    nearest = []
    for person in COUNTS:
        there = [
            (masked[i] if side in ("gallery", "both") and owner == person else clean[i], owner)
            for i, owner in enumerate(people(photos.gallery))
        ]
        everybody = there + [(template, -1) for template in crowd]
        hits: dict[str, list[bool]] = {}
        same, scores = [], []
        for template, owner in zip(asked, people(photos.probe), strict=True):
            if owner != person:
                continue
            for suffix, who in (("", there), (" in a crowd", everybody)):
                ranked = sorted(who, key=lambda x: -sum(a * b for a, b in zip(template, x[0], strict=True)))
                hits.setdefault(f"rank-1{suffix}", []).append(ranked[0][1] == person)
                hits.setdefault(f"rank-5{suffix}", []).append(person in [owner for _, owner in ranked[:5]])
            scores += [sum(a * b for a, b in zip(template, x, strict=True)) for x, _ in everybody]
            same += [owner == person for _, owner in everybody]
        # scikit-learn's neighbors of the same photos
        search_tree = NearestNeighbors(n_neighbors=1).fit(np.array([x for x, _ in everybody]))
        mine = np.array([t for t, owner in zip(asked, people(photos.probe), strict=True) if owner == person])
        names = np.array([owner for _, owner in everybody])
        nearest.append(float((names[search_tree.kneighbors(mine)[1][:, 0]] == person).mean()))
        for name, flags in hits.items():
            expected.setdefault(name, []).append(sum(flags) / len(flags))
        fpr, tpr, _ = roc_curve(same, scores, drop_intermediate=False)
        expected.setdefault("TAR@FAR=0.001", []).append(float(tpr[fpr <= 0.001].max()))
    for name, by_person in expected.items():
        assert found[name] == pytest.approx(sum(by_person) / len(by_person)), name
    assert found["rank-1 in a crowd"] == pytest.approx(sum(nearest) / len(nearest))
    assert {n: r for n, r in found.items() if n.endswith("worst person")} == pytest.approx(
        {f"{name}, worst person": max(expected[name]) for name in ("rank-1", "rank-1 in a crowd")}
    )
    assert len(set(expected["rank-1 in a crowd"])) > 1  # else the loop would tell little


def test_the_sides_differ_and_the_crowd_only_takes_away(scene: tuple[Search, Reader, Tensor, Tensor]) -> None:
    photos, reader, probe, gallery = scene
    found = {s: rates(list(searched(BLANK, photos, reader, s, probe, gallery))) for s in (*SIDES, "nobody")}
    assert len({tuple(numbers.values()) for numbers in found.values()}) == 4
    for numbers_ in found.values():
        for rank in ("rank-1", "rank-5"):
            assert numbers_[f"{rank} in a crowd"] <= numbers_[rank]
        assert numbers_["rank-1"] <= numbers_["rank-5"]
    # pictures of a side that is not protected are not looked at
    assert rates(list(searched(BLANK, photos, reader, "probe", probe, None))) == found["probe"]
    assert rates(list(searched(BLANK, photos, reader, "gallery", None, gallery))) == found["gallery"]
    assert (
        rates(list(searched(BLANK, photos, reader, "both", photos.probe.images, photos.gallery.images)))
        == found["nobody"]
    )


def plain(vectors: list[list[float]]) -> Tensor:
    """Vectors as pictures whose template they are."""
    return F.pad(torch.tensor(vectors), (0, -len(vectors[0]) % 3)).view(len(vectors), 3, 1, -1)


def directions(images: Tensor) -> Tensor:
    return F.normalize(images.flatten(1))


def test_one_person_is_protected_at_a_time() -> None:
    """The second person's mask brings him to the first, who would not be found if both were protected at once."""
    first, second, stranger = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    who = torch.tensor([0, 1])
    photos = Search(*(Faces(plain([first, second]), who) for _ in range(3)), Faces(plain([stranger])))
    masks = plain([[0.5, 0.0, 0.8], [0.9, -0.4, 0.0]])
    found = rates(list(searched(BLANK, photos, Reader.of(directions, photos), "gallery", None, masks)))
    assert found["rank-1"] == found["rank-1 in a crowd"] == 0.5  # the second is not, since his mask turns away from him
    assert found["rank-1, worst person"] == 1


def test_intervals_resample_people_and_the_worst_person_has_his_own() -> None:
    """Ten people of whom the k-th is found k times of his photos; the number of photos differs too."""
    axes = torch.eye(11).tolist()
    hits = {k: (k, 10 if k % 2 else 20) for k in range(10)}
    probes, who = [], []
    for person, (number, tried) in hits.items():
        probes += [axes[person]] * number + [axes[10]] * (tried - number)
        who += [person] * tried
    gallery = Faces(plain(axes[:10]), torch.arange(10))
    photos = Search(gallery, Faces(plain(probes), torch.tensor(who)), gallery, Faces(plain([axes[10]])))
    found = {r.metric: r for r in searched(BLANK, photos, Reader.of(directions, photos), "nobody", None, None)}
    row = found["rank-1 in a crowd"]
    shares = np.array([number / tried for number, tried in hits.values()])
    ends = scipy_bootstrap((shares,), np.mean, method="percentile", n_resamples=9999, rng=0).confidence_interval
    assert (row.value, row.n, row.note) == (pytest.approx(shares.mean()), 10, "mean over 10 people")
    assert row.value != pytest.approx(sum(n for n, _ in hits.values()) / len(who))  # of the probes
    assert (row.low, row.high) == (pytest.approx(ends.low, abs=0.03), pytest.approx(ends.high, abs=0.03))
    worst = found["rank-1 in a crowd, worst person"]
    own = binomtest(9, 10).proportion_ci(method="wilson")
    assert (worst.value, worst.n) == (0.9, 10)
    assert (worst.low, worst.high) == (pytest.approx(own.low), pytest.approx(own.high))
    assert {row.private_when for row in found.values()} == {"low"}


def test_a_reader_is_asked_about_clean_photos_once(scene: tuple[Search, Reader, Tensor, Tensor]) -> None:
    photos, reader, probe, gallery = scene
    asked: list[int] = []

    def embed(images: Tensor) -> Tensor:
        asked.append(len(images))
        return reader.embed(images)

    counted = Reader.of(embed, photos)
    once = [len(photos.probe), len(photos.gallery), len(photos.crowd)]
    assert asked == once
    for side in SIDES:
        list(searched(BLANK, photos, counted, side, probe, gallery))
    assert asked == [*once, once[0], once[1], once[0], once[1]]


def test_searches_refuse_what_would_pass_for_protection(scene: tuple[Search, Reader, Tensor, Tensor]) -> None:
    photos, reader, probe, gallery = scene
    with pytest.raises(UsageError, match="side must be one of probe, gallery, both or nobody; got 'probes'"):
        list(searched(BLANK, photos, reader, "probes", probe, gallery))
    with pytest.raises(UsageError, match="the protected photos of the gallery are needed; give gallery="):
        list(searched(BLANK, photos, reader, "both", probe, None))
    with pytest.raises(UsageError, match="the protected photos of the probe are needed; give probe="):
        list(searched(BLANK, photos, reader, "probe", None, gallery))
