"""CelebA as a small made set in its layout, as text and as Kaggle's tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bauta.errors import BadFile, UsageError
from bauta.faces import load_dataset, load_pairs
from bauta.faces.align import TEMPLATE
from bauta.faces.datasets import CelebA, open_data
from bauta.faces.datasets.store import Folder

from .made import numbers, write

FILES = [f"{i:06d}.jpg" for i in range(1, 9)]
PARTITION = [0, 0, 1, 1, 2, 2, 2, 2]
PEOPLE = [500, 500, 20, 20, 3, 1000, 3, 1000]


def made(folder: Path, size: tuple[int, int] = (112, 112)) -> Path:
    write(folder / "img_align_celeba", FILES, size)
    (folder / "list_eval_partition.txt").write_text(
        "".join(f"{f} {p}\n" for f, p in zip(FILES, PARTITION, strict=True))
    )
    (folder / "identity_CelebA.txt").write_text("".join(f"{f} {p}\n" for f, p in zip(FILES, PEOPLE, strict=True)))
    rows = "".join(f"{f} {1 if i % 2 else -1:2d} {1 if i < 6 else -1:2d}\n" for i, f in enumerate(FILES))
    (folder / "list_attr_celeba.txt").write_text(f"{len(FILES)}\nMale Smiling \n{rows}")
    return folder


@pytest.mark.parametrize(("part", "rows"), [("train", [0, 1]), ("validation", [2, 3]), ("test", [4, 5, 6, 7])])
def test_parts_people_and_attributes(tmp_path: Path, part: str, rows: list[int]) -> None:
    faces = CelebA(Folder(made(tmp_path)), part=part).faces()
    assert numbers(faces.images) == rows
    assert faces.attributes["Male"].tolist() == [row % 2 for row in rows]
    assert faces.attributes["Smiling"].tolist() == [int(row < 6) for row in rows]
    assert faces.identity.tolist() == [sorted({PEOPLE[r] for r in rows}).index(PEOPLE[r]) for r in rows]


def test_by_path_it_is_the_test_part(tmp_path: Path) -> None:
    assert isinstance(open_data(made(tmp_path)), CelebA)
    assert len(load_dataset(tmp_path)) == 4
    pairs = load_pairs(tmp_path)
    people = pairs.faces.identity
    assert torch.equal(people[pairs.first] == people[pairs.second], pairs.same)
    assert pairs.same.any()


def test_tables_with_commas(tmp_path: Path) -> None:
    made(tmp_path)
    for stem, header in (("list_eval_partition", "image_id,partition"), ("list_attr_celeba", "image_id,Male,Smiling")):
        lines = (tmp_path / f"{stem}.txt").read_text().splitlines()
        rows = [",".join(line.split()) for line in lines if line.endswith(tuple("0123456789")) and ".jpg" in line]
        (tmp_path / f"{stem}.csv").write_text("\n".join([header, *rows]))
        (tmp_path / f"{stem}.txt").unlink()
    faces = load_dataset(tmp_path)
    assert numbers(faces.images) == [4, 5, 6, 7]
    assert list(faces.attributes) == ["Male", "Smiling"]
    assert faces.attributes["Male"].tolist() == [0, 1, 0, 1]


def test_pictures_are_aligned_by_its_landmarks(tmp_path: Path) -> None:
    made(tmp_path, (178, 218))
    # the template inside the picture: the aligned face is one color throughout; outside: it is partly black
    inside = np.round(TEMPLATE + np.array([30, 50])).astype(int)
    outside = np.round(TEMPLATE - np.array([50, 0])).astype(int)
    rows = [f"{f} {' '.join(map(str, (outside if i == 7 else inside).ravel()))}" for i, f in enumerate(FILES)]
    names = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    (tmp_path / "list_landmarks_align_celeba.txt").write_text("\n".join(["8", names, *rows]))
    faces = load_dataset(tmp_path)
    assert numbers(faces.images) == [4, 5, 6, 7]
    assert float(faces.images[:3].std(dim=(2, 3)).max()) < 1e-6
    assert float(faces.images[3, :, :, :45].max()) == 0


def test_broken_lists_and_parts(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(UsageError, match="train, validation, test"):
        CelebA(Folder(tmp_path), part="all")
    (tmp_path / "list_attr_celeba.txt").write_text("1\nMale Smiling\n000005.jpg 1\n")
    with pytest.raises(BadFile, match="2 values"):
        load_dataset(tmp_path)
    (tmp_path / "list_attr_celeba.txt").write_text("1\nMale Smiling\n000005.jpg yes no\n")
    with pytest.raises(BadFile, match="integers"):
        load_dataset(tmp_path)
