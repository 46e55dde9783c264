"""How valid files become damaged ones: bytes, JSON, safetensors, zips and pickles, drawn from an explicit generator."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

HUGE = (0, 1, 127, 128, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
FORMS = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")

Change = Callable[[Random, bytes], bytes]


def flipped(draw: Random, data: bytes) -> bytes:
    """Some bits are others."""
    made = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 16, 64)) if made else 0):
        made[draw.randrange(len(made))] ^= 1 << draw.randrange(8)
    return bytes(made)


def cut(draw: Random, data: bytes) -> bytes:
    """The end is missing, or the beginning."""
    at = draw.randrange(len(data) + 1)
    return data[:at] if draw.random() < 0.8 else data[at:]


def lied(draw: Random, data: bytes) -> bytes:
    """A number somewhere, often in the head where lengths stand, is a huge one."""
    form = draw.choice(FORMS)
    size = struct.calcsize(form)
    if len(data) < size:
        return data
    last = len(data) - size
    at = draw.randrange(min(last, draw.choice((16, 64, 512, len(data)))) + 1)
    return data[:at] + struct.pack(form, draw.choice(HUGE) % (1 << 8 * size)) + data[at + size :]


def repeated(draw: Random, data: bytes) -> bytes:
    """A piece stands there again, at times very often."""
    if not data:
        return data
    at = draw.randrange(len(data))
    piece = data[at : at + draw.choice((1, 4, 16, 64, 1024))]
    return data[:at] + piece * draw.choice((2, 2, 3, 50, 2000)) + data[at:]


def removed(draw: Random, data: bytes) -> bytes:
    """A piece is gone."""
    at = draw.randrange(len(data) + 1)
    return data[:at] + data[at + draw.choice((1, 2, 4, 16, 256)) :]


def blanked(draw: Random, data: bytes) -> bytes:
    """A stretch is all zeros, all ones, or noise."""
    at = draw.randrange(len(data) + 1)
    size = min(draw.choice((1, 4, 32, 512)), len(data) - at)
    new = draw.choice((bytes(size), b"\xff" * size, draw.randbytes(size)))
    return data[:at] + new + data[at + size :]


def emptied(draw: Random, data: bytes) -> bytes:
    """Nothing, or next to nothing."""
    return draw.choice((b"", b"\0", b"\n", data[:4], bytes(len(data))))


CHANGES: tuple[Change, ...] = (flipped, flipped, cut, lied, lied, repeated, removed, blanked)


def damaged(draw: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """One to four changes; at times a splice with another file, rarely nothing of it."""
    if draw.random() < 0.02:
        return emptied(draw, data)
    if others and draw.random() < 0.15:
        other = draw.choice(others)
        data = data[: draw.randrange(len(data) + 1)] + other[draw.randrange(len(other) + 1) :]
    for _ in range(draw.choice((1, 1, 2, 4))):
        data = draw.choice(CHANGES)(draw, data)
    return data


ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 10**400, 1e308, -0.0, float("nan"), float("inf")),
    *("", "x", "\0", "\ud800", "../../etc/passwd", "9" * 5000, "x" * 100_000, [], {}, [[]], [None], {"": None}),
    *([0] * 10_000, {"a": {"b": {"c": []}}}),
)


def odd_json(draw: Random, value: Any) -> Any:
    """JSON in which one place holds something else, or is missing, or is there twice."""
    if isinstance(value, dict) and value and draw.random() < 0.8:
        key = draw.choice(list(value))
        return {**value, key: odd_json(draw, value[key])} if draw.random() < 0.7 else _other_table(draw, value, key)
    if isinstance(value, list) and value and draw.random() < 0.8:
        at = draw.randrange(len(value))
        changed = draw.choice(([odd_json(draw, value[at])], [odd_json(draw, value[at])], [], [value[at]] * 2))
        return [*value[:at], *changed, *value[at + 1 :]]
    if type(value) in (int, float) and draw.random() < 0.4:
        return draw.choice((-value, value + 1, value * 1000, str(value), [value]))
    return draw.choice(ODD)


def _other_table(draw: Random, value: dict[str, Any], key: str) -> dict[str, Any]:
    rest = {k: v for k, v in value.items() if k != key}
    return draw.choice((rest, {**rest, f"{key}x": value[key]}, {**value, "new": draw.choice(ODD)}))


def json_bytes(draw: Random, value: Any) -> bytes:
    """Odd JSON as text, at times too deep, damaged, or in another encoding."""
    kind = draw.random()
    if kind < 0.03:
        return draw.choice((b"[", b'{"a":')) * draw.choice((1000, 200_000))
    text = json.dumps(odd_json(draw, value))
    if kind < 0.06:
        return text.encode(draw.choice(("utf-16", "utf-32")))
    return damaged(draw, text.encode()) if kind < 0.35 else text.encode()


def safetensors_bytes(draw: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """A safetensors file that lies: in its header, in the header's length, or anywhere."""
    if draw.random() < 0.4:
        return damaged(draw, data, others)
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    about = header.get("__metadata__", {})
    if about and draw.random() < 0.4:
        key = draw.choice(list(about))
        inner = json_bytes(draw, json.loads(about[key])) if about[key][:1] in "{[" else json_bytes(draw, about[key])
        text = json.dumps({**header, "__metadata__": {**about, key: inner.decode("latin-1")}}).encode()
    else:
        text = json_bytes(draw, header)
    length = len(text) if draw.random() < 0.85 else draw.choice(HUGE)
    return length.to_bytes(8, "little") + text + data[8 + size :]


def rezipped(draw: Random, data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """A zip with other contents, whole and with right checksums, at times packed."""
    made = io.BytesIO()
    kind = draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", kind) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return made.getvalue()


class Canary:
    """Leaves a file behind if anybody unpickles it."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def hostile(draw: Random, witness: Path, beside: object) -> bytes:
    """A pickle that would write to `witness`, alone or among honest things."""
    path = str(witness)
    evil = draw.choice(
        (
            Canary(os.system, f"touch {path}"),
            Canary(eval, f"open({path!r}, 'w')"),
            Canary(exec, f"open({path!r}, 'w')"),
            Canary(open, path, "w"),
            Canary(os.mkdir, path),
        )
    )
    whole = draw.choice((evil, [beside, evil], {"state_dict": beside, "epoch": evil}, {"weight": evil}, (beside, evil)))
    return pickle.dumps(whole, draw.randrange(pickle.HIGHEST_PROTOCOL + 1))
