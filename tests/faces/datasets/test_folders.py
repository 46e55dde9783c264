"""Folders of one's own, UTKFace, names and paths."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from bauta import zoo
from bauta.errors import BadFile, MissingData, UsageError
from bauta.faces import load_dataset, load_pairs, read_image
from bauta.faces.align import TEMPLATE, align
from bauta.faces.datasets import LAYOUTS, NAMED, People, Photos, UTKFace, open_data
from bauta.faces.datasets.store import Folder, open_store
from bauta.faces.datasets.utkface import labels
from bauta.faces.detect import Detection

from .made import numbers, write


class Fixed:
    """A detector that always sees the same faces."""

    def __init__(self, *faces: Detection) -> None:
        self.faces = list(faces)

    def detect(self, image: torch.Tensor) -> list[Detection]:
        return self.faces


@pytest.mark.parametrize("top", ["", "top/"])
def test_what_is_known_of_people_lies_beside_them(tmp_path: Path, top: str) -> None:
    write(tmp_path, [f"{top}zoe/1.png", f"{top}zoe/2.png", f"{top}adam/x.jpg"])
    table = tmp_path / top / "labels.csv"
    table.write_text("file,gender,hat\nzoe/2.png,1,4\nadam/x.jpg,0,\nnobody/1.png,7,7\n")
    faces = load_dataset(tmp_path)
    assert [one.file for one in faces.source] == [f"{top}adam/x.jpg", f"{top}zoe/1.png", f"{top}zoe/2.png"]
    assert faces.attributes["gender"].tolist() == [0, -1, 1]
    assert faces.attributes["hat"].tolist() == [-1, -1, 4]
    for damaged in ("picture,gender\na,1\n", "file,gender\nzoe/1.png,female\n", "file,gender\nzoe/1.png,1,2\n"):
        table.write_text(damaged)
        with pytest.raises(BadFile, match="needs the column file"):
            load_dataset(tmp_path)


def test_a_folder_a_person(tmp_path: Path) -> None:
    write(tmp_path, ["top/zoe/1.png", "top/zoe/2.png", "top/adam/x.jpg", "top/adam/notes.txt", "top/.hidden/3.png"])
    assert isinstance(open_data(tmp_path), People)
    faces = load_dataset(tmp_path)
    assert numbers(faces.images) == [2, 0, 1]
    assert faces.identity.tolist() == [0, 1, 1]
    assert [s.file for s in faces.source] == ["top/adam/x.jpg", "top/zoe/1.png", "top/zoe/2.png"]


def test_a_plain_folder_has_no_identities_and_no_pairs(tmp_path: Path) -> None:
    write(tmp_path, ["b.png", "a.png"])
    assert isinstance(open_data(tmp_path), Photos)
    assert load_dataset(tmp_path).identity is None
    assert numbers(load_dataset(str(tmp_path), 1).images) == [1]
    with pytest.raises(UsageError, match="who is who"):
        load_pairs(tmp_path)


def test_pictures_of_other_sizes_are_aligned_by_the_most_central_face(tmp_path: Path) -> None:
    write(tmp_path, ["a.png"], (400, 300))
    middle = Detection((150, 90, 100, 120), TEMPLATE + np.array([144, 94]), 0.9)
    corner = Detection((0, 0, 110, 130), TEMPLATE - 5, 0.95)
    faces = load_dataset(tmp_path, detector=Fixed(corner, middle))
    wanted = align(read_image(tmp_path / "a.png"), middle.landmarks)
    torch.testing.assert_close(faces.images[0], wanted, rtol=0, atol=0)


def test_pictures_without_a_face_are_counted(tmp_path: Path) -> None:
    write(tmp_path, ["a.png"], (400, 300))
    write(tmp_path, ["b.png"])
    with pytest.warns(UserWarning, match=r"1 of 2 pictures in .* the first: No face was found in a\.png"):
        assert len(load_dataset(tmp_path, detector=Fixed())) == 1
    (tmp_path / "b.png").unlink()
    with pytest.warns(UserWarning, match="left out"), pytest.raises(MissingData, match="gave no face"):
        load_dataset(tmp_path, detector=Fixed())


@pytest.mark.parametrize(("people", "each"), [(2, 3), (7, 4), (60, 3)])
def test_pairs_drawn_from_a_folder_of_people(tmp_path: Path, people: int, each: int) -> None:
    write(tmp_path, [f"p{who:02d}/{i}.png" for who in range(people) for i in range(each)])
    pairs = load_pairs(tmp_path, 60)
    identity = pairs.faces.identity
    assert torch.equal(identity[pairs.first] == identity[pairs.second], pairs.same)
    assert pairs.same.any()
    assert not pairs.same.all()
    of_fold = [
        set(identity[torch.cat([pairs.first, pairs.second])][pairs.fold.repeat(2) == f].tolist())
        for f in range(pairs.folds)
    ]
    assert sum(map(len, of_fold)) == len(set.union(*of_fold))
    both = [tuple(sorted(p)) for p in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)]
    assert len(set(both)) == len(both) <= 60
    again = load_pairs(tmp_path, 60)
    assert torch.equal(again.first, pairs.first)
    assert torch.equal(again.second, pairs.second)


def test_people_with_one_picture_each_have_no_pairs(tmp_path: Path) -> None:
    write(tmp_path, [f"p{who}/1.png" for who in range(4)])
    with pytest.raises(UsageError, match="two pictures"):
        load_pairs(tmp_path)


UTK = [
    "25_0_2_20170116174525125.jpg.chip.jpg",
    "4_1_0_20170103200329407.jpg",
    "61_1_20170109142408075.jpg",
    "39_3_20170116174525125.jpg",
]


def test_utkface(tmp_path: Path) -> None:
    write(tmp_path, UTK)
    assert isinstance(open_data(tmp_path), UTKFace)
    faces = load_dataset(tmp_path)
    assert faces.identity is None
    age, gender, race = (faces.attributes[key].tolist() for key in ("age", "gender", "race"))
    rows = {n: (a, g, r) for n, a, g, r in zip(numbers(faces.images), age, gender, race, strict=True)}
    assert rows == {0: (25, 0, 2), 1: (4, 1, 0), 2: (61, -1, -1), 3: (39, -1, 3)}
    assert labels("somebody.jpg") == (None, None, None)


@pytest.mark.mirror
@pytest.mark.filterwarnings("ignore:1 of 40 pictures")
def test_real_utkface(mirror: Path) -> None:
    faces = load_dataset("utkface", 40)
    with (mirror / "utkface_index.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    for i, source in enumerate(faces.source):
        row = rows[source.file]
        assert int(row["age"]) == faces.attributes["age"][i]
        assert int(row["gender(0=M,1=F)"]) == faces.attributes["gender"][i]
        assert int(row["race(0W,1B,2A,3I,4O)"]) == faces.attributes["race"][i]
        assert int(row["balanced2000"]) == faces.attributes["balanced"][i]
    assert len(set(faces.attributes["age"].tolist())) > 10
    assert faces.images.shape == (len(faces), 3, 112, 112)


def test_names_and_paths_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"No data set is called 'lwf'.*lfw"):
        load_dataset("lwf")
    with pytest.raises(MissingData, match="There is no data at"):
        load_dataset(tmp_path / "absent")
    with pytest.raises(MissingData, match="holds no picture"):
        load_dataset(tmp_path)
    monkeypatch.setenv("BAUTA_MIRROR", str(tmp_path))
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path))
    for name in (
        "lfw",
        "utkface",
        "celeb12",
        "agedb-30",
        "calfw",
        "cfp-ff",
        "cfp-fp",
        "celeba",
        "lfw-color",
        "lfw-funneled",
    ):
        with pytest.raises(MissingData, match=f"The data set {name} is not here"):
            load_dataset(name)


def test_a_registered_set_is_read_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    write(tmp_path / "faces", ["ann/1.png", "bo/1.png"])
    zoo.register_dataset("mine", tmp_path / "faces")
    assert load_dataset("mine").identity.tolist() == [0, 1]
    zoo.register_dataset("celeba", tmp_path / "faces")
    with pytest.raises(MissingData, match="no CelebA set"):
        load_dataset("celeba")


def test_every_record_of_the_zoo_has_a_layout() -> None:
    several = {"insightface-bins"}
    assert {record.name for record in zoo.DATASETS} - several == set(NAMED)
    assert set(NAMED.values()) - set(LAYOUTS) <= {NAMED["cfp-fp"]}


def test_damaged_zips(tmp_path: Path) -> None:
    write(tmp_path / "a", ["p/1.png", "q/1.png"])
    with zipfile.ZipFile(tmp_path / "faces.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted((tmp_path / "a").rglob("*.png")):
            file.write(path, path.relative_to(tmp_path / "a"))
    assert len(load_dataset(tmp_path / "faces.zip")) == 2
    data = bytearray((tmp_path / "faces.zip").read_bytes())
    (tmp_path / "short.zip").write_bytes(data[:-30])
    with pytest.raises(BadFile, match="no zip"):
        load_dataset(tmp_path / "short.zip")
    data[60:70] = bytes(10)
    (tmp_path / "hurt.zip").write_bytes(data)
    with pytest.warns(UserWarning, match="1 of 2 pictures"):
        assert len(load_dataset(tmp_path / "hurt.zip")) == 1


def test_a_zip_cannot_reach_out_of_itself(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as file:
        file.writestr("../secret.png", b"inside")
    store = open_store(tmp_path / "faces.zip")
    assert [store.read(name) for name in store.names] == []
    assert Folder(tmp_path).read("secret.png") == b"x"
