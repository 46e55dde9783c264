"""Made people on disk and small networks that read them, for tests that audit something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tiny
from PIL import Image
from torch import nn

from bauta.recognizers import Preprocess, Recognizer
from bauta.recognizers.base import sequence

OWN = '''
"""A protection of one's own, in a file outside the package."""

from bauta.protections import ImageProtection


class Gray(ImageProtection):
    """Every picture becomes the same gray, mixed with a share of itself."""

    def __init__(self, share: float = 0.0) -> None:
        super().__init__()
        self.share = share

    def forward(self, x, faces=None):
        return 0.5 + self.share * (x - 0.5)
'''


def people(folder: Path, number: int = 60) -> Path:
    """So many people with two noisy pictures (112 x 112) each of one pattern of their own."""
    draw = np.random.default_rng(0)
    for person in range(number):
        pattern = np.kron(draw.integers(30, 226, (7, 7, 3)), np.ones((16, 16, 1)))
        for picture in range(2):
            path = folder / f"person {person:03d}" / f"{picture}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noisy = (pattern + draw.normal(0, 12, (112, 112, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(path)
    return folder


def recognizer(name: str, *, seed: int = 0, cut: int = 2) -> Recognizer:
    """`tiny.recognizer` on pictures of 112 x 112."""
    made = tiny.recognizer(name, seed=seed, cut=cut)
    first = dict(made.layers.named_children())
    stem = dict(first["stem"].named_children())
    stem["input"] = Preprocess(size=(tiny.SIDE, tiny.SIDE))
    first["stem"] = sequence(stem)
    whole = Recognizer(first, cut=cut, name=name)
    assert isinstance(whole.layers, nn.Sequential)
    return whole.frozen()


def own_protection(folder: Path) -> Path:
    """The file of a protection of one's own."""
    path = folder / "mine.py"
    path.write_text(OWN)
    return path
