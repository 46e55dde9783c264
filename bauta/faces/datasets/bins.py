"""InsightFace's .bin packs (lfw.bin, agedb_30.bin, calfw.bin, cfp_ff.bin ...): a pickle of ([picture], [same]).

A pickle is a program, and this file is anybody's: it is never unpickled. `parse` walks through its instructions and
knows only those that put bytes and truth values into lists; any other ends in `BadFile`.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

from bauta.errors import BadFile, MissingData
from bauta.faces.datasets.pairs import Pair, Pairs, index_pairs, part, tenths
from bauta.faces.datasets.reading import Reader
from bauta.faces.detect import Detector
from bauta.faces.images import MAX_BYTES
from bauta.types import Faces

__all__ = ["InsightFacePack", "parse"]

CONSTANTS = {"NEWTRUE": True, "NEWFALSE": False}
NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1")
BYTES = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8")
PYTHON2 = ("BINSTRING", "SHORT_BINSTRING")
TEXT = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
NOTHING = ("PROTO", "FRAME")
PUT = ("PUT", "BINPUT", "LONG_BINPUT")
GET = ("GET", "BINGET", "LONG_BINGET")


class Mark:
    """Where a list or tuple begins on the stack."""


class Latin1:
    """Stands for `_codecs.encode`: Python 3 writes bytes for Python 2 as a call of it with a text and "latin1"."""


class InsightFacePack:
    """A verification pack: pairs of aligned pictures in ten folds, without names or identities."""

    def __init__(self, path: Path, *, detector: Detector | None = None) -> None:
        if not path.is_file():
            raise MissingData(f"There is no pack at {path}; give the path of a .bin file.")
        if path.stat().st_size > MAX_BYTES:
            raise BadFile(f"{path} has more than {MAX_BYTES:,} bytes; InsightFace's packs are smaller.")
        self.path = path
        self.detector = detector
        self.pictures, self.same = parse(path.read_bytes(), str(path))

    def __repr__(self) -> str:
        return str(self.path)

    @property
    def names(self) -> list[str]:
        """`lfw.bin#0`, `lfw.bin#1` ...: the pictures by their places."""
        return [f"{self.path.name}#{i}" for i in range(len(self.pictures))]

    def read(self, name: str) -> bytes:
        """The picture of a name."""
        return self.pictures[int(name.rpartition("#")[2])]

    def distinct(self) -> list[str]:
        """For each picture the name of the first one with the same bytes: packs repeat a picture for every pair."""
        first: dict[bytes, str] = {}
        return [first.setdefault(data, name) for data, name in zip(self.pictures, self.names, strict=True)]

    def faces(self, limit: int | None = None) -> Faces:
        """The distinct pictures, at most `limit`."""
        names = list(dict.fromkeys(self.distinct()))[:limit]
        return Reader(detector=self.detector).read(self, names)[0]

    def pairs(self, limit: int | None = None) -> Pairs:
        """The protocol, or a balanced part of about `limit`; only the pictures that it needs are decoded."""
        names = self.distinct()
        folds = tenths(len(self.same))
        pairs = [Pair(names[2 * i], names[2 * i + 1], same, folds[i]) for i, same in enumerate(self.same)]
        if limit is not None and limit < len(pairs):
            pairs = [pairs[i] for i in part(self.same, folds, limit)]
        needed = list(dict.fromkeys(name for p in pairs for name in (p.first, p.second)))
        faces, rows = Reader(detector=self.detector).read(self, needed)
        return index_pairs(pairs, faces, [needed[i] for i in rows])


def parse(data: bytes, name: str) -> tuple[list[bytes], list[bool]]:
    """The pictures and the truth values of a pack, twice as many of the former. Raises `BadFile`."""
    try:
        result = walk(data)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise BadFile(f"{name} is no InsightFace pack: {error}; get it from its publisher.") from error
    if not isinstance(result, list | tuple) or len(result) != 2 or not all(isinstance(half, list) for half in result):
        raise BadFile(f"{name} is no InsightFace pack: it must hold two lists; get it from its publisher.")
    pictures, same = result
    if not all(isinstance(p, bytes) for p in pictures) or not all(isinstance(s, bool) for s in same):
        raise BadFile(f"{name} is no InsightFace pack: only bytes and truth values may be in it.")
    if len(pictures) != 2 * len(same) or not same:
        raise BadFile(f"{name} has {len(pictures)} pictures for {len(same)} pairs; each pair needs two.")
    return pictures, same


def walk(data: bytes) -> object:
    """What the instructions leave on the stack. Raises `ValueError` for one that is not needed for a pack."""
    stack: list[object] = []
    memo: dict[int, object] = {}
    made = 0
    value: Any
    for code, value, _ in pickletools.genops(data):
        if code.name in CONSTANTS:
            stack.append(CONSTANTS[code.name])
        elif code.name in NUMBERS and value in (0, 1):  # Python 2's oldest protocol, and flags that NumPy made numbers
            stack.append(bool(value))
        elif code.name in BYTES:
            stack.append(bytes(value))
        elif code.name in PYTHON2:
            stack.append(value.encode("latin-1"))
        elif code.name in TEXT:
            stack.append(value)
        elif code.name in ("EMPTY_LIST", "LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(collected(code.name, stack))
        elif code.name == "MARK":
            stack.append(Mark)
        elif code.name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if code.name == "APPEND" else since_mark(stack)
            target = stack[-1]
            if not isinstance(target, list):
                raise ValueError("it appends to something that is no list")
            target.extend(items)
        elif code.name in PUT:
            memo[value] = stack[-1]
        elif code.name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif code.name in GET:
            stack.append(memo[value])
        elif code.name == "GLOBAL" and value == "_codecs encode":
            stack.append(Latin1)
        elif code.name == "REDUCE":
            stack.append(latin1(stack.pop(), stack.pop()))
            made += len(stack[-1])  # type: ignore[arg-type]  # bytes
            if made > len(data):  # the same text again and again
                raise ValueError("it unpacks to more than itself")
        elif code.name == "STOP":
            return stack.pop()
        elif code.name not in NOTHING:
            raise ValueError(f"it holds the instruction {code.name} {value if value is not None else ''}".rstrip())
    raise ValueError("it ends too early")


def since_mark(stack: list[object]) -> list[object]:
    """Take what lies above the last mark, and the mark."""
    items: list[object] = []
    while (item := stack.pop()) is not Mark:
        items.append(item)
    return items[::-1]


def collected(code: str, stack: list[object]) -> list[object] | tuple[object, ...]:
    """The list or tuple that an instruction makes from the stack."""
    if code in ("LIST", "TUPLE"):
        items = since_mark(stack)
    else:
        count = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}.get(code, 0)
        items = [stack.pop() for _ in range(count)][::-1]
    return items if code.endswith("LIST") else tuple(items)


def latin1(arguments: object, function: object) -> bytes:
    """The one call that a pack may make."""
    if function is not Latin1 or not isinstance(arguments, tuple) or len(arguments) != 2:
        raise ValueError("it calls a function")
    text, encoding = arguments
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("it calls a function")
    return text.encode("latin-1")
