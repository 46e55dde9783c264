"""Labeled Faces in the Wild: Huang, Ramesh, Berg and Learned-Miller, University of Massachusetts TR 07-49, 2007.

13,233 pictures of 5,749 people as `Name/Name_0001.jpg`: the originals or the funneled ones (250 x 250, color), or
copies that are aligned already (112 x 112).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bauta.errors import BadFile, MissingData
from bauta.faces.datasets.pairs import Pair, Pairs, index_pairs, subset
from bauta.faces.datasets.reading import Landmarks, read_faces
from bauta.faces.datasets.store import Store, by_base, pictures
from bauta.faces.detect import Detector
from bauta.types import Faces

__all__ = ["EMOTIONS", "LFW", "read_pairs"]

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")
NAME = re.compile(r"(.+)_(\d{4})\.\w+")


class LFW:
    """LFW in a folder or zip, under any top folder.

    store: the pictures. pairs: the official pairs.txt (or another file of its layout). index: a table with the columns
    file, gender (M, F), emotion and x1, y1 to x5, y5, the landmarks in the 250 x 250 *originals*, not in the funneled
    ones. detector: finds the face where the picture is not aligned and the index does not know it.
    """

    def __init__(
        self, store: Store, *, pairs: Path | None = None, index: Path | None = None, detector: Detector | None = None
    ) -> None:
        self.store = store
        self.detector = detector
        self.pairs_file = pairs
        self.rows = read_index(index) if index else {}
        self.files = {base: name for base, name in by_base(pictures(store)).items() if NAME.fullmatch(base)}
        if not self.files:
            raise MissingData(f"{store} holds no file like Name/Name_0001.jpg; give the folder or zip of LFW.")
        self.people = sorted({person(base) for base in self.files})

    def faces(self, limit: int | None = None) -> Faces:
        """The first `limit` pictures by name. identity: the place of the name among all names of the set, sorted.

        attributes, where there is an index: gender (0 male, 1 female), emotion (a place in `EMOTIONS`), -1 unknown.
        """
        return self.read(sorted(self.files)[:limit])[0]

    def pairs(self, limit: int | None = None) -> Pairs:
        """The protocol, or a balanced part of about `limit` pairs; only the pictures that it needs are read."""
        if self.pairs_file is None:
            raise MissingData(f"No pairs.txt belongs to {self.store}; put LFW's official one beside the pictures.")
        protocol = read_pairs(self.pairs_file)
        if limit is not None and limit < len(protocol):
            protocol = [protocol[i] for i in subset([p.same for p in protocol], [p.fold for p in protocol], limit)]
        needed = sorted({name for p in protocol for name in (p.first, p.second)})
        # pairs.txt says .jpg whatever the copy's files end in
        stems = {base.rsplit(".", 1)[0]: base for base in self.files}
        absent = [name for name in needed if name not in stems]
        if absent:
            raise BadFile(
                f"{len(absent)} pictures of the protocol are not in {self.store}, as {absent[0]}; get the whole set."
            )
        faces, kept = self.read([stems[name] for name in needed])
        read = [needed[i] for i in kept]
        known = set(read)
        return index_pairs([p for p in protocol if p.first in known and p.second in known], faces, read)

    def read(self, bases: list[str]) -> tuple[Faces, list[int]]:
        """The pictures called `bases` with their labels, and which of `bases` could be read."""
        marks: Landmarks = {base: row[1] for base, row in self.rows.items()}
        plain, kept = read_faces(self.store, [self.files[b] for b in bases], detector=self.detector, landmarks=marks)
        number = {name: i for i, name in enumerate(self.people)}
        identity = torch.tensor([number[person(bases[i])] for i in kept], dtype=torch.long)
        labels = [self.rows[bases[i]][0] if bases[i] in self.rows else (-1, -1) for i in kept]
        attributes = dict(zip(("gender", "emotion"), columns(labels), strict=True)) if self.rows else {}
        return Faces(plain.images, identity, attributes, plain.source), kept


def columns(rows: Iterable[tuple[int, ...]]) -> Iterable[Tensor]:
    """Rows of integers -> one tensor a column."""
    return torch.tensor(list(rows), dtype=torch.long).T.contiguous()


def person(base: str) -> str:
    """`Name_0001.jpg` -> `Name`."""
    return base.rsplit("_", 1)[0]


def read_index(path: Path) -> dict[str, tuple[tuple[int, int], np.ndarray]]:
    """The index: file -> ((gender, emotion), (5, 2) landmarks). Raises `BadFile`."""
    genders = {"M": 0, "F": 1}
    found = {}
    try:
        for row in csv.DictReader(io.StringIO(path.read_text("utf-8"))):
            emotion = EMOTIONS.index(row["emotion"]) if row["emotion"] in EMOTIONS else -1
            marks = np.array([float(row[f"{axis}{i}"]) for i in range(1, 6) for axis in "xy"]).reshape(5, 2)
            found[row["file"]] = ((genders.get(row["gender"], -1), emotion), marks)
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError, TypeError) as error:
        raise BadFile(
            f"{path} is no index with the columns file, gender, emotion, x1, y1 ... x5, y5 ({error})."
        ) from error
    return found


def read_pairs(path: Path) -> list[Pair]:
    """LFW's pairs.txt: a line `folds count`, then of each fold `count` genuine lines (name, i, j) and as many impostor
    ones (name, i, name, j). pairsDevTrain.txt has one number in the first line, and one fold. Raises `BadFile`.

    Pictures are named without their ending, `Name_0001`.
    """
    try:
        lines = [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
        head, body = [int(word) for word in lines[0]], lines[1:]
        folds, count = head if len(head) == 2 else (1, *head)
        if len(body) != 2 * folds * count:
            raise ValueError(f"{2 * folds * count} lines were promised, {len(body)} came")
        return [to_pair(words, i // (2 * count)) for i, words in enumerate(body)]
    except (OSError, UnicodeDecodeError, ValueError, IndexError) as error:
        raise BadFile(f"{path} is no list of pairs as LFW's pairs.txt ({error}); get the official one.") from error


def to_pair(words: list[str], fold: int) -> Pair:
    if len(words) == 3:
        name, i, j = words
        return Pair(f"{name}_{int(i):04d}", f"{name}_{int(j):04d}", True, fold)
    name, i, other, j = words
    return Pair(f"{name}_{int(i):04d}", f"{other}_{int(j):04d}", False, fold)
