"""A fitted protection comes back from its file as it was, and no other does."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pytest
import tiny
import torch
from safetensors.torch import save_file

from bauta.errors import BadFile, MissingData, UsageError
from bauta.job import fittedfile
from bauta.pipeline import Pipeline
from bauta.protections import FeatureProtection, GaussianNoise
from bauta.recognizers import Recognizer
from bauta.spec import recipe
from bauta.types import Faces, Features


class Shifted(FeatureProtection):
    """Learns the mean features of its public faces, and takes a share of it away."""

    def __init__(self, share: float = 1.0, *, seed: int = 0) -> None:
        super().__init__()
        self.share, self.seed = share, seed
        self.register_buffer("mean_", torch.zeros(8, 1, 1))

    __repr__ = recipe

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """The mean of each channel."""
        assert faces is not None
        self.mean_ = recognizers[0].features(faces.images).mean((0, 2, 3)).view(-1, 1, 1)
        return self

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        """Features (B, 8, h, w), shifted."""
        return x - self.share * self.mean_


@pytest.fixture
def network() -> Recognizer:
    return tiny.recognizer(cut=1)


def test_it_comes_back_as_it_was(network: Recognizer, tmp_path: Path) -> None:
    path, faces = tmp_path / "keys" / "fitted.safetensors", tiny.faces(6)
    fitted = Shifted(0.5, seed=2**62).fit(faces, network)
    fittedfile.save(path, fitted, network, "somebody")
    assert path.stat().st_mode & 0o777 == 0o600
    about = fittedfile.settings(path)
    assert (about.protection, about.recognizer, about.cut) == (f"Shifted(share=0.5, seed={2**62})", "tiny", 1)
    assert (about.seed, about.public) == (2**62, "somebody")
    again = fittedfile.load(path, network, [Shifted])
    assert repr(again) == repr(fitted)
    live = faces[:1]
    assert torch.equal(Pipeline(network, again).features(live), Pipeline(network, fitted).features(live))
    with pytest.raises(UsageError, match="Nothing is called 'Shifted'"):
        fittedfile.load(path, network)


def test_nothing_learned_is_a_file_too(network: Recognizer, tmp_path: Path) -> None:
    fittedfile.save(tmp_path / "f.safetensors", GaussianNoise(0.2, seed=7), network)
    assert repr(fittedfile.load(tmp_path / "f.safetensors", network)) == "GaussianNoise(sd=0.2, seed=7)"


def test_another_recognizer_or_cut_is_refused(network: Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    fittedfile.save(path, GaussianNoise(), network)
    for other in (network.at_cut(2), tiny.recognizer("other", cut=1)):
        with pytest.raises(UsageError, match=r"fitted for tiny \(weights unknown\) at cut 1, got .* load that one"):
            fittedfile.load(path, other)


def test_files_that_hold_something_else(network: Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "f.safetensors"
    with pytest.raises(MissingData, match="is not there"):
        fittedfile.load(path, network)
    fittedfile.save(path, Shifted().fit(tiny.faces(2), network), network)
    whole = path.read_bytes()
    for damaged in (b"", whole[:50], whole[:-3], b"\xff" * 100, whole.replace(b'\\"cut\\": 1', b'\\"cut\\": []')):
        path.write_bytes(damaged)
        with pytest.raises(BadFile, match="learn it again"):
            fittedfile.settings(path)
    for damaged in (whole.replace(b'fitted\\": 1', b'fitted\\": 9'), whole[:-4] + b"\x00\x00\xc0\x7f"):
        path.write_bytes(damaged)
        with pytest.raises(BadFile, match=r"of version 9|not finite"):
            fittedfile.load(path, network, [Shifted])
    save_file({"mean_": torch.zeros(3)}, path)
    with pytest.raises(BadFile):
        fittedfile.load(path, network, [Shifted])
