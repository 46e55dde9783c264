"""InsightFace's training sets (faces_emore, faces_webface_112x112 ...): a `.rec` of MXNet's RecordIO beside its `.idx`.

A record is 0xCED7230A, a length in 29 bits below 3 bits that say whether it is whole or the first, a middle or the last
piece (the magic number stood between them), and its content, filled up to a multiple of four bytes. The content is a
count of labels, one label, two ids, as many labels as were counted, and the picture. Record 0 holds two numbers: where
the pictures end, and where the list of people ends; each person's record between them holds two as well, the first
and one past the last picture. im2rec writes none of that, and every record is then a picture with its label.

Where there is no `.idx`, the `.rec` is walked once. `property` (people, height, width) is compared with what was found;
`train.lst` says nothing that the records do not say, and is not read. The file is anybody's, and is only ever measured
and cut: every length is checked against its end.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.errors import BadFile, MissingData
from bauta.faces.datasets.base import DRAWN
from bauta.faces.datasets.pairs import Pairs, draw, index_pairs
from bauta.faces.datasets.reading import Reader
from bauta.faces.detect import Detector
from bauta.faces.images import MAX_BYTES
from bauta.types import Faces

__all__ = ["InsightFaceRecords"]

MAGIC = 0xCED7230A
WHOLE, FIRST, MIDDLE, LAST = range(4)
HEAD = struct.Struct("<II")
LABELS = struct.Struct("<IfQQ")
PIECES = 64  # of a record: it is cut only where its content holds the magic number
LABELED = 4096  # bytes of a record that are read for its labels


class InsightFaceRecords:
    """The aligned pictures of a `.rec` and who they show; nothing but places and labels is kept in memory.

    names: `train.rec#1`, `train.rec#2` ...: the pictures by their keys. identity: (N,) from 0, without gaps.
    """

    def __init__(self, path: Path, *, detector: Detector | None = None) -> None:
        path = path / "train.rec" if path.is_dir() else path
        if not path.is_file():
            raise MissingData(f"There is no record file at {path}; give a .rec of InsightFace, or its folder.")
        if not path.stat().st_size:
            raise BadFile(f"{path} is empty; copy it again.")
        self.path, self.detector = path, detector
        with path.open("rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.places = self.index()
        self.keys, labels = self.labeled()
        people, identity = np.unique(labels, return_inverse=True)
        self.identity: Tensor = torch.from_numpy(identity.astype(np.int64))
        self.check(len(people))

    def __repr__(self) -> str:
        return str(self.path)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def names(self) -> list[str]:
        """The names of all pictures, in order of their keys."""
        return [f"{self.path.name}#{key}" for key in self.keys.tolist()]

    def read(self, name: str) -> bytes:
        """The picture of a name. Raises `BadFile`."""
        return self.unpacked(int(name.rpartition("#")[2]))[1]

    def chosen(self, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        """The pictures in these rows with who they show, and the rows of those that could be read."""
        names = [f"{self.path.name}#{self.keys[row]}" for row in rows]
        faces, kept = Reader(detector=self.detector).read(self, names)
        rows = [rows[i] for i in kept]
        return Faces(faces.images, self.identity[rows], source=faces.source), rows

    def faces(self, limit: int | None = None) -> Faces:
        """The pictures, or at most `limit` that are evenly spaced."""
        rows = list(range(len(self)))
        if limit is not None and limit < len(rows):
            rows = np.linspace(0, len(rows) - 1, limit).round().astype(int).tolist()
        return self.chosen(rows)[0]

    def pairs(self, limit: int | None = None) -> Pairs:
        """About `limit` pairs drawn at random, always the same ones, since a training set has no protocol."""
        names = self.names
        drawn = draw(names, [str(who) for who in self.identity.tolist()], DRAWN if limit is None else limit)
        row = {name: i for i, name in enumerate(names)}
        needed = sorted({name for p in drawn for name in (p.first, p.second)})
        faces, kept = self.chosen([row[name] for name in needed])
        return index_pairs(drawn, faces, [names[i] for i in kept])

    def refused(self, why: str) -> BadFile:
        return BadFile(f"{self.path} {why}; copy it again from where it came.")

    def index(self) -> dict[int, int]:
        """Key -> place in the file, by the `.idx` or by a walk. Raises `BadFile`."""
        path = self.path.with_suffix(".idx")
        if not path.is_file():
            return dict(enumerate(self.walked()))
        try:
            with path.open("rb") as lines:
                found = {int(key): int(place) for key, place in (line.split() for line in lines if line.strip())}
        except (ValueError, OSError) as error:
            raise BadFile(
                f"{path} must have two whole numbers a line ({error}); delete it, or copy it again."
            ) from error
        if len(set(found.values())) < len(found):
            raise BadFile(f"{path} gives one place to several records; delete it, or copy it again.")
        if not found or not 0 <= min(found.values()) <= max(found.values()) < len(self.data):
            raise BadFile(f"{path} points beyond {self.path}; both must be of one set, so copy both again.")
        return found

    def walked(self) -> Iterator[int]:
        """The place of each record, from front to back. Raises `BadFile`."""
        at = 0
        while at < len(self.data):
            yield at
            kind, start, length = self.piece(at)
            while kind in (FIRST, MIDDLE):
                kind, start, length = self.piece(start + -(-length // 4) * 4)
            at = start + -(-length // 4) * 4

    def piece(self, at: int) -> tuple[int, int, int]:
        """Which piece of a record lies there, where its content begins and how long that is. Raises `BadFile`."""
        if at + HEAD.size > len(self.data):
            raise self.refused(f"is cut short: a record begins at byte {at}, and {len(self.data)} are there")
        magic, length = HEAD.unpack_from(self.data, at)
        kind, length = length >> 29, length & (1 << 29) - 1
        if magic != MAGIC or kind > LAST or at + HEAD.size + length > len(self.data):
            raise self.refused(f"has no whole record at byte {at}")
        return kind, at + HEAD.size, length

    def content(self, at: int, most: int = MAX_BYTES) -> bytes:
        """The record at a place, its pieces joined; of a longer one about the first `most` bytes. Raises `BadFile`."""
        kind, start, length = self.piece(at)
        parts, size = [self.data[start : start + min(length, most)]], length
        if kind in (MIDDLE, LAST):
            raise self.refused(f"has no record that begins at byte {at}")
        while kind in (FIRST, MIDDLE) and size < most:
            kind, start, length = self.piece(start + -(-length // 4) * 4)
            size += length
            if kind in (WHOLE, FIRST) or size > MAX_BYTES or len(parts) > PIECES:
                raise self.refused(f"has no whole record at byte {at}")
            parts.append(self.data[start : start + min(length, most)])
        return struct.pack("<I", MAGIC).join(parts)

    def unpacked(self, key: int, most: int = MAX_BYTES) -> tuple[NDArray[np.float32], bytes]:
        """The labels and the picture of a record, or as much of it as `most` bytes hold. Raises `BadFile`."""
        if key not in self.places:
            raise self.refused(f"has no record {key}, though it counts on one")
        content = self.content(self.places[key], most)
        if len(content) < LABELS.size:
            raise self.refused(f"holds a record {key} of {len(content)} bytes, too few for its labels")
        count, label, _, _ = LABELS.unpack_from(content)
        begin = LABELS.size + 4 * count
        if begin > len(content):
            raise self.refused(f"holds a record {key} with {count} labels in {len(content)} bytes")
        many = np.frombuffer(content, "<f4", count, LABELS.size) if count else np.array([label], np.float32)
        return many, content[begin:]

    def labeled(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The keys of the pictures and the label of each, both (N,). Raises `BadFile`."""
        keys = np.array(sorted(self.places), np.int64)
        first, picture = self.unpacked(int(keys[0]))
        if len(first) < 2 or picture:  # im2rec's: there is no list of people
            return keys, np.array([self.whole(self.unpacked(int(key), LABELED)[0][0]) for key in keys], np.int64)
        end, last = self.whole(first[0]), self.whole(first[1])
        if not 0 < end <= last <= keys[-1] + 1:
            raise self.refused(f"counts people from record {end} to {last}, and has {len(keys)} records")
        labels = np.full(end, -1, np.int64)
        for person, key in enumerate(range(end, last)):
            bounds, _ = self.unpacked(key, LABELED)
            start, stop = (self.whole(b) for b in bounds[:2]) if len(bounds) > 1 else (0, 0)
            if not 0 < start <= stop <= end:
                raise self.refused(f"holds a person in record {key} with pictures from {start} to {stop} of {end}")
            labels[start:stop] = person
        owned = np.flatnonzero(labels >= 0)
        if not len(owned) or not np.isin(owned, keys).all():
            raise self.refused(f"lists {len(owned)} pictures of people that are not all among its {len(keys)} records")
        return owned, labels[owned]

    def whole(self, number: float) -> int:
        """A label as a whole number; they are stored as floats. Raises `BadFile`."""
        if not np.isfinite(number) or number != int(number):
            raise self.refused(f"holds the label {number}, and labels are whole numbers")
        return int(number)

    def check(self, people: int) -> None:
        """Raise `BadFile` where `property` beside the file counts fewer people than are there."""
        path = self.path.with_name("property")
        if not path.is_file():
            return
        try:
            stated = int(path.read_text("ascii").split(",")[0])
        except (ValueError, OSError) as error:
            raise BadFile(f"{path} must read people,height,width ({error}); delete it, or copy it again.") from error
        if people > stated:
            raise BadFile(f"{path} counts {stated} people, and {self.path} has {people}; they belong to other sets.")
