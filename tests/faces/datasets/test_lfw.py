"""LFW: the real one where a mirror has it, and small made ones in its layouts."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bauta.errors import BadFile, MissingData
from bauta.faces import align, load_dataset, load_pairs, read_image
from bauta.faces.align import TEMPLATE
from bauta.faces.datasets import LFW, open_data
from bauta.faces.datasets.lfw import parse_index, parse_pairs
from bauta.faces.datasets.store import Folder

from .made import color_of, numbers, write

PEOPLE = ["Ann_Bo/Ann_Bo_0001.jpg", "Ann_Bo/Ann_Bo_0002.jpg", "Cy/Cy_0001.jpg", "Cy/Cy_0003.jpg", "Di_E/Di_E_0001.jpg"]
PAIRS = "2\t1\nAnn_Bo\t1\t2\nAnn_Bo\t1\tCy\t3\nCy\t1\t3\nCy\t1\tDi_E\t1\n"


def made(folder: Path) -> Path:
    """Five pictures of three people under a top folder, with pairs."""
    write(folder / "lfw", PEOPLE)
    (folder / "lfw" / "pairs.txt").write_text(PAIRS)
    return folder


def test_official_pairs_and_folds_of_a_folder(tmp_path: Path) -> None:
    pairs = load_pairs(made(tmp_path))
    of = numbers(pairs.faces.images)
    assert [(of[a], of[b]) for a, b in zip(pairs.first, pairs.second, strict=True)] == [(0, 1), (0, 3), (2, 3), (2, 4)]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold.tolist() == [0, 0, 1, 1]
    assert pairs.faces.identity.tolist() == [0, 0, 1, 1, 2]


def test_a_zip_is_the_same_as_its_folder(tmp_path: Path) -> None:
    folder = made(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "lfw.zip", "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    one, other = load_pairs(folder), load_pairs(tmp_path / "lfw.zip")
    assert torch.equal(one.faces.images, other.faces.images)
    assert torch.equal(one.first, other.first)
    assert one.faces.digests() == other.faces.digests()


def test_originals_are_aligned_by_the_landmarks_of_the_index(tmp_path: Path) -> None:
    marks = TEMPLATE * 0.9 + [70, 60]
    y, x = np.mgrid[:250, :250]
    path = tmp_path / "Ann_Bo" / "Ann_Bo_0001.jpg"
    path.parent.mkdir()
    Image.fromarray(np.stack([x, y, 255 - x], -1).astype(np.uint8)).save(path, "PNG")
    (tmp_path / "pairs.txt").write_text("0\n")
    header = "file,identity,gender,emotion," + ",".join(f"{axis}{i}" for i in range(1, 6) for axis in "xy") + ",score\n"
    row = "Ann_Bo_0001.jpg,Ann_Bo,F,happiness," + ",".join(f"{v:.2f}" for v in marks.ravel()) + ",0.9\n"
    (tmp_path / "lfw_index.csv").write_text(header + row)
    faces = load_dataset(tmp_path)
    torch.testing.assert_close(faces.images[0], align(read_image(path), marks), atol=1e-3, rtol=0)
    assert faces.attributes["gender"].tolist() == [1]
    assert faces.attributes["emotion"].tolist() == [3]


def test_the_part_that_a_limit_keeps(tmp_path: Path) -> None:
    folder = made(tmp_path)
    pairs = load_pairs(folder)
    names = [s.file for s in pairs.faces.source]
    assert len(pairs.take(4)) == 4
    (folder / "lfw" / "pairs.txt").write_text("1\t2\nAnn_Bo\t1\t2\nCy\t1\t3\nAnn_Bo\t1\tCy\t3\nCy\t1\tDi_E\t1\n")
    part = load_pairs(folder, 2)
    assert part.same.tolist() == [True, False]
    assert [s.file for s in part.faces.source] == [names[0], names[1], names[3]]
    assert numbers(load_dataset(folder, 3).images) == [0, 1, 2]


def test_lists_that_are_no_pairs() -> None:
    for text in (
        "",
        "ten 300",
        "1 1\nAnn 1 2",
        "1 1\nAnn 1 2\nAnn 1 Bo 2 3 4",
        "1 1\nAnn 1\nBo 1",
        "1 1\nAnn a b\nAnn 1 Bo 2",
    ):
        with pytest.raises(BadFile, match=r"pairs\.txt"):
            parse_pairs(text)
    view1 = parse_pairs("1\nAnn 1 2\nAnn 1 Bo 2")
    assert [(p.first, p.second, p.same, p.fold) for p in view1] == [
        ("Ann_0001", "Ann_0002", True, 0),
        ("Ann_0001", "Bo_0002", False, 0),
    ]


def test_broken_sets_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="columns"):
        parse_index("file,identity\na.jpg,b\n")
    folder = made(tmp_path)
    (folder / "lfw" / PEOPLE[3]).unlink()
    with pytest.raises(BadFile, match=r"1 pictures of the protocol are not in .*Cy_0003"):
        load_pairs(folder)
    with pytest.raises(MissingData, match="LFW"):
        LFW(Folder(tmp_path / "lfw" / "Cy" / "nothing"))
    with pytest.raises(BadFile, match="no zip"):
        load_pairs(folder / "lfw" / "pairs.txt")


def test_a_damaged_picture_costs_its_pairs_and_is_counted(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder / "lfw" / PEOPLE[4]).write_bytes(b"not a picture")
    with pytest.warns(UserWarning, match=r"1 of 5 pictures in .* are left out; the first: lfw/Di_E/Di_E_0001\.jpg"):
        pairs = load_pairs(folder)
    assert len(pairs) == 3
    assert len(pairs.faces) == 4


def test_color_stays_color_and_gray_shares_its_channel(tmp_path: Path) -> None:
    folder = made(tmp_path)
    faces = load_dataset(folder)
    assert [tuple((image[:, 5, 5] * 255).round().int().tolist()) for image in faces.images] == [
        color_of(i) for i in range(5)
    ]
    for name in PEOPLE:
        Image.new("L", (112, 112), 90).save(folder / "lfw" / name, "PNG")
    gray = load_dataset(folder)
    assert gray.images.shape == (5, 3, 112, 112)
    assert gray.images.untyped_storage().nbytes() == 5 * 112 * 112 * 4
    assert torch.equal(gray.images, torch.full_like(gray.images, 90 / 255))


@pytest.mark.mirror
def test_the_real_protocol(mirror: Path) -> None:
    pairs = load_pairs("lfw", 600)
    assert len(pairs) == 600
    assert int(pairs.same.sum()) == 300
    assert pairs.fold.bincount().tolist() == [60] * 10
    people = pairs.faces.identity
    assert torch.equal(people[pairs.first] == people[pairs.second], pairs.same)
    # by hand: the first genuine line of fold 0 and the first impostor line of fold 1
    lines = [line.split() for line in (mirror / "lfw_pairs.txt").read_text().splitlines()[1:]]
    stem = [s.file.rsplit("/", 1)[1].split(".")[0] for s in pairs.faces.source]
    (name, i, j), (left, a, right, b) = lines[0], lines[600 + 300]
    assert (stem[pairs.first[0]], stem[pairs.second[0]]) == (f"{name}_{int(i):04d}", f"{name}_{int(j):04d}")
    row = 60 + 30
    assert (stem[pairs.first[row]], stem[pairs.second[row]]) == (f"{left}_{int(a):04d}", f"{right}_{int(b):04d}")


@pytest.mark.mirror
def test_the_real_labels(mirror: Path) -> None:
    data = open_data("lfw")
    assert len(data.names) == 13_233
    assert len({data.person(name) for name in data.names}) == 5_749
    assert len(data.protocol()) == 6_000
    faces = load_dataset("lfw", 50)
    assert faces.images.shape == (50, 3, 112, 112)
    with (mirror / "lfw_index.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    for source, gender in zip(faces.source, faces.attributes["gender"].tolist(), strict=True):
        assert gender == {"": -1, "M": 0, "F": 1}[rows[source.file.rsplit("/", 1)[1]]["gender"]]


@pytest.mark.mirror
def test_a_copy_without_its_list_takes_the_published_one(mirror: Path) -> None:
    copy, named = load_pairs(mirror / "lfw_gray_112.zip", 20), load_pairs("lfw", 20)
    assert copy.faces.digests() == named.faces.digests()
    assert torch.equal(copy.second, named.second)
