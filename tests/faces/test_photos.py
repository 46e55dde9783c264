"""Photos as phones write them, through detection and alignment."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from bauta.errors import BadImage
from bauta.faces import YuNet, detector, faces_in


@pytest.fixture(scope="module")
def yunet(mirror: Path) -> YuNet:
    return YuNet(mirror / "yunet_2026may.onnx")


@pytest.mark.mirror
def test_faces_of_a_photo_are_aligned_and_know_their_source(mirror: Path, yunet: YuNet) -> None:
    path = mirror / "photos" / "deepface_couple.jpg"
    faces = faces_in(path, yunet)
    assert len(faces) == 2
    for face in faces:
        assert face.image.shape == (3, 112, 112)
        assert 0 <= float(face.image.min()) < float(face.image.max()) <= 1
        assert face.source.digest == hashlib.sha256(path.read_bytes()).hexdigest()
        assert not face.gray
        assert face.score > 0.7


@pytest.mark.mirror
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_phone_photo_gives_the_same_face(mirror: Path, yunet: YuNet, tmp_path: Path, orientation: int) -> None:
    with Image.open(mirror / "photos" / "deepface_img21.jpg") as photo:
        pixels = photo.convert("RGB")
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels.transpose(back[orientation]).save(tmp_path / "turned.png", exif=exif)
    pixels.save(tmp_path / "upright.png")
    turned, upright = faces_in(tmp_path / "turned.png", yunet), faces_in(tmp_path / "upright.png", yunet)
    torch.testing.assert_close(turned[0].image, upright[0].image, rtol=0, atol=0)


@pytest.mark.mirror
def test_a_photo_without_faces_says_so(yunet: YuNet, tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (300, 200), "green").save(file, "PNG")
    (tmp_path / "meadow.png").write_bytes(file.getvalue())
    with pytest.raises(BadImage, match=r"No face was found in .*meadow\.png \(300 x 200\)"):
        faces_in(tmp_path / "meadow.png", yunet)


@pytest.mark.mirror
def test_a_gray_photo_is_noted(mirror: Path, tmp_path: Path) -> None:
    with Image.open(mirror / "photos" / "deepface_img21.jpg") as photo:
        photo.convert("L").save(tmp_path / "scan.png")
    assert faces_in(tmp_path / "scan.png", detector())[0].gray
