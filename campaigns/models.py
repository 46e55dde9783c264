"""Damaged and hostile ONNX files, handed over as a detector's or a landmarker's model."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from random import Random

import torch

from bauta.faces.detect import YuNet
from bauta.faces.landmarks import PFLD
from campaigns.arena import Kind
from campaigns.damage import HUGE, damaged

REAL = ("yunet_2026may.onnx", "pfld68.onnx")


def number(value: int) -> bytes:
    """A variable-length integer of protocol buffers."""
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def whole(key: int, value: int) -> bytes:
    """A field that holds an integer."""
    return number(key << 3) + number(value)


def part(key: int, content: bytes | str) -> bytes:
    """A field that holds bytes, a text or a message."""
    data = content.encode() if isinstance(content, str) else content
    return number(key << 3 | 2) + number(len(data)) + data


def dims(sizes: list[int]) -> bytes:
    """A tensor's sizes, one field each."""
    return b"".join(whole(1, size) for size in sizes)


def model(weight: bytes, sizes: list[int]) -> bytes:
    """A network of one product with `weight`, for an input of these sizes."""
    shape = b"".join(part(1, whole(1, size)) for size in sizes)
    floats = part(2, part(1, whole(1, 1) + part(2, shape)))
    node = part(1, "x") + part(1, "w") + part(2, "y") + part(3, "n") + part(4, "MatMul")
    values = part(11, part(1, "x") + floats) + part(12, part(1, "y") + floats)
    graph = part(1, node) + part(2, "g") + part(5, weight) + values
    return whole(1, 8) + part(8, part(1, "") + whole(2, 13)) + part(7, graph)


def built(draw: Random, folder: Path) -> bytes:
    """A model that was never good: weights that lie outside, or of sizes that nothing has."""
    sizes = [draw.choice(HUGE) for _ in range(draw.choice((1, 2, 4, 40)))]
    if draw.random() < 0.5:
        where = draw.choice((str(folder / "witness"), "../../../../etc/passwd", "/dev/zero", "/proc/self/mem", "."))
        about = part(13, part(1, "location") + part(2, where)) + part(13, part(1, "length") + part(2, str(max(sizes))))
        weight = dims([4, 4]) + whole(2, 1) + part(8, "w") + about + whole(14, 1)
    else:
        weight = dims(sizes) + whole(2, 1) + part(8, "w") + part(9, struct.pack("<16f", *range(16)))
    return model(weight, draw.choice(([4, 4], sizes)))


class Models(Kind):
    """ONNX files. The records' own are damaged where they are on this machine; others are made here."""

    name = "onnx"

    def prepare(self, folder: Path) -> None:
        mirror = Path(os.environ.get("BAUTA_MIRROR") or folder)
        self.samples = [(mirror / name).read_bytes() for name in REAL if (mirror / name).is_file()]
        self.samples.append(model(dims([4, 4]) + whole(2, 1) + part(8, "w") + part(9, bytes(64)), [4, 4]))

    def damaged(self, draw: Random, folder: Path) -> Path:
        path = folder / "model.onnx"
        hostile = draw.random() < 0.4
        content = built(draw, folder) if hostile else damaged(draw, draw.choice(self.samples), self.samples)
        path.write_bytes(content)
        return path

    def read(self, thing: Path) -> None:
        try:
            YuNet(thing).detect(torch.zeros(3, 64, 48))
        finally:
            PFLD(thing).landmarks(torch.zeros(1, 3, 112, 112))


def kinds() -> list[Kind]:
    """The one kind."""
    return [Models()]
