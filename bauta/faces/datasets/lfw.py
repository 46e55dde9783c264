"""Labeled Faces in the Wild: Huang, Ramesh, Berg and Learned-Miller, University of Massachusetts TR 07-49, 2007.

13,233 pictures of 5,749 people as `Name/Name_0001.jpg`: the originals or the funneled ones (250 x 250, color), or
copies that are aligned already (112 x 112).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta import zoo
from bauta.errors import BadFile
from bauta.faces.datasets.base import Verification
from bauta.faces.datasets.pairs import Pair
from bauta.faces.datasets.reading import Landmarks
from bauta.faces.datasets.store import Store, base, by_base, find_text, pictures
from bauta.faces.detect import Detector

__all__ = ["EMOTIONS", "LFW", "parse_pairs"]

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")
GENDERS = {"M": 0, "F": 1}
NAME = re.compile(r"(.+)_(\d{4})\.\w+")
PAIRS = ("pairs.txt", "lfw_pairs.txt", "pairs_LFW.txt")


class LFW(Verification):
    """LFW in a folder or zip, under any top folder.

    The official pairs.txt lies among the files. So may lfw_index.csv, a table with the columns file, gender (M, F),
    emotion and x1, y1 to x5, y5: the landmarks in the 250 x 250 *originals* (funneled pictures are moved, so leave it
    out there). attributes: gender (0 male, 1 female) and emotion (a place in `EMOTIONS`), where there is an index.
    """

    def __init__(self, store: Store, *, detector: Detector | None = None) -> None:
        super().__init__(store, detector=detector)
        index = find_text(store, "lfw_index.csv")
        self.rows = parse_index(index) if index else {}

    @classmethod
    def fits(cls, store: Store) -> bool:
        """Names like LFW's, beside the official pairs or as many as LFW has."""
        found = sum(belongs(name) for name in pictures(store))
        return found >= 13_000 or (found > 0 and find_text(store, *PAIRS) is not None)

    def listed(self) -> list[str]:
        """`Name/Name_0001.jpg` and no other picture; where a set lies there twice, its first copy."""
        return sorted(by_base([name for name in pictures(self.store) if belongs(name)]).values())

    def person(self, name: str) -> str:
        """`Name/Name_0001.jpg` -> `Name`."""
        return base(name).rsplit("_", 1)[0]

    def attributes(self, names: Sequence[str]) -> Mapping[str, Tensor]:
        """gender and emotion."""
        if not self.rows:
            return {}
        labels = [self.rows[base(name)][0] if base(name) in self.rows else (-1, -1) for name in names]
        gender, emotion = torch.tensor(labels, dtype=torch.long).reshape(-1, 2).unbind(1)
        return {"gender": gender, "emotion": emotion}

    def landmarks(self) -> Landmarks:
        """The points of the index."""
        return {file: marks for file, (_, marks) in self.rows.items()}

    def protocol(self) -> list[Pair]:
        """View 2: 6,000 pairs in ten folds."""
        text = find_text(self.store, *PAIRS) or official_pairs()
        # pairs.txt names no file ending, and copies of LFW differ in it
        stems = {base(name).rsplit(".", 1)[0]: name for name in self.names}
        return [
            Pair(stems.get(p.first, p.first), stems.get(p.second, p.second), p.same, p.fold) for p in parse_pairs(text)
        ]


def belongs(name: str) -> bool:
    """Whether a name is `Name/Name_0001.jpg`."""
    match = NAME.fullmatch(base(name))
    return match is not None and f"/{name}".endswith(f"/{match[1]}/{base(name)}")


def official_pairs() -> str:
    """The text of the zoo's pairs.txt. Raises `MissingData`."""
    file = next(file for file in zoo.dataset("lfw").files if file.name == "lfw_pairs.txt")
    return zoo.locate(file).read_text("utf-8")


def parse_index(text: str) -> dict[str, tuple[tuple[int, int], NDArray[np.float64]]]:
    """The index: file -> ((gender, emotion), (5, 2) landmarks). Raises `BadFile`."""
    found = {}
    try:
        for row in csv.DictReader(io.StringIO(text)):
            emotion = EMOTIONS.index(row["emotion"]) if row["emotion"] in EMOTIONS else -1
            marks = np.array([[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in range(1, 6)])
            found[row["file"]] = ((GENDERS.get(row["gender"], -1), emotion), marks)
    except (csv.Error, KeyError, ValueError, TypeError) as error:
        raise BadFile(f"LFW's index needs the columns file, gender, emotion, x1, y1 ... x5, y5 ({error!r}).") from error
    return found


def parse_pairs(text: str) -> list[Pair]:
    """LFW's pairs.txt: a line `folds count`, then for each fold `count` lines `name i j` (one person) and as many
    `name i other j`. pairsDevTrain.txt and pairsDevTest.txt have the count alone, for one fold. Raises `BadFile`.

    Pictures are named without file ending: `Name_0001`.
    """
    try:
        head, *body = [line.split() for line in text.splitlines() if line.strip()]
        folds, count = (int(head[0]), int(head[1])) if len(head) == 2 else (1, int(head[0]))
        if len(body) != 2 * folds * count:
            raise ValueError(f"{2 * folds * count} pairs were promised and {len(body)} came")
        return [to_pair(words, i // (2 * count)) for i, words in enumerate(body)]
    except (ValueError, IndexError) as error:
        raise BadFile(f"This is no list of pairs like LFW's pairs.txt ({error}); get the official one.") from error


def to_pair(words: list[str], fold: int) -> Pair:
    """`name i j` or `name i other j`."""
    first, i, *second, j = words
    if len(second) > 1:
        raise ValueError(f"a line has {len(words)} words")
    other = second[0] if second else first
    return Pair(f"{first}_{int(i):04d}", f"{other}_{int(j):04d}", not second, fold)
