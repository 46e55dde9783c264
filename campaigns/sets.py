"""Damaged data sets: InsightFace's packs and records, zips and tars."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path
from random import Random

from bauta.faces.datasets import open_data
from bauta.faces.datasets.bins import InsightFacePack
from bauta.faces.datasets.records import HEAD, LABELS, MAGIC, InsightFaceRecords
from campaigns.arena import GIB, Kind
from campaigns.damage import HUGE, damaged, hostile
from campaigns.pictures import saved, scene

FACES = [saved(scene(112, 112, seed), "PNG") for seed in range(4)]


class Packs(Kind):
    """.bin packs, which are pickles."""

    name = "bin"

    def prepare(self, folder: Path) -> None:
        self.content = (FACES * 2, [True, False, True, False])
        self.samples = [pickle.dumps(self.content, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]

    def damaged(self, draw: Random, folder: Path) -> Path:
        path = folder / "lfw.bin"
        kind = draw.random()
        if kind < 0.2:
            data = hostile(draw, folder / "witness", self.content)
        elif kind < 0.3:
            data = self.program(draw)
        else:
            data = damaged(draw, draw.choice(self.samples), self.samples)
        path.write_bytes(data)
        return path

    def program(self, draw: Random) -> bytes:
        """A pickle by hand: one that repeats itself, one that holds itself, one of many small pictures."""
        text = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20)
        encode = b"c_codecs\nencode\nq\0" + text + b"X\x06\0\0\0latin1\x86q\1"
        many = draw.choice((10, 20_000))
        calls = b"]q\2(" + b"h\0h\1R" * many + b"e](" + b"\x88" * (many // 2) + b"e\x86."
        small = (
            b"]("
            + b"".join(b"C\4" + struct.pack("<I", i) for i in range(2 * many))
            + b"e]("
            + b"\x88" * many
            + b"e\x86."
        )
        return draw.choice(
            (encode + calls, small, b"]q\0(h\0h\0e]\x86.", b"(" * 10**6 + b".", b"]q\0h\0\x86" * 1000 + b".")
        )

    def read(self, thing: Path) -> None:
        pack = InsightFacePack(thing)
        pack.faces(8)
        pack.pairs(8)


def record(content: bytes, kind: int = 0) -> bytes:
    """A record of MXNet's RecordIO."""
    return HEAD.pack(MAGIC, kind << 29 | len(content)) + content + bytes(-len(content) % 4)


class Records(Kind):
    """.rec with and without its .idx."""

    name = "rec"

    def prepare(self, folder: Path) -> None:
        def many(a: float, b: float) -> bytes:
            return LABELS.pack(2, 0, 0, 0) + struct.pack("<2f", a, b)

        parts = [many(5, 7), *(LABELS.pack(0, i // 2, i, 0) + FACES[i] for i in range(4)), many(1, 3), many(3, 5)]
        self.records = [record(part) for part in parts]
        self.plain = [record(LABELS.pack(0, i // 2, i, 0) + FACES[i]) for i in range(4)]

    def damaged(self, draw: Random, folder: Path) -> Path:
        parts = draw.choice((self.records, self.plain))
        at, lines = 0, []
        for key, part in enumerate(parts):
            lines.append(f"{key}\t{at}")
            at += len(part)
        data, index = b"".join(parts), "\n".join(lines).encode()
        kind = draw.random()
        if kind < 0.15:
            data, index = self.crooked(draw)
        elif kind < 0.5:
            index = damaged(draw, index)
        elif kind < 0.9:
            data = damaged(draw, data)
        path = folder / "train.rec"
        path.write_bytes(data)
        if draw.random() < 0.6:
            path.with_suffix(".idx").write_bytes(index)
        if draw.random() < 0.2:
            path.with_name("property").write_bytes(damaged(draw, b"2,112,112"))
        return path

    def crooked(self, draw: Random) -> tuple[bytes, bytes]:
        """One picture under many keys, pieces without end, numbers that count beyond the file."""
        kind = draw.randrange(4)
        many = draw.choice((10, 100_000))
        if kind == 0:
            whole = record(LABELS.pack(0, 1, 0, 0) + bytes(4 << 20))
            return whole, b"".join(b"%d\t0\n" % key for key in range(many))
        if kind == 1:
            pieces = record(LABELS.pack(0, 1, 0, 0), 1) + record(b"", 2) * (5 * many) + record(b"x", 3)
            return pieces, b"0\t0\n"
        if kind == 2:
            most = float(draw.choice(HUGE))
            head = record(LABELS.pack(2, 0, 0, 0) + struct.pack("<2f", most, most))
            return head, b"0\t0\n%d\t0\n" % draw.choice(HUGE)
        return record(b"") * many, b"0\t0\n" * many

    def read(self, thing: Path) -> None:
        found = InsightFaceRecords(thing)
        found.faces(8)
        found.pairs(8)


class Archives(Kind):
    """A folder of people in a zip or a tar."""

    name = "archive"
    bound = 3 * GIB  # the largest file that is read out of an archive is of 1 GiB

    def prepare(self, folder: Path) -> None:
        os.environ["BAUTA_HOME"] = str(folder / "home")
        os.environ.pop("BAUTA_MIRROR", None)
        names = [f"{who}/{n}.png" for who in ("a", "b") for n in range(2)]
        self.zips, self.tars = [], []
        for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w", kind) as made:
                for name, face in zip(names, FACES, strict=True):
                    made.writestr(zipfile.ZipInfo(name), face, kind)
            self.zips.append(file.getvalue())
        for mode in ("w", "w:gz"):
            file = io.BytesIO()
            with tarfile.open(fileobj=file, mode=mode) as tar:
                for name, face in zip(names, FACES, strict=True):
                    about = tarfile.TarInfo(name)
                    about.size = len(face)
                    tar.addfile(about, io.BytesIO(face))
            self.tars.append(file.getvalue())

    def damaged(self, draw: Random, folder: Path) -> Path:
        packed = draw.randrange(2)
        if draw.random() < 0.5:
            path = folder / "set.zip"
            data = self.crooked(draw, path) if draw.random() < 0.2 else damaged(draw, self.zips[packed], self.zips)
        else:
            path = folder / ("set.tar", "set.tar.gz")[packed]
            plain = damaged(draw, self.tars[packed])
            if packed and draw.random() < 0.5:
                plain = gzip.compress(damaged(draw, self.tars[0]), 1)
            data = plain
        path.write_bytes(data)
        return path

    def crooked(self, draw: Random, path: Path) -> bytes:
        """Names that lead elsewhere, a picture that unpacks to 300 MB of nothing, very many files, names twice."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
            kind = draw.randrange(4)
            if kind == 0:
                for name in ("../../witness.png", "/etc/x.png", "a\\..\\b.png", "a/\0.png", "C:/x.png", "a//b.png"):
                    made.writestr(name, FACES[0])
            elif kind == 1:
                with made.open("a/1.png", "w") as bomb:
                    for _ in range(300):
                        bomb.write(bytes(1 << 20))
            elif kind == 2:
                for i in range(draw.choice((10, 20_000))):
                    made.writestr(f"a/{i}.png", b"")
            else:
                for name in ("a/1.png", "A/1.PNG", "a/1.png/", "a/./1.png", "pairs.txt", "lfw_index.csv"):
                    made.writestr(name, draw.choice((FACES[0], b"", draw.randbytes(99))))
        return file.getvalue()

    def read(self, thing: Path) -> None:
        open_data(thing).faces(8)


def kinds() -> list[Kind]:
    """All kinds of data sets."""
    return [Packs(), Records(), Archives()]
