"""AgeDB-30, CALFW and CFP as small made sets in their layouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bauta.errors import BadFile, MissingData
from bauta.faces import Pairs, load_dataset, load_pairs
from bauta.faces.datasets import CALFW, CFPFF, CFPFP, AgeDB30, open_data
from bauta.faces.datasets.store import Folder

from .made import numbers, write


def compared(pairs: Pairs) -> list[tuple[int, int, bool, int]]:
    """(number of the first picture, of the second, same, fold) of each pair."""
    of = numbers(pairs.faces.images)
    columns = (pairs.first.tolist(), pairs.second.tolist(), pairs.same.tolist(), pairs.fold.tolist())
    return [(of[a], of[b], same, fold) for a, b, same, fold in zip(*columns, strict=True)]


AGEDB = ["0_MariaCallas_35_f.jpg", "1_MariaCallas_65_f.jpg", "2_AlbertEinstein_20_m.jpg", "10_AlbertEinstein_50_m.jpg"]


def test_agedb_30(tmp_path: Path) -> None:
    write(tmp_path / "AgeDB", AGEDB)
    pairs = [(0, 1, 1), (2, 3, 1), (0, 2, 0), (1, 3, 0)] * 5
    (tmp_path / "agedb_30_pair.txt").write_text("".join(f"{AGEDB[a]} {AGEDB[b]} {s}\n" for a, b, s in pairs))
    assert isinstance(open_data(tmp_path), AgeDB30)
    assert compared(load_pairs(tmp_path)) == [(a, b, bool(s), i // 2) for i, (a, b, s) in enumerate(pairs)]
    faces = load_dataset(tmp_path)
    age = dict(zip(numbers(faces.images), faces.attributes["age"].tolist(), strict=True))
    assert age == {0: 35, 1: 65, 2: 20, 3: 50}
    gender = dict(zip(numbers(faces.images), faces.attributes["gender"].tolist(), strict=True))
    assert gender == {0: 1, 1: 1, 2: 0, 3: 0}
    people = dict(zip(numbers(faces.images), faces.identity.tolist(), strict=True))
    assert people == {0: 1, 1: 1, 2: 0, 3: 0}


def test_agedb_30_under_other_names_and_without_its_list(tmp_path: Path) -> None:
    write(tmp_path / "imgs", ["0.jpg", "1.jpg", "2.jpg"])
    (tmp_path / "agedb_30_pair.txt").write_text("0.jpg 1.jpg 1\n0.jpg 2.jpg 0\n")
    assert compared(load_pairs(tmp_path)) == [(0, 1, True, 0), (0, 2, False, 1)]
    assert load_dataset(tmp_path).identity is None
    (tmp_path / "agedb_30_pair.txt").write_text("0.jpg 1.jpg\n")
    with pytest.raises(BadFile, match=r"'a\.jpg b\.jpg 1'"):
        load_pairs(tmp_path)
    write(tmp_path / "plain", AGEDB)
    with pytest.raises(MissingData, match="agedb_30_pair"):
        load_pairs(tmp_path / "plain")


CALFW_NAMES = ["Ann_Bo_0001.jpg", "Ann_Bo_0002.jpg", "Cy_0001.jpg", "Cy_0002.jpg"]


def test_calfw(tmp_path: Path) -> None:
    write(tmp_path / "calfw" / "aligned images", CALFW_NAMES)
    write(tmp_path / "calfw" / "images&landmarks" / "images", CALFW_NAMES[::-1])
    genuine = [(CALFW_NAMES[0], CALFW_NAMES[1], 1 + i // 2) for i in range(20)]
    impostor = [(CALFW_NAMES[1], CALFW_NAMES[2], 0)] * 20
    text = "".join(f"{a} {k}\n{b} {k}\n" for a, b, k in genuine + impostor)
    (tmp_path / "calfw" / "pairs_CALFW.txt").write_text(text)
    wanted = [(0, 1, True, i // 2) for i in range(20)] + [(1, 2, False, i // 2) for i in range(20)]
    assert compared(load_pairs(tmp_path)) == wanted
    assert load_dataset(tmp_path).identity.tolist() == [0, 0, 1, 1]
    data = open_data(tmp_path)
    assert isinstance(data, CALFW)
    assert all("aligned" in name for name in data.names)


@pytest.mark.parametrize(
    "text", ["Ann_Bo_0001.jpg 1\n", "Ann_Bo_0001.jpg 1\nCy_0001.jpg 2\n", "Ann_Bo_0001.jpg\nCy_0001.jpg\n"]
)
def test_calfw_with_a_broken_list(tmp_path: Path, text: str) -> None:
    write(tmp_path, CALFW_NAMES)
    (tmp_path / "pairs_CALFW.txt").write_text(text)
    with pytest.raises(BadFile, match=r"pairs_CALFW\.txt"):
        load_pairs(tmp_path)


def made_cfp(folder: Path) -> list[str]:
    """Two people, two frontal and one profile picture each, two folds."""
    names = [
        f"{who}/{kind}" for who in ("001", "002") for kind in ("frontal/01.jpg", "frontal/02.jpg", "profile/01.jpg")
    ]
    write(folder / "Data" / "Images", names)
    protocol = folder / "Protocol"
    frontal = ["001/frontal/01.jpg", "001/frontal/02.jpg", "002/frontal/01.jpg", "002/frontal/02.jpg"]
    profile = ["001/profile/01.jpg", "002/profile/01.jpg"]
    for kind, listed in (("F", frontal), ("P", profile)):
        protocol.mkdir(exist_ok=True)
        lines = "".join(f"{i} ../Data/Images/{name}\n" for i, name in enumerate(listed, 1))
        (protocol / f"Pair_list_{kind}.txt").write_text(lines)
    for split, same, diff in (("FF", "1,2\n3,4\n", "1,3\n2,4\n"), ("FP", "1,1\n4,2\n", "1,2\n3,1\n")):
        for fold in ("01", "02"):
            place = protocol / "Split" / split / fold
            place.mkdir(parents=True)
            (place / "same.txt").write_text(same)
            (place / "diff.txt").write_text(diff)
    return names


def test_cfp(tmp_path: Path) -> None:
    made_cfp(tmp_path / "cfp-dataset")
    assert type(open_data(tmp_path)) is CFPFF
    frontal = [(0, 1, True), (3, 4, True), (0, 3, False), (1, 4, False)]
    assert compared(load_pairs(tmp_path)) == [(*p, fold) for fold in (0, 1) for p in frontal]
    profile = [(0, 2, True), (4, 5, True), (0, 5, False), (3, 2, False)]
    assert compared(CFPFP(Folder(tmp_path)).pairs()) == [(*p, fold) for fold in (0, 1) for p in profile]
    assert load_dataset(tmp_path).identity.tolist() == [0, 0, 0, 1, 1, 1]


def test_cfp_with_a_broken_protocol(tmp_path: Path) -> None:
    made_cfp(tmp_path)
    same = tmp_path / "Protocol" / "Split" / "FF" / "02" / "same.txt"
    same.write_text("1,77\n")
    with pytest.raises(BadFile, match="names picture 1 or 77"):
        load_pairs(tmp_path)
    same.write_text("1;2\n")
    with pytest.raises(BadFile, match="two columns"):
        load_pairs(tmp_path)
