"""Masks on photos and off again: what is written, what is refused, and what is never touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bauta.errors import BadFile, BautaError, UsageError
from bauta.faces import YuNet, align, faces_in, read_image, write_image
from bauta.faces.paste import Place, window
from bauta.job.maskfile import Made, MaskFile
from bauta.job.maskphotos import Changing, Done, Masking, Unmasking, face_of
from bauta.job.portraits import AlignedAlready, Owner, embedded, every, largest, pictures_in
from bauta.ops.filters import blur
from bauta.ops.quantize import to_8bit
from bauta.protections.images.p3mask import face_area
from bauta.recognizers import Recognizer, load

from .conftest import Sides

Told = Callable[[Done], None]


def key(seed: int, person: Tensor | None = None) -> MaskFile:
    """Noise as fine as masks are, within 16/255."""
    noise = blur(torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(1000 + seed)), 1.0)[0]
    made = Made("noise", {"mobilefacenet-casia": ""}, 2, 1.0)
    mask = noise / noise.abs().max() * (16 / 255) * face_area(112, 112)
    return MaskFile(mask[None], torch.ones(4) / 2 if person is None else person, made)


def quiet(done: Done) -> None:
    """Hears of photos."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two photos of two faces each, one of them gray, without black or white; and what is no photo."""
    folder = tmp_path / "photos"
    for number, name in enumerate(("a", "deep/b")):
        draws = torch.Generator().manual_seed(number)
        coarse = torch.rand(1, 3, 7, 13, generator=draws)
        smooth = torch.nn.functional.interpolate(coarse, (130, 260), mode="bicubic")[0].clamp(0, 1)
        photo = 0.2 + 0.6 * smooth + 0.01 * torch.randn(3, 130, 260, generator=draws)
        write_image(folder / f"{name}.png", photo[:1].expand(3, -1, -1) if number else photo)
    (folder / "note.jpg").write_text("dear diary")
    return folder


def test_on_and_off_again(photos: Path, tmp_path: Path) -> None:
    heard: list[Done] = []
    masking = Masking(key(0), tmp_path / "on", Sides(), choose=every)
    done = masking.run(pictures_in([photos]), heard.append)
    assert heard == done
    assert [d.name for d in done] == ["a.png", "deep/b.png", "note.jpg"]
    assert [d.output and d.output.name for d in done] == ["a.png", "b.png", None]
    assert [d.faces for d in done] == [2, 2, 0]
    assert "not a picture" in done[2].error
    assert set(done[0].seconds) == {"reading", "finding", "adding", "writing"}
    off = Unmasking(key(0), tmp_path / "off", Sides())
    back = off.run(pictures_in([tmp_path / "on"]), quiet)
    assert [d.faces for d in back] == [2, 2]
    for name in ("a.png", "deep/b.png"):
        original, protected = read_image(photos / name), read_image(tmp_path / "on" / name)
        assert float((original - protected).abs().max()) > 8 / 255
        assert torch.equal(read_image(tmp_path / "off" / name), original), name
    gray = read_image(tmp_path / "on" / "deep/b.png")
    assert torch.equal(gray[0], gray[1])


def test_aligned_faces_get_the_rounded_sum(tmp_path: Path) -> None:
    face = to_8bit(0.3 + 0.4 * torch.rand(3, 112, 112, generator=torch.Generator().manual_seed(1)))
    write_image(tmp_path / "in" / "a.png", face)
    job = Masking(key(0), tmp_path / "on", AlignedAlready(), strength=0.5, choose=largest)
    (done,) = job.run(pictures_in([tmp_path / "in"]), quiet)
    assert done.output is not None
    written = read_image(done.output)
    assert float((written - to_8bit(face + 0.5 * key(0).masks[0])).abs().max()) < 1.01 / 255
    (back,) = Unmasking(key(0), tmp_path / "off", AlignedAlready()).run(pictures_in([tmp_path / "on"]), quiet)
    assert back.output is not None
    assert back.found[0].strength == pytest.approx(0.5, abs=0.1)
    assert torch.equal(read_image(back.output), face)


def test_of_several_masks_the_one_that_a_photo_carries_is_found(tmp_path: Path) -> None:
    """On aligned faces and on whole photos, whichever was drawn; all come back bit for bit."""
    several = replace(key(0), masks=torch.cat([key(number).masks for number in range(3)]))
    for folder, side, detector in (("faces", 112, AlignedAlready()), ("photos", 130, Sides())):
        for number in range(3):
            draws = torch.Generator().manual_seed(number)
            grain = 0.02 * torch.randn(3, side, side if side == 112 else 2 * side, generator=draws)
            write_image(tmp_path / folder / f"{number}.png", to_8bit(0.5 + grain))
        masking = Masking(several, tmp_path / f"{folder} on", detector, choose=every)
        on = masking.run(pictures_in([tmp_path / folder]), quiet)
        off = Unmasking(several, tmp_path / f"{folder} off", detector)
        back = off.run(pictures_in([tmp_path / f"{folder} on"]), quiet)
        carried = [[face.variant for face in done.found] for done in on]
        assert len({variant for variants in carried for variant in variants}) > 1
        assert [[face.variant for face in done.found] for done in back] == carried
        for done in back:
            assert done.output is not None
            assert torch.equal(read_image(done.output), read_image(tmp_path / folder / done.name))
    wrong = Unmasking(key(7), tmp_path / "wrong", AlignedAlready()).run(pictures_in([tmp_path / "faces on"]), quiet)
    assert all("does not carry this mask" in done.error for done in wrong)


def test_a_wrong_key_says_so_and_writes_nothing(photos: Path, tmp_path: Path) -> None:
    Masking(key(0), tmp_path / "on", Sides(), choose=every).run(pictures_in([photos]), quiet)
    for folder, mask in ((tmp_path / "on", key(1)), (photos, key(0))):
        done = Unmasking(mask, tmp_path / "off", Sides()).run(pictures_in([folder]), quiet)
        assert all(d.output is None for d in done)
        assert done[0].error.startswith("This photo does not carry this mask (z = ")
    assert not (tmp_path / "off").exists()


def test_one_strength_is_asked_for(photos: Path, tmp_path: Path) -> None:
    Masking(key(0), tmp_path / "on", Sides(), strength=0.9, choose=every).run(pictures_in([photos]), quiet)
    given = Unmasking(key(0), tmp_path / "off", Sides(), strength=0.9)
    given.run(pictures_in([tmp_path / "on"]), quiet)
    assert torch.equal(read_image(tmp_path / "off" / "a.png"), read_image(photos / "a.png"))


def test_nothing_is_written_over_unless_it_is_said(photos: Path, tmp_path: Path) -> None:
    names = pictures_in([photos])
    jobs: list[Callable[..., Changing]] = [
        lambda out, over: Masking(key(0), out, Sides(), over, choose=every),
        lambda out, over: Unmasking(key(0), out, Sides(), over),
    ]
    before = (photos / "a.png").read_bytes()
    for job in jobs:
        for over in (False, True):
            with pytest.raises(UsageError, match="one of the photos themselves"):
                job(photos, over).run(names, quiet)
    jobs[0](tmp_path / "on", False).run(names, quiet)
    with pytest.raises(UsageError, match="is there already; choose another --out, or say --overwrite"):
        jobs[0](tmp_path / "on", False).run(names, quiet)
    assert [d.faces for d in jobs[0](tmp_path / "on", True).run(names, quiet)] == [2, 2, 0]
    assert (photos / "a.png").read_bytes() == before
    (tmp_path / "file").write_text("x")
    with pytest.raises(BautaError, match="cannot be written"):
        jobs[0](tmp_path / "file", True).run(names, quiet)


def test_a_mask_too_weak_for_a_file_protects_nobody_and_says_so(photos: Path, tmp_path: Path) -> None:
    weak = Masking(key(0), tmp_path / "on", Sides(), strength=0.02, choose=every)
    done = weak.run(pictures_in([photos / "a.png"]), quiet)
    assert "too weak to change an 8-bit picture" in done[0].error
    assert not (tmp_path / "on").exists()


class Nobody:
    """Finds no face."""

    def detect(self, image: Tensor) -> list[Any]:
        """No faces."""
        return []


def test_a_photo_without_the_person_is_said(photos: Path, tmp_path: Path, network: Recognizer) -> None:
    far = Owner(network, -embedded(network, [torch.rand(3, 112, 112)])[0], 0.5)
    done = Masking(key(0), tmp_path / "on", Sides(), choose=far).run(pictures_in([photos]), quiet)
    assert "None of its faces is the mask's owner's" in done[0].error
    done = Masking(key(0), tmp_path / "on", Nobody(), choose=every).run(pictures_in([photos]), quiet)
    assert done[0].error == "No face was found in it (260 x 130)."
    assert not (tmp_path / "on").exists()
    with pytest.raises(BadFile, match="does not show the mask's owner"):
        face_of(read_image(photos / "a.png"), Sides(), far)
    photo = read_image(photos / "a.png")
    assert torch.equal(face_of(photo, Sides(), every), align(photo, Sides().detect(photo)[0].landmarks))


@pytest.mark.mirror
def test_the_right_face_of_a_real_photo(mirror: Path, tmp_path: Path) -> None:
    """Of a couple the one whose template the mask has; the other, and all else, is bit for bit what it was."""
    path = mirror / "photos" / "deepface_couple.jpg"
    recognizer, detector = load("mobilefacenet-casia"), YuNet()
    first, second = faces_in(path, detector)
    mask = key(0, embedded(recognizer, [second.image])[0])
    owner = Owner(recognizer, mask.person, 0.288)
    (done,) = Masking(mask, tmp_path / "on", detector, choose=owner).run(pictures_in([path]), quiet)
    assert done.output is not None
    assert done.found[0].place == Place.of(second.landmarks)
    original, protected = read_image(path), read_image(done.output)
    outside = torch.ones(original.shape[1:], dtype=torch.bool)
    window(original, Place.of(second.landmarks)).of(outside).zero_()
    assert torch.equal(protected[:, outside], original[:, outside])
    assert window(original, Place.of(first.landmarks)).of(outside).any()
    (back,) = Unmasking(mask, tmp_path / "off", detector).run(pictures_in([done.output]), quiet)
    assert back.output is not None
    assert back.found[0].place == done.found[0].place
    part = window(original, done.found[0].place)
    error = (part.of(read_image(back.output)) - part.of(original)).abs() * 255
    assert float(error.mean()) < 0.25  # what clipping took
    (wrong,) = Unmasking(key(1), tmp_path / "wrong", detector).run(pictures_in([done.output]), quiet)
    assert "does not carry this mask" in wrong.error
