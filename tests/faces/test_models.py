"""OpenCV gets an ONNX file only where somebody vouched for its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import pytest

from bauta import zoo
from bauta.errors import BadCheckpoint, MissingWeights
from bauta.faces import models
from bauta.faces.detect import YUNET, YuNet
from bauta.faces.landmarks import FILE, PFLD
from bauta.zoo import vouched as zoo_vouched
from campaigns.models import built

READERS: list[Callable[..., Any]] = [YuNet, PFLD]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What OpenCV was asked to read; it says that it cannot."""
    came: list[bytes] = []

    class Watched:
        @staticmethod
        def create(kind: str, content: Any, *_: Any) -> None:
            Watched.read(content)

        @staticmethod
        def read(content: Any) -> None:
            came.append(np.asarray(content).tobytes())
            raise cv2.error("no")

    monkeypatch.setattr(cv2, "FaceDetectorYN", Watched)
    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", Watched.read)
    return came


@pytest.mark.parametrize("reader", READERS)
def test_hostile_files_never_reach_opencv(reader: Callable[..., Any], tmp_path: Path, opened: list[bytes]) -> None:
    path = tmp_path / "model.onnx"
    for number in range(40):
        path.write_bytes(built(Random(number), tmp_path))
        with pytest.raises(BadCheckpoint, match="a hostile ONNX file can break OpenCV"):
            reader(path)
    assert opened == []


@pytest.mark.parametrize("reader", READERS)
def test_a_file_of_ones_own_needs_its_digest(reader: Callable[..., Any], tmp_path: Path, opened: list[bytes]) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"mine")
    digest = hashlib.sha256(b"mine").hexdigest()
    with pytest.raises(BadCheckpoint, match=digest):
        reader(path)
    with pytest.raises(BadCheckpoint, match=r"pull it again\.$"):
        reader(path, sha256=digest[::-1])
    assert opened == []
    with pytest.raises(BadCheckpoint, match="that OpenCV"):
        reader(path, sha256=digest)
    assert opened == [b"mine"]


@pytest.mark.parametrize("reader", READERS)
def test_what_stands_in_the_place_of_a_records_file_is_not_read_either(
    reader: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[bytes]
) -> None:
    """Somebody may change it after its digest was compared and remembered."""
    for name in ("BAUTA_HOME", "BAUTA_MIRROR"):
        monkeypatch.setenv(name, str(tmp_path))
    for file in (YUNET, FILE):
        (tmp_path / file.name).write_bytes(b"other")
    monkeypatch.setattr(zoo_vouched, "require", lambda *_: None)
    assert zoo.locate(YUNET) == tmp_path / YUNET.name
    with pytest.raises(BadCheckpoint, match="a hostile ONNX file can break OpenCV"):
        reader()
    assert opened == []


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingWeights, match="There is no YuNet model at"):
        YuNet(tmp_path / "absent.onnx")
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        YuNet(tmp_path)
    monkeypatch.setattr(models, "MOST", 3)
    (tmp_path / "long.onnx").write_bytes(b"long")
    with pytest.raises(BadCheckpoint, match="is not the YuNet model expected"):
        YuNet(tmp_path / "long.onnx", sha256=hashlib.sha256(b"long").hexdigest())
