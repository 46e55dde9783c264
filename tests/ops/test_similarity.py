"""The angle between directions against trigonometry, also where an arc cosine has no slope."""

from __future__ import annotations

import math

import torch

from bauta.ops.similarity import angle


def turned(degrees: float) -> torch.Tensor:
    radians = math.radians(degrees)
    return torch.tensor([[math.cos(radians), math.sin(radians), 0.0]], dtype=torch.float64)


def test_it_is_the_angle_that_was_turned_by() -> None:
    for degrees in (0.0, 1e-6, 30.0, 90.0, 179.9999, 180.0):
        found = math.degrees(float(angle(turned(10), turned(10 + degrees))))
        assert abs(found - degrees) < 1e-7, degrees


def test_its_slope_is_finite_everywhere_and_one_along_the_arc() -> None:
    for degrees in (0.0, 180.0):
        moved = turned(10 + degrees).requires_grad_(True)
        angle(turned(10), moved).sum().backward()
        assert moved.grad is not None
        assert moved.grad.isfinite().all()
    at = torch.tensor(40.0, dtype=torch.float64).deg2rad().requires_grad_(True)
    moved = torch.stack([at.cos(), at.sin(), torch.zeros((), dtype=torch.float64)])[None]
    angle(turned(10), moved).sum().backward()
    assert at.grad is not None
    assert abs(float(at.grad) - 1) < 1e-12
