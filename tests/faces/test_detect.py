"""Detectors on ordinary photos and on aligned faces whose landmarks are known."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bauta.errors import BadCheckpoint, MissingPackage, MissingWeights, ShapeError
from bauta.faces import detect, faces_in, load_dataset
from bauta.faces.align import TEMPLATE, similarity, transform
from bauta.faces.detect import Cascade, Detection, YuNet, central, detector, distinct
from bauta.faces.images import read_image
from bauta.faces.landmarks import TemplateLandmarks, landmarker
from bauta.zoo import vouched
from bauta.zoo.records import File

CASCADE = hasattr(cv2, "CascadeClassifier")


@pytest.fixture(scope="module")
def yunet(mirror: Path) -> YuNet:
    return YuNet(mirror / "yunet_2026may.onnx")


def at(left: float, top: float, width: float, height: float, score: float = 1.0) -> Detection:
    return Detection((left, top, width, height), np.zeros((5, 2)), score)


def test_a_face_found_twice_counts_once() -> None:
    strong, weak, other = at(10, 10, 100, 100, 0.9), at(14, 8, 96, 104, 0.8), at(200, 10, 150, 150, 0.7)
    assert distinct([weak, strong, other]) == [other, strong]
    touching = at(110, 10, 100, 100, 0.5)
    assert len(distinct([strong, touching])) == 2


def test_the_central_face() -> None:
    middle, corner = at(90, 90, 60, 60), at(0, 0, 80, 80)
    assert central([corner, middle], 240, 240) is middle
    assert central([corner], 240, 240) is corner


def test_without_any_model_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BAUTA_MIRROR", str(tmp_path))
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path))
    monkeypatch.setattr(detect, "YUNET", replace(detect.YUNET, urls=()))  # as where there is no network
    with pytest.raises(MissingWeights):
        YuNet()
    with pytest.raises(MissingWeights):
        YuNet(tmp_path / "absent.onnx")
    if CASCADE:
        with pytest.warns(UserWarning, match="old cascade"):
            assert isinstance(detector(), Cascade)
    else:
        with pytest.raises(MissingPackage, match=r"OpenCV .* carries no face cascade"):
            Cascade()
        with pytest.raises(MissingWeights, match="No face detector is here"):
            detector()


def test_nothing_is_downloaded_that_nobody_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BAUTA_MIRROR", str(tmp_path))
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path))
    asked: list[str] = []

    def download(file: File) -> Path:
        asked.append(file.name)
        raise MissingWeights("no connections here")

    monkeypatch.setattr(vouched, "download", download)
    with pytest.warns(UserWarning, match="bauta models pull pfld68"):
        assert isinstance(landmarker(), TemplateLandmarks)
    with contextlib.suppress(MissingWeights), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        detector()
    assert asked == []
    assert not CASCADE or "bauta models pull yunet" in str(said[0].message)
    with pytest.raises(MissingWeights):
        YuNet()
    assert asked == [detect.YUNET.name]


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BadCheckpoint):
        YuNet(tmp_path / "model.onnx")


@pytest.mark.mirror
def test_the_best_detector_is_chosen_in_silence(mirror: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(detector(), YuNet)


@pytest.mark.mirror
def test_ordinary_photos(mirror: Path, yunet: YuNet) -> None:
    for name, people in {"deepface_couple": 2, "deepface_img4": 1, "facenet_multiface": 6}.items():
        image = read_image(mirror / "photos" / f"{name}.jpg")
        found = yunet.detect(image)
        assert len(found) == people, name
        areas = [f.box[2] * f.box[3] for f in found]
        assert areas == sorted(areas, reverse=True)
        for face in found:
            left, top, width, height = face.box
            inside = (face.landmarks > [left, top]) & (face.landmarks < [left + width, top + height])
            assert inside.all()
            (eye, _), (other, _), *_ = face.landmarks
            assert eye < other


@pytest.mark.mirror
def test_small_and_large_copies_of_a_photo_give_the_same_faces(mirror: Path, yunet: YuNet) -> None:
    image = read_image(mirror / "photos" / "deepface_img21.jpg")
    wanted = yunet.detect(image)[0]
    for factor in (0.25, 3.0):
        copy = F.interpolate(image[None], scale_factor=factor, mode="bilinear", antialias=True)[0].clamp(0, 1)
        found = yunet.detect(copy)[0]
        distance = np.abs(found.landmarks / factor - wanted.landmarks).mean()
        assert distance < 0.03 * wanted.box[2], factor


@pytest.mark.mirror
def test_a_face_that_fills_a_large_picture(mirror: Path, yunet: YuNet) -> None:
    image = read_image(mirror / "photos" / "deepface_img4.jpg")
    left, top, width, height = map(int, yunet.detect(image)[0].box)
    filling = image[:, top : top + height, left : left + width]
    assert len(YuNet(mirror / "yunet_2026may.onnx", sides=(1280,)).detect(filling)) == 0
    assert len(yunet.detect(filling)) == 1


@pytest.mark.mirror
def test_no_face_and_wrong_shapes(yunet: YuNet) -> None:
    assert yunet.detect(torch.zeros(3, 200, 300)) == []
    assert yunet.detect(torch.zeros(3, 1, 1)) == []
    assert yunet.detect(torch.zeros(3, 4000, 2)) == []
    with pytest.raises(ShapeError):
        yunet.detect(torch.zeros(200, 300, 3))


@pytest.mark.mirror
def test_faces_are_found_again_where_alignment_put_them(mirror: Path, yunet: YuNet) -> None:
    for path in sorted((mirror / "photos").glob("deepface_img*.jpg")):
        face = faces_in(path, yunet)[0]
        again = yunet.detect(F.pad(face.image, (56, 56, 56, 56)))[0]
        meant = transform(similarity(face.landmarks, TEMPLATE), face.landmarks)
        # the detector itself moves a point by a few pixels when a face is shown at another size
        assert np.abs(again.landmarks - 56 - meant).mean() < 3, path.name
        assert np.abs(again.landmarks - 56 - TEMPLATE).mean() < 4, path.name


@pytest.mark.mirror
def test_aligned_lfw_lies_on_the_template(mirror: Path, yunet: YuNet) -> None:
    faces = load_dataset("lfw", 60)
    found = [yunet.detect(F.pad(image, (56, 56, 56, 56))) for image in faces.images]
    marks = np.array([f[0].landmarks - 56 for f in found if f])
    assert len(marks) >= 58
    assert np.abs(marks.mean(0) - TEMPLATE).mean() < 2


@pytest.mark.mirror
@pytest.mark.skipif(not CASCADE, reason="this OpenCV has no cascade")
def test_the_cascade_guesses_landmarks_near_the_real_ones(mirror: Path, yunet: YuNet) -> None:
    cascade = Cascade()
    for name in ("deepface_img4", "deepface_img21", "deepface_img29"):
        image = read_image(mirror / "photos" / f"{name}.jpg")
        guessed, real = cascade.detect(image)[0], yunet.detect(image)[0]
        assert np.abs(guessed.landmarks - real.landmarks).max() < 0.15 * real.box[2], name
