"""A real network without good weights, a folder of made faces, and jobs over it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from bauta.faces.align import TEMPLATE
from bauta.faces.detect import Detection
from bauta.job import ProtectJob
from bauta.protections import PMT
from bauta.recognizers import Preprocess, Recognizer
from bauta.recognizers.mobileface import MobileFaceV3


def random_network(name: str, seed: int) -> Recognizer:
    """MobileFace V3 with random weights, cut after three layers."""
    network = MobileFaceV3(Preprocess(), cut=3, name=name)
    g = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            spread = (2 / module.weight[0].numel()) ** 0.5
            module.weight.data = torch.randn(module.weight.shape, generator=g) * spread
    return network.frozen()


def picture(seed: int, size: tuple[int, int] = (112, 112)) -> Image.Image:
    """A smooth picture of its own."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


class Sides:
    """Finds a face in the left and in the right half of every picture: a photo with two people."""

    def detect(self, image: torch.Tensor) -> list[Detection]:
        """Two detections."""
        width = image.shape[2] // 2
        return [Detection((x, 0, width, width), TEMPLATE + np.array([x, 0]), 0.9) for x in (0, width)]

    def __repr__(self) -> str:
        return "Sides()"


@pytest.fixture(scope="session")
def network() -> Recognizer:
    """The authorized recognizer."""
    return random_network("mine", 1)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five aligned faces, one below a further folder; the last with EXIF."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "c.png", "deep/d.png")):
        picture(number).save(folder / name)
    exif = Image.Exif()
    exif[0x010F], exif[0x0132] = "SECRETCAMERA", "2024:01:01 00:00:00"
    picture(4).save(folder / "e.jpg", exif=exif)
    return folder


@pytest.fixture
def job(tmp_path: Path, photos: Path, network: Recognizer) -> Callable[..., ProtectJob]:
    """Makes a job over the photos, in batches of two."""

    def make(out: str = "out", **changes: Any) -> ProtectJob:
        pmt = PMT(steps=3)
        facts: dict[str, Any] = {
            "source": photos,
            "out": tmp_path / out,
            "journals": tmp_path / "home" / "journals",
            "protection": pmt.fit(None, network),
            "settings": {"protection": repr(pmt)},
            "batch_size": 2,
        }
        return ProtectJob(**{**facts, **changes})

    return make


def content(folder: Path) -> dict[str, str]:
    """The pictures below a folder, by name: digest of their bytes."""
    files = sorted(folder.rglob("*.png"))
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture
def digests() -> Callable[[Path], dict[str, str]]:
    """`content`, for tests."""
    return content
