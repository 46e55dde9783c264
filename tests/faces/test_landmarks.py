"""Landmarks against the five points that faces were aligned by, and hulls against half planes."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull

from bauta.errors import BadCheckpoint, MissingWeights, ShapeError
from bauta.faces import TEMPLATE, load_dataset
from bauta.faces.landmarks import HULL, PFLD, TemplateLandmarks, hulls, landmarker


def test_a_hull_is_what_lies_on_the_inner_side_of_all_its_edges() -> None:
    points = np.random.default_rng(0).integers(4, 44, (5, 12, 2)).astype(float)
    masks = hulls(points, (48, 52))
    assert masks.shape == (5, 1, 48, 52)
    y, x = np.mgrid[:48, :52]
    for face, mask in zip(points, masks[:, 0].numpy(), strict=True):
        edges = ConvexHull(face).equations
        outside = (edges @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])).max(0).reshape(x.shape)
        assert (mask[outside < -0.01] == 1).all()
        assert (mask[outside > 1] == 0).all()


def test_points_outside_of_the_picture_and_none_at_all() -> None:
    corner = np.array([[[-20.0, -20.0], [1e9, -20.0], [-20.0, 30.0]]])
    mask = hulls(corner, (16, 16))
    assert mask[0, 0, 0].all(), "the picture's own part of it"
    assert hulls(np.zeros((0, 68, 2)), (16, 16)).shape == (0, 1, 16, 16)
    with pytest.raises(ShapeError, match="three finite points"):
        hulls(np.full((1, 4, 2), np.nan), (16, 16))
    with pytest.raises(ShapeError, match="three finite points"):
        hulls(np.zeros((1, 2, 2)), (16, 16))


def test_the_template_is_a_face_around_the_five_points_at_any_size() -> None:
    found = TemplateLandmarks().landmarks(torch.rand(2, 3, 56, 112))
    np.testing.assert_allclose(found[1], np.array(HULL) * [1, 0.5])
    mask = hulls(np.array([HULL], float), (112, 112))[0, 0]
    assert all(mask[round(y), round(x)] == 1 for x, y in TEMPLATE)
    assert 0.3 < mask.mean() < 0.5
    assert abs(mask - mask.flip(1)).mean() < 0.05, "the median face looks straight ahead"


def test_without_the_model_every_face_gets_the_template_and_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BAUTA_MIRROR", str(tmp_path))
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path))
    with pytest.warns(UserWarning, match="median face"):
        assert isinstance(landmarker(), TemplateLandmarks)
    with pytest.raises(MissingWeights, match="ONNX"):
        PFLD(tmp_path / "nothing.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(BadCheckpoint, match="PFLD"):
        PFLD(tmp_path / "bad.onnx")


@pytest.mark.mirror
def test_pfld_finds_eyes_nose_and_mouth_where_faces_were_aligned(mirror: Path) -> None:
    images = load_dataset("celeb12", 24).images
    finder = landmarker()
    assert isinstance(finder, PFLD)
    points = finder.landmarks(images)
    assert points.shape == (24, 68, 2)
    parts = (slice(36, 42), slice(42, 48), slice(30, 31), slice(48, 49), slice(54, 55))
    five = np.stack([points[:, part].mean(1) for part in parts], 1)
    assert np.abs(np.median(five, 0) - TEMPLATE).max() < 5
    assert np.linalg.norm(five - TEMPLATE, axis=2).mean() < 6
    double = torch.nn.functional.interpolate(images[:4], (224, 168), mode="bilinear")
    np.testing.assert_allclose(finder.landmarks(double), points[:4] * [1.5, 2], atol=6)
    np.testing.assert_allclose(copy.deepcopy(finder).landmarks(images[5:6]), points[5:6], atol=1e-3)
    own, median = hulls(points, (112, 112)), hulls(TemplateLandmarks().landmarks(images), (112, 112))
    shared = (own * median).sum((1, 2, 3)) / own.maximum(median).sum((1, 2, 3))
    assert 0.75 < shared.mean() < 0.95
