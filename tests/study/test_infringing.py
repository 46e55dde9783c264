"""Which models stand for those that infringe privacy, by what is at hand."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch

from bauta import zoo
from bauta.faces import load_pairs
from bauta.metrics.lpips import LPIPS
from bauta.study.infringing import privacy_models


@pytest.mark.mirror
def test_without_lpips_attribute_networks_and_a_recognizer_judge(mirror: Path) -> None:
    models = privacy_models("mobilefacenet-y1-ms1m")
    assert [model.name for model in models] == [
        "disagreement on gender (age-gender)",
        "disagreement on emotion (emotion)",
        "perceptual distance (mobilefacenet-y1-ms1m)",
    ]
    faces = load_pairs("lfw", 20).faces.images[:6]
    for model in models:
        assert model.private_when == "high"
        same, other = model(faces, faces), model(faces, torch.rand(faces.shape))
        assert same.abs().max() < 1e-5
        assert (other >= 0).all()
        assert other.mean() > 100 * same.abs().max()
        assert other.mean() > 0.01


def test_lpips_judges_alone_where_its_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random ones in the published files, under a record with their digests."""
    network, record = LPIPS("vgg"), zoo.tool("lpips-vgg")
    backbone = {f"features.{name}": value for name, value in network.features.state_dict().items()}
    heads = {f"lin{i}.model.1.weight": value.detach() for i, value in enumerate(network.heads)}
    files = []
    for file, content in zip(record.files, (backbone, heads), strict=True):
        torch.save(content, tmp_path / file.name)
        files.append(replace(file, sha256=hashlib.sha256((tmp_path / file.name).read_bytes()).hexdigest()))
    monkeypatch.setattr(zoo, "TOOLS", (replace(record, files=tuple(files)),))
    monkeypatch.setenv("BAUTA_MIRROR", str(tmp_path))
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    (model,) = privacy_models("nobody, who is not asked")
    assert model.name == "LPIPS (vgg)"
    guess, truth = tiny.pictures(2), tiny.pictures(2, seed=9)
    with torch.no_grad():
        assert torch.allclose(model(guess, truth), network(guess, truth), atol=1e-6)
