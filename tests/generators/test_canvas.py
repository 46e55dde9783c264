"""A canvas shows what is on it."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from bauta.errors import ShapeError, UsageError
from bauta.generators import PRIORS, Canvas
from bauta.spec import parse


@pytest.mark.parametrize("color", [False, True])
def test_the_latent_is_the_picture(color: bool) -> None:
    canvas = Canvas(side=9, color=color)
    latents = torch.rand(4, 3 if color else 1, 9, 9, generator=Generator().manual_seed(0))
    pictures = canvas.render(latents)
    assert pictures.shape == (4, 3, 9, 9)
    for channel in range(3):
        assert torch.equal(pictures[:, channel], latents[:, channel if color else 0])
    assert torch.equal(canvas.render(2 * latents - 0.5), pictures.mul(2).sub(0.5).clamp(0, 1))
    assert parse(repr(canvas), PRIORS).shape == canvas.shape  # type: ignore[attr-defined]


def test_draws_are_noise_around_gray() -> None:
    draws = Canvas(side=8).sample(500, Generator().manual_seed(0))
    assert draws.shape == (500, 1, 8, 8)
    assert float(draws.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(draws.std()) == pytest.approx(0.2, abs=0.01)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError):
        Canvas(side=8).render(torch.zeros(1, 3, 8, 8))
    with pytest.raises(UsageError):
        Canvas(side=0)
