"""Which models stand for those that infringe privacy, by what is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bauta.faces import load_pairs
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
