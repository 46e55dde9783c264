"""Which draws of a face prior are nobody: near to no face that it has learned from, and to none of each other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.faces.images import write_bytes
from bauta.generators.looks import genders
from bauta.generators.population import Population
from bauta.metrics import EER, Interval
from bauta.recognizers import Recognizer
from bauta.recognizers.embedding import embed
from bauta.recognizers.folding import folded
from bauta.types import Faces, Templates

__all__ = ["Lookalike", "Vetted", "judged", "lookalike", "recognized", "stranger_threshold", "vet", "write_vetted"]

BATCH, VIEWS = 16, 4
ROWS = 1000  # of a table of cosines at a time


@dataclass(frozen=True)
class Lookalike:
    """Somebody who would know a face again: a folded recognizer, the templates of the `known` faces under it (N, D),
    in the same order for all, and the cosine from which on two faces are taken for one person."""

    recognizer: Recognizer
    known: Templates
    threshold: float


@dataclass(frozen=True)
class Vetted:
    """The people who were found to be nobody, how many were drawn for them, and why the others were not taken.

    nearest: recognizer -> for each of the people, the highest cosine of any of their pictures to a known face.
    """

    population: Population
    drawn: int
    refused: dict[str, int]
    nearest: dict[str, list[float]]


def lookalike(
    recognizer: Recognizer, sets: Sequence[Faces], progress: Callable[[int], None] | None = None
) -> Lookalike:
    """A recognizer that knows the faces of all sets, and whose strangers are those of the largest set with names.

    Near is what one in 10,000 pairs of these reaches. Raises `UsageError` where no set says who is who.
    """
    quick = folded(recognizer)
    templates = [embed(quick, faces, progress=progress) for faces in sets]
    named = [(t, f.identity) for t, f in zip(templates, sets, strict=True) if f.identity is not None]
    if not named:
        raise UsageError("How near strangers come is read off a set whose people have names: give one with --data.")
    return Lookalike(quick, torch.cat(templates), stranger_threshold(*max(named, key=lambda one: len(one[0]))))


def stranger_threshold(templates: Templates, identity: Tensor, far: float = 1e-4) -> float:
    """The cosine that pairs of different people (all there are in (N, D), (N,)) exceed with a share of `far`.

    Raises `UsageError` where there are too few pairs to say.
    """
    counts: Tensor = torch.zeros(2_000_001, dtype=torch.int64)  # of cosines, in steps of a millionth
    for start in range(0, len(templates), ROWS):
        rows = slice(start, start + ROWS)
        cosines = templates[rows] @ templates.T
        later = torch.arange(len(templates))[None] > torch.arange(len(templates))[rows, None]
        found = cosines[later & (identity[rows, None] != identity[None])]
        counts += torch.bincount(((found.double().clamp(-1, 1) + 1) * 1e6).long(), minlength=2_000_001)
    pairs = int(counts.sum())
    if pairs * far < 1:
        raise UsageError(f"{pairs} pairs of strangers do not show what happens in {far:g} of them; give more faces.")
    above = counts.flip(0).cumsum(0).flip(0)
    return float(int((above > pairs * far).sum()) / 1e6 - 1)


def vet(
    population: Population,
    lookalikes: Mapping[str, Lookalike],
    count: int,
    *,
    most: int = 100_000,
    told: Callable[[int, int], None] | None = None,
) -> Vetted:
    """Draw people from a population's prior and seed, number after number, until `count` of them are nobody.

    A person is refused where any of their first `VIEWS` pictures is nearer to one of the known faces than the threshold
    of each lookalike, or where their pictures are on the average nearer than that to those of somebody who was taken
    before. That all must agree is what makes it mean something: among tens of thousands of faces nearly everybody has
    a stranger who looks alike to one recognizer. told: how many were taken, of how many drawn. Raises `UsageError`
    where `most` draws do not give them.
    """
    if not lookalikes:
        raise UsageError("Whether somebody is nobody must be asked of a recognizer; name two.")
    taken: list[int] = []
    means: dict[str, list[Tensor]] = {name: [] for name in lookalikes}
    nearest: dict[str, list[float]] = {name: [] for name in lookalikes}
    refused: Counter[str] = Counter()
    for start in range(0, most, BATCH):
        numbers = range(start, start + BATCH)
        people = [n for n in numbers for _ in range(VIEWS)]
        faces = Faces(population.pictures(people, [*range(VIEWS)] * BATCH))
        templates = {name: embed(one.recognizer, faces).view(BATCH, VIEWS, -1) for name, one in lookalikes.items()}
        for place, number in enumerate(numbers):
            mine = {name: rows[place] for name, rows in templates.items()}
            known = {name: mine[name] @ one.known.T for name, one in lookalikes.items()}
            # zeros in front, to which nobody is near, stand for those taken before as long as there are none
            others = {name: torch.stack([0 * m[0], *means[name]]) @ m.mean(0) for name, m in mine.items()}
            if agreed(known, lookalikes):
                refused["near to a known face"] += 1
            elif agreed(others, lookalikes):
                refused["near to one taken before"] += 1
            else:
                taken.append(number)
                for name in lookalikes:
                    means[name].append(mine[name].mean(0))
                    nearest[name].append(float(known[name].max()))
            if told:
                told(len(taken), number + 1)
            if len(taken) == count:
                found = replace(population, people=tuple(taken))
                return Vetted(replace(found, gender=genders(found)), number + 1, dict(refused), nearest)
    raise UsageError(f"Of {most} draws {len(taken)} were nobody, too few for {count}; ask for fewer ({dict(refused)}).")


def write_vetted(path: Path, vetted: Vetted, lookalikes: Mapping[str, Lookalike]) -> None:
    """The list that `bauta.generators.population.read_population` reads, with the distances beside it."""
    said = {
        "seed": vetted.population.seed,
        "amount": vetted.population.amount,
        "drawn": vetted.drawn,
        "refused": vetted.refused,
        "thresholds": {name: round(one.threshold, 4) for name, one in lookalikes.items()},
        "known": {name: len(one.known) for name, one in lookalikes.items()},
        "nearest": {name: [round(x, 3) for x in found] for name, found in vetted.nearest.items()},
        "people": list(vetted.population.people),
        "gender": list(vetted.population.gender),
    }
    write_bytes(path, (json.dumps(said) + "\n").encode())


def agreed(cosines: Mapping[str, Tensor], lookalikes: Mapping[str, Lookalike]) -> bool:
    """Whether somebody is near to the same one under all of them."""
    near = [cosines[name] > one.threshold for name, one in lookalikes.items()]
    return bool(torch.stack(near).all(0).any())


def recognized(faces: Faces, lookalikes: Mapping[str, Lookalike]) -> tuple[dict[str, Tensor], float]:
    """Of faces that nobody has learned from, for comparison: recognizer -> (B,) the highest cosine to a known face, and
    the share of them that all would take for the same known face."""
    known = {name: embed(one.recognizer, faces) @ one.known.T for name, one in lookalikes.items()}
    near = torch.stack([known[name] > one.threshold for name, one in lookalikes.items()])
    return {name: cosines.amax(1) for name, cosines in known.items()}, float(near.all(0).any(1).double().mean())


def judged(faces: Faces, recognizer: Recognizer) -> tuple[Tensor, Interval]:
    """Of pictures of several people: the cosines of pictures of one person, and the equal error rate over all pairs,
    with its interval over people."""
    assert faces.identity is not None
    templates = embed(folded(recognizer), faces)
    first, second = torch.triu_indices(len(faces), len(faces), 1)
    who = torch.stack([faces.identity[first], faces.identity[second]], 1)
    scores, same = (templates[first] * templates[second]).sum(1), who[:, 0] == who[:, 1]
    return scores[same], EER.interval(scores, same, who, draws=200)
