"""Alignment against independent least squares, hand-made pictures and the landmarks of LFW."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bauta.errors import ShapeError
from bauta.faces.align import EDGE, TEMPLATE, align, continued, inverse, similarity, transform


def least_squares(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """The best [[a, -b, c], [b, a, d]] as an overdetermined linear system in a, b, c, d."""
    rows, targets = [], []
    for (x, y), (u, v) in zip(src, dst, strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        targets += [u, v]
    a, b, c, d = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    return np.array([[a, -b, c], [b, a, d]])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.05, 20), st.floats(-3.1, 3.1), st.floats(0, 10))
def test_agrees_with_least_squares(seed: int, scale: float, angle: float, noise: float) -> None:
    random = np.random.default_rng(seed)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    src = TEMPLATE @ turn.T * scale + random.normal(0, 300, 2) + random.normal(0, noise * scale, (5, 2))
    np.testing.assert_allclose(similarity(src, TEMPLATE), least_squares(src, TEMPLATE), atol=1e-6)


def test_never_mirrors() -> None:
    mirrored = TEMPLATE * [-1, 1]
    matrix = similarity(mirrored, TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0
    np.testing.assert_allclose(matrix[0, 0], matrix[1, 1])
    np.testing.assert_allclose(matrix[0, 1], -matrix[1, 0])


def test_exact_points_are_met_and_undone() -> None:
    turn = np.array([[0.6, -0.8, 12.0], [0.8, 0.6, -7.0]]) * 3
    points = transform(turn, TEMPLATE)
    matrix = similarity(points, TEMPLATE)
    np.testing.assert_allclose(transform(matrix, points), TEMPLATE, atol=1e-9)
    np.testing.assert_allclose(transform(inverse(matrix), TEMPLATE), points, atol=1e-9)
    np.testing.assert_allclose(inverse(matrix), turn, atol=1e-9)


@pytest.mark.parametrize(
    "points", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.zeros((5, 3)), np.zeros(10), np.zeros((1, 2))]
)
def test_points_that_describe_no_face(points: np.ndarray) -> None:
    with pytest.raises(ShapeError):
        similarity(points, TEMPLATE[: len(points)] if points.ndim == 2 else TEMPLATE)
    with pytest.raises(ShapeError):
        align(torch.zeros(3, 50, 50), points)


def test_an_aligned_face_stays_as_it_is() -> None:
    image = torch.rand(3, 112, 112, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(align(image, TEMPLATE), image, atol=1e-6, rtol=0)


def ramp(height: int, width: int) -> torch.Tensor:
    """Channels that say where each pixel is: x, y and nothing, in [0, 1]."""
    y, x = torch.meshgrid(torch.arange(height) / 4096, torch.arange(width) / 4096, indexing="ij")
    return torch.stack([x, y, torch.full_like(x, 0.5)])


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.7, 6.0, 13.0])
@pytest.mark.parametrize("angle", [0.0, 0.5, -2.0])
def test_each_pixel_comes_from_where_the_matrix_says(scale: float, angle: float) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, np.array([2000.0, 1900.0]) - turn @ [56, 56]])
    face = align(ramp(3900, 4000), transform(matrix, TEMPLATE)) * 4096
    grid = np.stack(np.meshgrid(np.arange(112), np.arange(112)), -1).reshape(-1, 2)
    wanted = transform(matrix, grid).reshape(112, 112, 2)
    # warpAffine counts positions in 1/32 of a pixel
    np.testing.assert_allclose(face[:2].permute(1, 2, 0).numpy(), wanted, atol=0.05 * max(1, scale))


def test_outside_the_photo_is_black() -> None:
    face = align(torch.ones(3, 60, 60), TEMPLATE - 30)
    assert float(face[:, :29].max()) == 0
    assert float(face[:, 31:89, 31:89].min()) == 1
    assert float(align(torch.ones(3, 60, 60), TEMPLATE + 5000).max()) == 0


def test_fine_detail_does_not_fold_into_patterns() -> None:
    y, x = np.mgrid[:1200, :1200]
    checks = torch.from_numpy(((x + y) % 2).astype(np.float32))[None].repeat(3, 1, 1)
    face = align(checks, TEMPLATE * 9.3 + 40)
    assert float((face - 0.5).abs().max()) < 0.05


def test_other_sizes_and_types() -> None:
    image = ramp(300, 300).double()
    face = align(image, TEMPLATE * 2, size=224)
    assert face.shape == (3, 224, 224)
    assert face.dtype == torch.float64
    torch.testing.assert_close(face, image[:, :224, :224], atol=1e-4, rtol=0)


@pytest.mark.mirror
def test_landmarks_of_lfw(mirror: Path) -> None:
    with (mirror / "lfw_index.csv").open() as file:
        rows = list(csv.DictReader(file))[::25]
    residuals = []
    for row in rows:
        marks = np.array([[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in range(1, 6)])
        matrix = similarity(marks, TEMPLATE)
        np.testing.assert_allclose(matrix, least_squares(marks, TEMPLATE), atol=1e-8)
        residuals.append(np.sqrt(((transform(matrix, marks) - TEMPLATE) ** 2).sum(1).mean()))
    # faces are of many shapes and poses; two landmarks that change places leave 18 pixels or more
    assert len(residuals) > 500
    assert np.median(residuals) == pytest.approx(2.89, abs=0.05)
    assert np.max(residuals) < 10


def test_a_narrow_crop_is_continued_across_its_edge() -> None:
    """Rows of their own gray: what was black above repeats the rows below the edge, each twice, the nearest first."""
    gray = torch.linspace(0.2, 0.9, 40).view(1, 40, 1).expand(3, 40, 30).clone()
    narrow = gray.clone()
    narrow[:, :10] = 0
    narrow[:, 25, 14:17] = 0  # a pupil
    made = continued(narrow)
    edge = 10 + EDGE
    assert torch.equal(made[:, edge:], narrow[:, edge:])
    assert made[0, :edge, 0].tolist() == [narrow[0, edge + (edge - row) // 2, 0].item() for row in range(edge)]
    assert torch.equal(continued(gray), gray)
    empty = torch.zeros(3, 20, 20)
    assert torch.equal(continued(empty), empty)
