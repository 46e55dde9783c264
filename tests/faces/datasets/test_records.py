"""InsightFace's training sets: written here byte by byte, whole and damaged, and read."""

from __future__ import annotations

import io
import re
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bauta.errors import BadFile, BautaError, MissingData
from bauta.faces import load_dataset, load_pairs
from bauta.faces.datasets import open_data
from bauta.faces.datasets.records import InsightFaceRecords

MAGIC = struct.pack("<I", 0xCED7230A)


def png(shade: int) -> bytes:
    """A picture of 112 x 112 in one shade, and a corner in another, so that none equals another."""
    pixels = np.full((112, 112, 3), shade, np.uint8)
    pixels[:20, :30] = (255 - shade, shade, 7)
    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "png")
    return made.getvalue()


def record(content: bytes) -> bytes:
    """A record as dmlc-core writes it: cut wherever the magic number stands at a multiple of four."""
    pieces, start, at = [], 0, 0
    while at + 4 <= len(content):
        if content[at : at + 4] == MAGIC:
            pieces.append(content[start:at])
            start = at + 4
        at += 4
    pieces.append(content[start:])
    kinds = [0] if len(pieces) == 1 else [1, *[2] * (len(pieces) - 2), 3]
    written = b""
    for kind, piece in zip(kinds, pieces, strict=True):
        written += MAGIC + struct.pack("<I", kind << 29 | len(piece)) + piece + bytes(-len(piece) % 4)
    return written


def labeled(picture: bytes, *labels: float) -> bytes:
    count = len(labels) if len(labels) > 1 else 0
    many = struct.pack(f"<{count}f", *labels[:count])
    return struct.pack("<IfQQ", count, labels[0], 0, 0) + many + picture


PEOPLE = ((10, 20, 30), (90,), (150, 160))  # shades of each person's pictures


def contents() -> list[bytes]:
    """Record 0, six pictures, and the list of three people."""
    pictures, bounds, key = [], [], 1
    for person, shades in enumerate(PEOPLE):
        pictures += [labeled(png(shade), person) for shade in shades]
        bounds.append(labeled(b"", key, key + len(shades)))
        key += len(shades)
    return [labeled(b"", key, key + len(PEOPLE)), *pictures, *bounds]


def write(folder: Path, records: list[bytes], *, idx: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    places, whole = [], b""
    for content in records:
        places.append(len(whole))
        whole += record(content)
    (folder / "train.rec").write_bytes(whole)
    if idx:
        lines = "".join(f"{key}\t{place}\n" for key, place in enumerate(places))
        (folder / "train.idx").write_text(lines)
        (folder / "property").write_text(f"{len(PEOPLE)},112,112\n")
    return folder / "train.rec"


def shades(images: torch.Tensor) -> list[int]:
    return (images[:, 0, 60, 60] * 255).round().int().tolist()


@pytest.mark.parametrize("idx", [True, False])
def test_pictures_and_people_come_back(tmp_path: Path, idx: bool) -> None:
    path = write(tmp_path / "set", contents(), idx=idx)
    for asked in (path, path.parent, str(path)):
        faces = load_dataset(asked)
        assert shades(faces.images) == [10, 20, 30, 90, 150, 160]
        assert faces.identity is not None
        assert faces.identity.tolist() == [0, 0, 0, 1, 2, 2]
    assert [s.file for s in faces.source] == [f"train.rec#{key}" for key in range(1, 7)]
    assert shades(load_dataset(path, 3).images) == [10, 30, 160]


def test_im2recs_files_have_no_list_of_people(tmp_path: Path) -> None:
    """Labels need not be without gaps, nor people lie together; InsightFace's newer sets carry two labels each."""
    records = [labeled(png(5), 7), labeled(png(6), 3), labeled(png(8), 7, 0)]
    found = open_data(write(tmp_path / "set", records, idx=False))
    assert isinstance(found, InsightFaceRecords)
    assert len(found) == 3
    assert found.identity.tolist() == [1, 0, 1]
    assert shades(found.faces().images) == [5, 6, 8]


@pytest.mark.parametrize("idx", [True, False])
def test_a_record_in_pieces_is_joined_by_the_magic_number(tmp_path: Path, idx: bool) -> None:
    """A picture with the magic number in it, twice, once at the very end of its content."""
    tail = bytes(-len(png(42)) % 4) + MAGIC + b"middle.." + MAGIC
    records = contents()
    records[2] = labeled(png(42) + tail, 0)
    assert record(records[2]).count(MAGIC) == 3
    found = open_data(write(tmp_path / "set", records, idx=idx))
    assert isinstance(found, InsightFaceRecords)
    assert found.read("train.rec#2") == png(42) + tail
    assert shades(found.faces().images) == [10, 42, 30, 90, 150, 160]


def test_pairs_are_drawn_from_it(tmp_path: Path) -> None:
    pairs = load_pairs(write(tmp_path / "set", contents()), 20)
    assert pairs.faces.identity is not None
    who = pairs.faces.identity
    assert torch.equal(who[pairs.first] == who[pairs.second], pairs.same)
    assert pairs.same.any()


def test_a_picture_that_cannot_be_read_is_left_out_with_a_warning(tmp_path: Path) -> None:
    records = contents()
    records[4] = labeled(b"no picture", 1)
    found = open_data(write(tmp_path / "set", records))
    assert isinstance(found, InsightFaceRecords)
    with pytest.warns(UserWarning, match=r"1 of 6 pictures in .* are left out"):
        faces, rows = found.chosen(range(6))
    assert rows == [0, 1, 2, 4, 5]
    assert faces.identity is not None
    assert faces.identity.tolist() == [0, 0, 0, 2, 2]


DAMAGE = {
    "cut short": (lambda rec, idx: (rec[:-9], None), "is cut short|has no whole record"),
    "another file": (lambda rec, idx: (b"PK" + rec[2:], idx), "has no whole record at byte 0"),
    "an index beyond": (lambda rec, idx: (rec, idx.replace(b"9\t", b"9\t99999")), "points beyond"),
    "an index of text": (lambda rec, idx: (rec, b"a\tb\n"), "two whole numbers a line"),
    "an index of another set": (
        lambda rec, idx: (rec, re.sub(rb"\n8\t\d+", b"\n8\t44", idx)),
        "has no whole record at byte 44",
    ),
    "an index with a gap": (lambda rec, idx: (rec, b"\n".join(idx.split(b"\n")[:3] + idx.split(b"\n")[4:])), "not all"),
    "empty": (lambda rec, idx: (b"", idx), "is empty"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_set_is_refused_in_one_sentence(tmp_path: Path, case: str) -> None:
    path = write(tmp_path / "set", contents())
    harm, says = DAMAGE[case]
    rec, idx = harm(path.read_bytes(), path.with_suffix(".idx").read_bytes())
    path.write_bytes(rec)
    path.with_suffix(".idx").unlink() if idx is None else path.with_suffix(".idx").write_bytes(idx)
    with pytest.raises(BadFile, match=says):
        load_dataset(path)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ((1e30, 2e30), "counts people from record"),
        ((7, 400), "counts people from record"),
        ((float("nan"), 9), "labels are whole numbers"),
        ((2.5, 9), "labels are whole numbers"),
        ((0, 9), "counts people from record"),
    ],
)
def test_a_head_that_lies_is_refused(tmp_path: Path, head: tuple[float, float], says: str) -> None:
    path = write(tmp_path / "set", [labeled(b"", *head), *contents()[1:]])
    with pytest.raises(BadFile, match=says):
        open_data(path)


def test_more_people_than_property_counts_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "set", contents())
    path.with_name("property").write_text("2,112,112")
    with pytest.raises(BadFile, match=r"counts 2 people, and .* has 3"):
        open_data(path)
    path.with_name("property").write_text("two")
    with pytest.raises(BadFile, match="must read people,height,width"):
        open_data(path)
    with pytest.raises(MissingData, match="no data at"):
        open_data(tmp_path / "no" / "train.rec")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_bytes_come_only_our_errors_are_raised(tmp_path: Path, data: st.DataObject) -> None:
    path = write(tmp_path / "set", contents(), idx=False)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from([*range(64), *range(len(whole) - 160, len(whole))]))
        whole[at] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            faces = load_dataset(path)
        except BautaError:
            return
    assert len(faces) <= len(contents())
