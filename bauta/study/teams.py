"""Which recognizers to make a mask against: the team whose members fail most differently.

The team selection of P3-Mask (Chow, Hu, Huang and Liu, Personalized Privacy Protection Mask Against Unauthorized Facial
Recognition, ECCV 2024) by focal diversity (`bauta.metrics.focal_diversity`). The paper does not say what a failure is,
which score it takes, nor the team's size. Here a failure is a wrong rank-1 answer in a gallery, or, since strong
networks have few of these, a pair that is decided wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby, zip_longest
from math import isnan
from pathlib import Path

import torch
from torch import Tensor

from bauta import zoo
from bauta.errors import ShapeError, UsageError
from bauta.faces import Pairs
from bauta.faces.datasets import DataSet, open_data
from bauta.metrics import DIVERSITY, GD, Diversity, Interval, best_threshold, bootstrap, focal_diversity, rank1
from bauta.recognizers import Recognizer
from bauta.recognizers.embedding import embed
from bauta.recognizers.folding import folded
from bauta.types import Faces

Told = Callable[[int], None] | None

ENOUGH = 30
"""A member with fewer failures tells little about any team."""

UNEQUAL = 4
"""So many times the failures of another, and a member's weakness may pass for diversity."""


@dataclass(frozen=True)
class Failures:
    """Which of the networks called `names` fail on which samples of a `task` (words).

    matrix: (L, N) bool. people: whose sample it is, (N,), or which two people it compares, (N, 2); None where that is
    unknown.
    """

    names: tuple[str, ...]
    matrix: Tensor
    people: Tensor | None
    task: str

    def __post_init__(self) -> None:
        if self.matrix.dtype != torch.bool or self.matrix.ndim != 2 or len(self.matrix) != len(self.names):
            raise ShapeError(
                f"failures must be bool, one row for each of {len(self.names)} networks, got {self.matrix.dtype} of "
                f"shape {tuple(self.matrix.shape)}."
            )

    @property
    def counts(self) -> dict[str, int]:
        """Name -> how many failures."""
        return dict(zip(self.names, self.matrix.sum(1).tolist(), strict=True))

    @property
    def few(self) -> tuple[str, ...]:
        """Networks with less than `ENOUGH` failures."""
        return tuple(name for name, count in self.counts.items() if count < ENOUGH)


@dataclass(frozen=True)
class TeamScore:
    """A team and how diverse it is.

    score: focal, over all failures of each member, where the score can be (see `Diversity`), else over all samples; NaN
    where nothing can be said.
    interval: 95 %, over people; None where fewer than half of the draws have a meaning. left_out: members without
    failures, which were nobody's focus. whole: name -> each score of `DIVERSITY` over all samples, not focal. best:
    whether it is the most diverse of its size. lead: of the best, how far the next one is behind, 0 or more; None for
    others, and where there is no interval.
    """

    members: tuple[str, ...]
    score: float
    interval: Interval | None
    left_out: tuple[str, ...]
    whole: Mapping[str, float]
    best: bool
    lead: Interval | None


def crowd(data: str | Path, pictures: int = 1200, *, least: int = 2, seed: int = 0) -> Faces:
    """At most `pictures` faces of a data set, of as many people as have `least` pictures in it and can have them here.

    People, and their pictures, are drawn by the seed. Raises `UsageError` where fewer than two people have so many,
    `MissingData`.
    """
    opened = open_data(data)
    if not isinstance(opened, DataSet):
        raise UsageError(f"{data} does not say who is who; give a data set, or a folder, with one folder a person.")
    albums: dict[str, list[str]] = {}
    for name in opened.names:
        who = opened.person(name)
        if who is not None:
            albums.setdefault(who, []).append(name)
    known = [albums[who] for who in sorted(albums) if len(albums[who]) >= least]
    if min(len(known), pictures // least) < 2:
        raise UsageError(
            f"A gallery needs at least two people with {least} pictures each; {data} has {len(known)} such people, and "
            f"{pictures} pictures were asked for."
        )
    draws = torch.Generator().manual_seed(seed)
    people = torch.randperm(len(known), generator=draws)[: pictures // least].tolist()
    shuffled = [[known[i][j] for j in torch.randperm(len(known[i]), generator=draws).tolist()] for i in people]
    # one more of everybody, round by round
    dealt = [name for again in zip_longest(*shuffled) for name in again if name is not None]
    return opened.read(sorted(dealt[:pictures]))[0]


def rank1_failures(
    recognizers: Sequence[Recognizer],
    faces: Faces,
    *,
    enrolled: int = 1,
    seed: int = 0,
    batch_size: int = 64,
    progress: Told = None,
) -> Failures:
    """Probes against a gallery of everybody: a failure is a stranger who is as similar as the person, or more.

    enrolled: how many pictures of each person are in the gallery, drawn by the seed; all others are probes. progress is
    told how many pictures a network just embedded. Raises `UsageError` where nobody says who is who, or has a probe.
    """
    who = faces.identity
    gallery = None if who is None else enroll(who, enrolled, seed)
    if who is None or gallery is None or gallery.all():
        raise UsageError(
            f"Rank-1 needs people with {enrolled + 1} pictures or more, {enrolled} to enroll and one to ask about, and "
            f"none of these {len(faces)} faces is known to be of such."
        )

    def fails(recognizer: Recognizer) -> Tensor:
        templates = embed(folded(recognizer), faces, batch_size, progress)
        return ~rank1(templates[~gallery], templates[gallery], who[~gallery], who[gallery])

    task = f"rank-1 among {len(torch.unique(who))} people, {int(gallery.sum())} pictures enrolled"
    return Failures(_names(recognizers), torch.stack([fails(r) for r in recognizers]), who[~gallery], task)


def enroll(identity: Tensor, enrolled: int, seed: int) -> Tensor:
    """(N,) bool, true for `enrolled` pictures of each person, drawn by the seed; all of who has no more."""
    order = torch.randperm(len(identity), generator=torch.Generator().manual_seed(seed))
    chosen = torch.zeros(len(identity), dtype=torch.bool)
    for person in torch.unique(identity):
        chosen[order[identity[order] == person][:enrolled]] = True
    return chosen


def pair_failures(
    recognizers: Sequence[Recognizer], pairs: Pairs, *, batch_size: int = 64, progress: Told = None
) -> Failures:
    """A failure is a pair that a network decides wrongly at the threshold of its record.

    One without a record, or whose record has none, gets the best threshold on these very pairs, which flatters it.
    """

    def fails(recognizer: Recognizer) -> Tensor:
        templates = embed(folded(recognizer), pairs.faces, batch_size, progress)
        scores = (templates[pairs.first] * templates[pairs.second]).sum(1)
        known = zoo.threshold(recognizer.name)
        line = best_threshold(scores, pairs.same) if known is None else known
        return (scores > line) != pairs.same

    who = pairs.faces.identity
    people = None if who is None else torch.stack([who[pairs.first], who[pairs.second]], 1)
    task = f"verification of {len(pairs)} pairs at each one's own threshold"
    return Failures(_names(recognizers), torch.stack([fails(r) for r in recognizers]), people, task)


def rank_teams(
    failures: Failures,
    score: Diversity = GD,
    *,
    size: int | None = None,
    top: int = 10,
    draws: int = 1000,
    seed: int = 0,
) -> list[TeamScore]:
    """The `top` teams of each size from 2 on, or of one size, the most diverse first; all possible teams are scored.

    draws: for the intervals. Raises `UsageError` where there is no team of the size.
    """
    total = len(failures.names)
    sizes = range(2, max(2, total) + 1) if size is None else (size,)
    if not 2 <= sizes[0] <= total:
        raise UsageError(f"A team has 2 members or more; of {total} networks there is none of {sizes[0]}.")
    found = []
    for number in sizes:
        scored = [(_score(failures.matrix[list(rows)], score), rows) for rows in combinations(range(total), number)]
        scored.sort(key=lambda pair: (isnan(pair[0]), -pair[0] if score.diverse_when == "high" else pair[0]))
        lead = _lead(failures, score, scored[0][1], scored[1][1], draws, seed) if len(scored) > 1 else None
        for place, (value, rows) in enumerate(scored[:top]):
            best = place == 0 and not isnan(value)
            found.append(_record(failures, score, rows, value, best, lead if best else None, draws, seed))
    return found


def _names(recognizers: Sequence[Recognizer]) -> tuple[str, ...]:
    names = tuple(r.name for r in recognizers)
    twice = [name for name, same in groupby(sorted(names)) if len(list(same)) > 1]
    if twice:
        raise UsageError(f"Members of a team are known by their names, but {twice[0]} came twice.")
    return names


def _score(matrix: Tensor, score: Diversity) -> float:
    if not score.focal:
        return score(matrix)
    # all failures count: a few drawn ones would be quicker, and put a noise of their own into the interval
    return focal_diversity(matrix, score, samples=matrix.shape[1]).value


def _record(
    failures: Failures,
    score: Diversity,
    rows: tuple[int, ...],
    value: float,
    best: bool,
    lead: Interval | None,
    draws: int,
    seed: int,
) -> TeamScore:
    matrix, counts = failures.matrix[list(rows)], failures.counts
    names = tuple(failures.names[row] for row in rows)
    interval = _interval(lambda some: _score(some, score), matrix, failures.people, draws, seed)
    left_out = tuple(name for name in names if score.focal and not counts[name])
    return TeamScore(names, value, interval, left_out, {d.name: d(matrix) for d in DIVERSITY}, best, lead)


def _lead(
    failures: Failures, score: Diversity, best: Sequence[int], following: Sequence[int], draws: int, seed: int
) -> Interval | None:
    """How much more diverse one team is than another, on the same draws of people."""
    sign = 1 if score.diverse_when == "high" else -1

    def ahead(some: Tensor) -> float:
        return sign * (_score(some[list(best)], score) - _score(some[list(following)], score))

    return _interval(ahead, failures.matrix, failures.people, draws, seed)


def _interval(
    statistic: Callable[[Tensor], float], matrix: Tensor, people: Tensor | None, draws: int, seed: int
) -> Interval | None:
    """Of a statistic of failures; None where most draws of people have none."""

    def of_rows(rows: Tensor) -> float:
        value = statistic(rows.T)
        if isnan(value):
            raise UsageError("Nobody fails here.")
        return value

    try:
        return bootstrap(of_rows, matrix.T, groups=people, draws=draws, seed=seed)
    except UsageError:
        return None
