"""Whose face is meant, of several people in a folder and of several faces in a photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bauta.errors import BadImage, MissingData, UsageError
from bauta.faces import TEMPLATE, Detection, load_dataset, write_image
from bauta.job.portraits import AlignedAlready, Owner, every, largest, pictures_in, portraits
from bauta.recognizers import Preprocess, Recognizer, load

from .conftest import Sides, picture

COLORS = {"red": (0.8, 0.3, 0.3), "blue": (0.2, 0.3, 0.9), "green": (0.1, 0.9, 0.2)}


def colors() -> Recognizer:
    """Tells people by their color."""
    shape = nn.Sequential(nn.AvgPool2d(56), nn.Flatten(1), nn.Unflatten(1, (12, 1, 1)))
    return Recognizer({"input": Preprocess(), "mean": shape}, name="colors").frozen()


def person(color: str, seed: int) -> Tensor:
    """(3, 112, 112): a noisy photo of somebody."""
    noise = 0.1 * torch.rand(3, 112, 112, generator=torch.Generator().manual_seed(seed))
    return torch.tensor(COLORS[color])[:, None, None] + noise - 0.05


def test_the_majority_is_the_person_and_the_others_are_named(tmp_path: Path) -> None:
    for name, color in {"a": "red", "b": "blue", "c": "red", "d": "green", "e": "red", "f": "blue"}.items():
        write_image(tmp_path / f"{name}.png", person(color, ord(name)))
    (tmp_path / "again.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "note.jpg").write_text("dear diary")
    picture(3, (200, 112)).save(tmp_path / "wide.png")
    found = portraits(tmp_path, colors(), 0.6, AlignedAlready())
    assert len(found.images) == 3
    assert float((found.images.mean((0, 2, 3)) - torch.tensor(COLORS["red"])).abs().max()) < 0.02
    assert sorted(found.left_out) == ["again.png", "b.png", "d.png", "f.png", "note.jpg", "wide.png"] or sorted(
        found.left_out
    ) == ["a.png", "b.png", "d.png", "f.png", "note.jpg", "wide.png"]
    assert "somebody else's" in found.left_out["b.png"]
    assert "not a picture" in found.left_out["note.jpg"]
    assert "200 x 112" in found.left_out["wide.png"]
    assert float(found.person.norm()) == pytest.approx(1)
    assert len(set(found.digests)) == 3


def test_of_several_faces_in_a_photo_the_one_that_is_in_all(tmp_path: Path) -> None:
    """Red is once left and twice right; beside her is somebody else each time."""
    sides = [("red", "blue"), ("green", "red"), ("blue", "red")]
    for number, (left, right) in enumerate(sides):
        both = torch.cat([person(left, 2 * number), person(right, 2 * number + 1)], 2)
        write_image(tmp_path / f"{number}.png", both)
    found = portraits(tmp_path, colors(), 0.6, Sides())
    assert len(found.images) == 3
    for number, image in enumerate(found.images):
        assert float((image.mean((1, 2)) - torch.tensor(COLORS["red"])).abs().max()) < 0.05, number
    owner = Owner(colors(), found.person, 0.6)
    both = torch.cat([person("blue", 8), person("red", 9)], 2)
    faces = Sides().detect(both)
    assert owner(both, faces) == [faces[1]]
    strangers = torch.cat([person("blue", 8), person("green", 9)], 2)
    assert owner(strangers, faces) == []
    assert largest(both, faces) == faces[:1]
    assert every(both, faces) == faces


def test_one_photo_is_too_few(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", person("red", 0))
    write_image(tmp_path / "b.png", person("blue", 0))
    with pytest.raises(MissingData, match="at least two photos of one person, and 1 of 2 would do"):
        portraits(tmp_path, colors(), 0.6, AlignedAlready())
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.png").write_text("x")
    with pytest.raises(MissingData, match="and 0 of 1 would do"):
        portraits(tmp_path / "none", colors(), 0.6, AlignedAlready())


def test_an_aligned_face_is_where_the_template_is() -> None:
    (face,) = AlignedAlready().detect(torch.zeros(3, 112, 112))
    assert isinstance(face, Detection)
    assert np.array_equal(face.landmarks, TEMPLATE)
    with pytest.raises(BadImage, match="leave --aligned out"):
        AlignedAlready().detect(torch.zeros(3, 112, 96))


def test_pictures_and_the_names_of_what_is_made_of_them(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("a.jpg", "deep/a.jpg", ".hidden.png", "note.txt"):
        (tmp_path / name).write_text("x")
    assert [n.output for n in pictures_in([tmp_path])] == ["a.png", "deep/a.png"]
    assert [n.output for n in pictures_in([tmp_path / "a.jpg"])] == ["a.png"]
    (tmp_path / "A.webp").write_text("x")
    assert sorted(n.output for n in pictures_in([tmp_path])) == ["A.webp.png", "a.jpg.png", "deep/a.jpg.png"]
    with pytest.raises(UsageError, match="the same name"):
        pictures_in([tmp_path / "a.jpg", tmp_path / "deep" / "a.jpg"])
    with pytest.raises(MissingData, match="is not there"):
        pictures_in([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingData, match="no pictures"):
        pictures_in([tmp_path / "empty"])


@pytest.mark.mirror
def test_a_real_person_among_others(mirror: Path, tmp_path: Path) -> None:
    known = load_dataset("celeb12", 400)
    assert known.identity is not None
    mine = (known.identity == known.identity[0]).nonzero().flatten()[:6].tolist()
    others = (known.identity != known.identity[0]).nonzero().flatten()[:3].tolist()
    for row in mine + others:
        write_image(tmp_path / f"{row:04d}.png", known.images[row])
    found = portraits(tmp_path, load("mobilefacenet-casia"), 0.288, AlignedAlready())
    assert sorted(found.left_out) == [f"{row:04d}.png" for row in others]
