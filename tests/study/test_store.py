"""Protected pictures as files: read back exactly, made once, never mixed."""

from __future__ import annotations

from pathlib import Path

import tiny
import torch
from PIL import Image
from torch import Tensor

from bauta.attacks import Knowledge, Knows, Victim
from bauta.ops.quantize import to_8bit
from bauta.pipeline import Pipeline
from bauta.protections import PMT, ImageProtection, WhiteNoise
from bauta.spec import recipe
from bauta.study.store import PngStore
from bauta.types import Faces, Source, Stage


class Counting(ImageProtection):
    """Inverts pictures and notes how many it was given."""

    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.seen: list[int] = []

    __repr__ = recipe

    def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
        self.seen.append(len(x))
        return 1 - self.strength * x


def test_pictures_are_the_files_content(tmp_path: Path) -> None:
    faces = tiny.faces(4)
    store = PngStore(Counting(), tmp_path, "key")
    found = store(faces.images, faces)
    assert torch.equal(found, to_8bit(1 - faces.images))
    files = sorted(store.folder.iterdir())
    assert [f.name for f in files] == sorted(f"{s.digest}.png" for s in faces.source)
    for file, source in zip(files, sorted(faces.source, key=lambda s: s.digest), strict=True):
        row = list(faces.source).index(source)
        with Image.open(file) as picture:
            level = picture.getpixel((5, 9))
        assert tuple(round(float(v) * 255) for v in found[row, :, 9, 5]) == level


def test_a_face_with_a_file_is_not_protected_again(tmp_path: Path) -> None:
    faces = tiny.faces(6)
    done: list[int] = []
    first = Counting()
    whole = PngStore(first, tmp_path, "key")(faces.images[:3], faces[:3])
    again = Counting()
    store = PngStore(again, tmp_path, "key", batch_size=2, progress=done.append)
    rest = store(faces.images, faces)
    assert (first.seen, again.seen, done) == ([3], [2, 1], [2, 1])
    assert torch.equal(rest[:3], whole)
    assert torch.equal(rest, to_8bit(1 - faces.images))
    store(faces.images[[5, 0]], faces[[5, 0]])
    assert again.seen == [2, 1]


def test_a_file_is_trusted_whatever_made_it(tmp_path: Path) -> None:
    """Resuming reads the file, it does not compute: a changed file shows."""
    faces = tiny.faces(2)
    store = PngStore(Counting(), tmp_path, "key")
    store(faces.images, faces)
    Image.new("RGB", (32, 32), (10, 20, 30)).save(store.folder / f"{faces.source[0].digest}.png")
    found = store(faces.images, faces)
    assert torch.allclose(found[0, :, 3, 3] * 255, torch.tensor([10.0, 20.0, 30.0]))


def test_other_settings_another_key_another_folder(tmp_path: Path) -> None:
    stores = [
        PngStore(Counting(), tmp_path, "key"),
        PngStore(Counting(0.5), tmp_path, "key"),
        PngStore(Counting(), tmp_path, "other key"),
        PngStore(WhiteNoise(seed=1), tmp_path, "key"),
        PngStore(WhiteNoise(seed=2), tmp_path, "key"),
    ]
    assert len({s.folder for s in stores}) == 5
    assert PngStore(Counting(), tmp_path, "key").folder == stores[0].folder
    faces = tiny.faces(2)
    assert not torch.equal(stores[0](faces.images, faces), stores[1](faces.images, faces))


def test_faces_without_files_are_named_by_their_pixels(tmp_path: Path) -> None:
    images = tiny.pictures(3)
    counting = Counting()
    store = PngStore(counting, tmp_path, "key")
    assert torch.equal(store(images), to_8bit(1 - images))
    assert torch.equal(store(images.flip(0)), to_8bit(1 - images).flip(0))
    assert counting.seen == [3]


def test_the_same_face_twice_in_a_batch(tmp_path: Path) -> None:
    faces = tiny.faces(2)
    twice = Faces(faces.images[[0, 0]], source=[Source("a", "00ff"), Source("b", "00ff")])
    found = PngStore(Counting(), tmp_path, "key")(twice.images, twice)
    assert torch.equal(found[0], found[1])


def test_an_attacker_who_knows_the_scheme_has_other_draws_through_a_store_too(tmp_path: Path) -> None:
    network, images = tiny.recognizer(), tiny.pictures()
    store = PngStore(PMT(steps=2, seed=5).fit(None, network), tmp_path, "key")
    pipeline = Pipeline(network, store)
    own = pipeline.images(Faces(images))
    seen = Victim(pipeline, Knowledge(Stage.IMAGES, knows=Knows.SCHEME)).observe(images)
    assert float((seen - own).abs().mean()) > 0.05
    assert torch.equal(seen, PMT(steps=2, seed=1).fit(None, network)(to_8bit(images), Faces(images)))
    assert torch.equal(pipeline.images(Faces(images)), own)
