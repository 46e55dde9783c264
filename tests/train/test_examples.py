"""Data for training: rows, people without gaps, and nobody who learns and judges."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
import torch
from PIL import Image

from bauta.errors import UsageError
from bauta.faces import load_dataset
from bauta.faces.datasets import open_data
from bauta.train.cast import ColorCast
from bauta.train.examples import Cast, Examples, Held, Listed, Part, everything, fingerprint, held_out, sample
from bauta.types import Faces

from . import made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.folder(tmp_path_factory.mktemp("people"))


def same(ours: Faces, theirs: Faces) -> bool:
    return torch.equal(ours.images, theirs.images) and list(ours.digests()) == list(theirs.digests())


def test_listed_pictures_are_those_in_memory(folder: Path) -> None:
    listed, held = Listed(open_data(folder)), Held(load_dataset(folder))  # type: ignore[arg-type]
    rows = [50, 3, 3, 70]
    (ours, kept), (theirs, _) = listed.read(rows), held.read(rows)
    assert kept == rows
    assert same(ours, theirs)
    assert ours.identity is not None
    assert torch.equal(ours.identity, held.identity[rows])
    assert torch.equal(listed.identity, held.identity)
    assert listed.identity.tolist() == [i // 3 for i in range(72)]


@pytest.mark.parametrize("kind", [Held, Listed])
def test_a_part_numbers_its_people_anew(folder: Path, kind: type) -> None:
    whole: Examples = kind(load_dataset(folder) if kind is Held else open_data(folder))
    part = Part(whole, torch.tensor([6, 7, 60, 61, 62, 30]))
    assert part.identity.tolist() == [0, 0, 2, 2, 2, 1]
    faces, rows = part.read([5, 0, 2])
    assert rows == [5, 0, 2]
    assert faces.identity is not None
    assert faces.identity.tolist() == [1, 0, 2]
    assert same(faces, whole.read([30, 6, 60])[0])


def test_a_picture_that_cannot_be_read_is_left_out(folder: Path, tmp_path: Path) -> None:
    copy = made.folder(tmp_path / "people", people=4)
    (copy / "person001" / "0004.png").write_bytes(b"nothing")
    listed = Part(Listed(open_data(copy)), torch.arange(2, 12))  # type: ignore[arg-type]
    with pytest.warns(UserWarning, match="are left out"):
        faces, rows = listed.read([1, 2, 9])
    assert rows == [1, 9]
    assert faces.identity is not None
    assert faces.identity.tolist() == [1, 3]


def test_nobody_learns_and_judges(folder: Path) -> None:
    examples, pairs = held_out(folder, 3)
    assert set(pairs.fold.tolist()) == {7, 8, 9}
    everybody = load_dataset(folder)
    assert everybody.identity is not None
    who = dict(zip(everybody.digests(), everybody.identity.tolist(), strict=True))
    learning = {who[d] for d in examples.read(range(len(examples)))[0].digests()}
    judging = {who[d] for d in pairs.faces.digests()}
    assert learning
    assert judging
    assert not learning & judging
    assert examples.identity.unique().tolist() == list(range(len(learning)))
    again, _ = held_out(folder, 3, limit=20)
    assert len(again) == 20


def test_folds_that_leave_nobody_or_cannot_judge_are_refused(folder: Path) -> None:
    for folds in (1, 10):
        with pytest.raises(UsageError, match="Of 10 folds, 2 to 9 can judge"):
            held_out(folder, folds)


def test_judges_may_be_another_set_but_not_the_same_pictures(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"share \d+ pictures"):
        everything(folder, folder)
    picture = io.BytesIO()
    Image.new("RGB", (112, 112), (1, 2, 3)).save(picture, "png")
    rec, record = tmp_path / "train.rec", struct.pack("<IfQQ", 0, 4, 0, 0) + picture.getvalue()
    rec.write_bytes(struct.pack("<II", 0xCED7230A, len(record)) + record + bytes(-len(record) % 4))
    examples, pairs = everything(rec, folder)
    assert len(examples) == 1
    assert len(pairs) > 20
    with pytest.raises(UsageError, match="has no folds of people to judge by"):
        held_out(rec, 2)


def test_pictures_without_names_teach_nobody(tmp_path: Path) -> None:
    flat = made.folder(tmp_path / "people", people=1) / "person000"
    with pytest.raises(UsageError, match="does not say who is who"):
        everything(flat, flat)
    with pytest.raises(UsageError, match="have no identities"):
        Held(Faces(torch.rand(2, 3, 8, 8)))


def test_a_fingerprint_is_of_who_and_what() -> None:
    plain = Held(made.faces())
    assert fingerprint(plain) == fingerprint(Held(made.faces()))
    assert fingerprint(plain) != fingerprint(Held(made.faces(seed=9)))
    assert fingerprint(plain) != fingerprint(Part(plain, torch.arange(40)))
    assert len(sample(plain, 5)) == 5


def test_a_cast_is_one_a_picture_wherever_it_stands() -> None:
    gray = made.faces().images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    plain = Held(Faces(gray, made.faces().identity, source=made.faces().source))
    cast = Cast(plain, ColorCast(0.4, seed=2))
    assert torch.equal(cast.identity, plain.identity)
    one, _ = cast.read([4, 9])
    other, _ = cast.read([9])
    assert torch.equal(one.images[1], other.images[0])
    assert list(one.digests()) == list(plain.read([4, 9])[0].digests())
    gains = one.images / gray[[4, 9]].clamp_min(1e-9)
    for gain, picture in zip(gains, gray[[4, 9]], strict=True):
        seen = gain[:, picture[0] > 0.01]
        torch.testing.assert_close(seen, seen[:, :1].expand_as(seen), rtol=1e-4, atol=0)  # one light, everywhere
        assert seen[:, 0].max() == pytest.approx(1)
        assert 0.6 <= seen[:, 0].min() < 0.999
    assert not torch.allclose(gains[0, :, 8, 8], gains[1, :, 8, 8])
    other, _ = Cast(plain, ColorCast(0.4, seed=3)).read([9])
    assert not torch.equal(one.images[1], other.images[0])


def test_a_cast_of_pictures_in_memory_keeps_their_digests() -> None:
    faces = Faces(torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
    seen = ColorCast(0.3)(faces)
    assert list(seen.digests()) == list(faces.digests())
    assert torch.equal(ColorCast(0.0)(faces).images, faces.images)
    with pytest.raises(UsageError, match=r"strength lies in \[0, 1\)"):
        ColorCast(1.0)


@pytest.mark.mirror
def test_lfws_folds_share_no_person(mirror: Path) -> None:
    """What the held-out folds rely on, and how much of LFW is left to learn from."""
    data = open_data("lfw")
    people: dict[int, set[str]] = {}
    for pair in data.protocol():  # type: ignore[union-attr]
        people.setdefault(pair.fold, set()).update(data.person(name) for name in (pair.first, pair.second))  # type: ignore[union-attr, misc]
    assert len(people) == 10
    assert sum(map(len, people.values())) == len(set.union(*people.values()))
    held = people[8] | people[9]
    assert sum(data.person(name) not in held for name in data.names) > 10_000  # type: ignore[union-attr]
