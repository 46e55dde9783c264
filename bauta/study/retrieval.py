"""Who is found when a photo is looked for in a gallery: identification, with some of the photos protected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.metrics import tar_at_far, wilson
from bauta.metrics.base import Interval
from bauta.study.judge import STRICT_FAR, Ledger, filled
from bauta.study.records import Row
from bauta.types import Faces, Images, Templates

SIDES = ("probe", "gallery", "both")
LEARN, PROBE = 0.7, 0.1  # of a person's photos, as published; the rest is the gallery
FEWEST = 9  # photos of a person, so that each part has one
CROWD = " in a crowd"
OTHERS_MASK, BORROWED = (
    "another's mask",
    ("taken for the mask's owner", "found as himself"),
)  # a side, and what is asked


@dataclass(frozen=True)
class Search:
    """Photos of some people in three parts, and of others.

    learn: what a mask is learned from. probe: what is looked for. gallery: where. All with identity, no photo in two.
    crowd: photos of other people, which lie in the gallery too when the metric says so.
    """

    learn: Faces
    probe: Faces
    gallery: Faces
    crowd: Faces

    def __post_init__(self) -> None:
        for name, faces in (("learn", self.learn), ("probe", self.probe), ("gallery", self.gallery)):
            if faces.identity is None:
                raise UsageError(f"A search must know who is who, but {name} has no identity; give faces with it.")


def search(faces: Faces, people: int, least: int, crowd: Faces, seed: int, most: int = 10) -> Search:
    """The first `people` of those who have at least `least` photos; each one's photos by a draw of the seed, 70 percent
    to learn from, 10 to look for, the rest as gallery, at most `most` of each.

    Raises `UsageError` where there are not so many people, or `least` is too few for three parts.
    """
    if least < FEWEST:
        raise UsageError(f"A person's photos make three parts, so least must be at least {FEWEST}; got {least}.")
    if faces.identity is None:
        raise UsageError("A search must know who is who; give faces with identity.")
    who, count = torch.unique(faces.identity, return_counts=True)
    chosen = who[count >= least][:people].tolist()
    if len(chosen) < people:
        raise UsageError(f"Only {len(chosen)} people have {least} photos or more, but {people} were asked for.")
    parts: list[list[Tensor]] = [[], [], []]
    for person in chosen:
        rows = (faces.identity == person).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
        first, second = max(2, round(PROBE * len(rows))), len(rows) - round(LEARN * len(rows))
        for part, kept in zip(parts, (rows[second:], rows[:first][:most], rows[first:second][:most]), strict=True):
            part.append(kept)
    learn, probe, gallery = (faces[torch.cat(part)] for part in parts)
    return Search(learn, probe, gallery, crowd)


@dataclass(frozen=True)
class Reader:
    """What one recognizer makes of a search's clean photos; it is asked once, whatever is protected later."""

    embed: Callable[[Images], Templates]
    probe: Templates
    gallery: Templates
    crowd: Templates

    @classmethod
    def of(cls, embed: Callable[[Images], Templates], photos: Search) -> Reader:
        """The reader's clean templates."""
        return cls(embed, embed(photos.probe.images), embed(photos.gallery.images), embed(photos.crowd.images))


def searched(
    blank: Row, photos: Search, reader: Reader, side: str, probe: Images | None, gallery: Images | None
) -> Iterator[Row]:
    """Rank-1, rank-5 and TAR of everybody's photos, one person protected at a time, as somebody is among others.

    side: who is protected, one of `SIDES`, or "nobody". probe, gallery: the protected photos, where they are needed.
    Rates are means over people, with intervals from resampling people; beside them the worst person's. Raises
    `UsageError` for another side, or one whose protected photos are missing.
    """
    if side not in (*SIDES, "nobody"):
        raise UsageError(f"side must be one of {', '.join(SIDES)} or nobody; got {side!r}.")
    for part, pictures in (("probe", probe), ("gallery", gallery)):
        if side in (part, "both") and pictures is None:
            raise UsageError(f"With side {side!r} the protected photos of the {part} are needed; give {part}=.")
    who, theirs = photos.probe.identity, photos.gallery.identity
    assert who is not None
    assert theirs is not None
    asked = reader.embed(probe) if side in ("probe", "both") and probe is not None else reader.probe
    masked = reader.embed(gallery) if side in ("gallery", "both") and gallery is not None else reader.gallery
    found: dict[str, list[float]] = {}
    accepted, number = [], []
    for person in torch.unique(who).tolist():
        mine = (theirs == person)[:, None]
        there = torch.where(mine, masked, reader.gallery)
        scores = asked[who == person] @ there.T
        strangers = asked[who == person] @ reader.crowd.T
        for suffix, all_scores in (("", scores), (CROWD, torch.cat([scores, strangers], 1))):
            best = all_scores.topk(min(5, all_scores.shape[1])).indices
            hits = torch.cat([theirs, torch.full((strangers.shape[1],), -1)])[best] == person
            found.setdefault(f"rank-1{suffix}", []).append(float(hits[:, 0].float().mean()))
            found.setdefault(f"rank-5{suffix}", []).append(float(hits.any(1).float().mean()))
        number.append(int((who == person).sum()))
        genuine, impostor = scores[:, mine[:, 0]].flatten(), torch.cat([scores[:, ~mine[:, 0]], strangers], 1).flatten()
        same = torch.cat([torch.ones(len(genuine)), torch.zeros(len(impostor))]).bool()
        accepted.append(tar_at_far(torch.cat([genuine, impostor]), same, STRICT_FAR))
    ledger = Ledger(blank, None)
    for metric, rates in found.items():
        yield ledger.mean(metric, torch.tensor(rates), note=f"mean over {len(rates)} people")
    for metric in ("rank-1", f"rank-1{CROWD}"):
        worst = max(range(len(number)), key=lambda i: found[metric][i])
        yield worst_row(
            blank, f"{metric}, worst person", wilson(round(found[metric][worst] * number[worst]), number[worst])
        )
    yield ledger.mean(f"TAR@FAR={STRICT_FAR:g}", torch.tensor(accepted), note="each person's own threshold")


def worst_row(blank: Row, metric: str, rate: Interval) -> Row:
    """The rate of whoever is protected least, with the interval of his own photos."""
    return filled(replace(blank, metric=metric, private_when="low"), rate)
