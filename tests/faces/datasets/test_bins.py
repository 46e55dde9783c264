"""InsightFace's packs: honest ones from every pickle protocol, and hostile ones."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from bauta.errors import BadFile, MissingData
from bauta.faces import load_dataset, load_pairs
from bauta.faces.datasets.bins import parse

from .made import numbers, png

SAME = [True, True, False, False] * 6
# 24 pairs of 12 pictures: a pack repeats a picture for every pair
PLACES = [(2 * i + j) % 12 for i in range(24) for j in range(2)]
PICTURES = [png(place) for place in PLACES]


def python2(pictures: list[bytes], same: list[bool]) -> bytes:
    """What Python 2 writes with protocol 2, by hand: its strings are bytes."""
    strings = b"".join(b"T" + struct.pack("<i", len(p)) + p + b"q\x05" for p in pictures)
    flags = b"".join(b"\x88" if s else b"\x89" for s in same)
    return b"\x80\x02]q\x01(" + strings + b"e]q\x02(" + flags + b"e\x86q\x03."


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", [tuple, list])
def test_what_python_3_writes(protocol: int, kind: type) -> None:
    assert parse(pickle.dumps(kind([PICTURES, SAME]), protocol), "x.bin") == (PICTURES, SAME)


def test_what_python_2_writes() -> None:
    data = python2(PICTURES, SAME)
    assert pickle.loads(data, encoding="bytes") == (PICTURES, SAME)
    assert parse(data, "x.bin") == (PICTURES, SAME)


def test_numbers_for_truth_values() -> None:
    assert parse(pickle.dumps((PICTURES, [int(s) for s in SAME])), "x.bin")[1] == SAME


def test_pairs_and_folds_of_a_pack(tmp_path: Path) -> None:
    (tmp_path / "lfw.bin").write_bytes(pickle.dumps((PICTURES, SAME)))
    pairs = load_pairs(tmp_path / "lfw.bin")
    of = numbers(pairs.faces.images)
    assert [of[a] for a in pairs.first] == PLACES[::2]
    assert [of[b] for b in pairs.second] == PLACES[1::2]
    assert pairs.same.tolist() == SAME
    assert len(pairs.faces) == 12
    for fold, (_, rows) in enumerate(KFold(10).split(SAME)):
        assert set(pairs.fold[rows].tolist()) == {fold}
    assert numbers(load_dataset(tmp_path / "lfw.bin", 5).images) == [0, 1, 2, 3, 4]
    assert load_dataset(tmp_path / "lfw.bin").identity is None


def test_a_limit_decodes_only_what_it_needs(tmp_path: Path) -> None:
    pictures = [png(i) for i in range(80)]
    same = [i % 2 == 0 for i in range(40)]
    (tmp_path / "x.bin").write_bytes(pickle.dumps((pictures, same)))
    pairs = load_pairs(tmp_path / "x.bin", 20)
    assert len(pairs) == 20
    assert len(pairs.faces) == 40
    assert pairs.fold.bincount().tolist() == [2] * 10
    whole = load_pairs(tmp_path / "x.bin").take(20)
    assert torch.equal(whole.faces.images[whole.first], pairs.faces.images[pairs.first])


class Evil:
    """Leaves a file behind if anybody unpickles it."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> object:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_hostile_packs_run_nothing(tmp_path: Path, protocol: int) -> None:
    witness = tmp_path / "ran"
    for attack in (
        Evil(os.system, f"touch {witness}"),
        Evil(builtins.eval, f"open({str(witness)!r}, 'w')"),
        Evil(builtins.exec, f"open({str(witness)!r}, 'w')"),
        Evil(open, str(witness), "w"),
        Evil(builtins.getattr, "text", "join"),
        Evil(builtins.bytearray, 1 << 40),
    ):
        for content in (attack, (PICTURES, [attack]), ([attack, *PICTURES[1:]], SAME), (PICTURES, SAME, attack)):
            with pytest.raises(BadFile):
                parse(pickle.dumps(content, protocol), "evil.bin")
    assert not witness.exists()
    pickle.loads(pickle.dumps(Evil(open, str(witness), "w"), protocol)).close()  # the attack works on a real unpickler
    assert witness.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"c_codecs\nencode\n(Vabc\nVrot13\ntR.",  # another encoding
        b"c_codecs\ndecode\n(Vabc\nVlatin1\ntR.",
        b"cos\nsystem\n(Vtrue\ntR.",
        b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93.",  # STACK_GLOBAL
        b"(Vtrue\nios\nsystem\n.",  # INST
        b"Vname\nP0\n.",  # PERSID
        b"\x82\x01.",  # EXT1
        b"]r\xff\xff\xff\xff.",  # a memo place that makes unpicklers reserve gigabytes
        b"(((((",
        b".",
        b"]",
        b"",
        b"0.",
        b"]]a]a.",
        b"N.",
        b"I99\n.",
        b"\x80\xff.",
    ],
)
def test_programs_by_hand(program: bytes) -> None:
    with pytest.raises(BadFile, match=r"hand\.bin"):
        parse(program, "hand.bin")


@pytest.mark.parametrize(
    "content",
    [
        [],
        (PICTURES, SAME[:-1]),
        ([], []),
        (PICTURES, ["yes"] * 24),
        (["text"] * 48, SAME),
        ({"a": 1}, SAME),
        (PICTURES, np.array(SAME)),
        (PICTURES, [1.5] * 24),
        (PICTURES, [2] * 24),
        PICTURES,
    ],
)
def test_other_content(content: object) -> None:
    with pytest.raises(BadFile):
        parse(pickle.dumps(content), "x.bin")


def test_a_list_inside_itself() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(BadFile):
        parse(pickle.dumps((loop, [True])), "x.bin")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_a_sentence(data: bytes) -> None:
    with pytest.raises(BadFile):
        parse(data, "x.bin")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.binary(min_size=1, max_size=4))
def test_damaged_packs_give_bytes_and_bools_or_a_sentence(where: int, damage: bytes) -> None:
    whole = pickle.dumps(([b"first", b"second"] * 3, [True, False, True]), 2)
    start = where % len(whole)
    try:
        pictures, same = parse(whole[:start] + damage + whole[start + len(damage) :], "x.bin")
    except BadFile:
        return
    assert all(type(p) is bytes for p in pictures)
    assert all(type(s) is bool for s in same)


def test_an_absent_pack(tmp_path: Path) -> None:
    with pytest.raises(MissingData):
        load_pairs(tmp_path / "absent.bin")
