"""A key is told from a wrong one, and a mask is found exactly where it lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import pictures
from torch import Tensor

from bauta.faces import TEMPLATE, YuNet, load_dataset, read_image, through_jpeg
from bauta.faces.paste import MIDDLE, Place, paste
from bauta.job.maskkey import CARRIED, chance, fine, in_place, nearest_strength, sought, surface
from bauta.ops.filters import blur
from bauta.ops.quantize import to_8bit
from bauta.protections.images.p3mask import face_area


def mask(seed: int) -> Tensor:
    """Noise of a pixel or two within 16/255: as fine as masks are."""
    noise = blur(torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(seed)), 1.0)[0]
    return noise / noise.abs().max() * (16 / 255) * face_area(112, 112)


def grainy(seed: int, side: int = 112) -> Tensor:
    """(3, side, side): a smooth picture with grain, away from black and white."""
    grain = 0.02 * torch.randn(3, side, side, generator=torch.Generator().manual_seed(seed))
    return to_8bit(0.2 + 0.6 * pictures(1, seed=seed, side=side)[0] + grain)


def test_the_surface_is_the_correlation_at_each_shift() -> None:
    a, b = fine(torch.stack([grainy(0), grainy(1)]))
    found = surface(a, b)
    for down, right in ((0, 0), (3, 0), (0, 100), (57, 9)):
        by_hand = (a * b.roll((down, right), (1, 2))).sum()
        assert float(found[down, right]) == pytest.approx(float(by_hand), rel=1e-3, abs=0.5)


def test_chance_is_a_distance_in_deviations() -> None:
    """Wrong keys are a standard normal, more or less; the right one is far away, more so when it is stronger."""
    wrong = torch.tensor([chance(grainy(i), mask(100 + i)) for i in range(60)])
    assert float(wrong.mean().abs()) < 0.4
    assert 0.7 < float(wrong.std()) < 1.4
    for strength, least in ((1.0, 25), (0.5, 15)):
        assert chance(to_8bit(grainy(3) + strength * mask(5)), mask(5)) > least
    assert abs(chance(to_8bit(grainy(3) + mask(5)), mask(6))) < CARRIED - 2
    assert chance(grainy(1), torch.zeros(3, 112, 112)) == 0


def test_an_aligned_face_and_its_strength() -> None:
    for strength in (0.25, 0.5, 1.0):
        carried = in_place(to_8bit(grainy(2) + strength * mask(0)), mask(0))
        assert carried.place == Place(MIDDLE, MIDDLE, MIDDLE, 0.0)
        assert carried.strength == pytest.approx(strength, abs=0.06)
        assert nearest_strength(carried.strength, 1.0) == (strength if strength < 1 else 1.0)
    gray = grainy(4)[:1].expand(3, -1, -1)
    assert in_place(paste(gray, mask(0), TEMPLATE), mask(0)).strength == pytest.approx(1, abs=0.1)


def test_the_usual_strength_unless_it_is_far_off() -> None:
    found = {0.97: 0.9, 0.66: 0.9, 0.27: 0.25, 0.44: 0.5}
    assert {f: nearest_strength(f, 0.9) for f in found} == found


FILES: list[Callable[[Tensor], Tensor]] = [to_8bit, lambda photo: through_jpeg(photo[None], 90)[0]]


@pytest.mark.parametrize("written", FILES, ids=["png", "jpeg 90"])
@pytest.mark.parametrize(("scale", "degrees"), [(0.8, 0), (1.0, 20), (1.9, -7), (4.6, 3)])
def test_it_is_found_exactly_where_it_was_pasted(
    scale: float, degrees: float, written: Callable[[Tensor], Tensor]
) -> None:
    photo = grainy(7, int(112 * scale * 2))
    a, size = np.radians(degrees), scale * MIDDLE
    middle = photo.shape[1] / 2
    there = Place(middle + 3.3, middle - 5.2, size * np.cos(a), size * np.sin(a)).on_grid()
    protected = written(paste(photo, mask(3), there))
    near = there.moved(2.1 * scale, -1.7 * scale, 1.3 * scale, -2.2 * scale)
    found = sought(protected, near, mask(3))
    assert found.z > CARRIED + 5
    assert found.place == there
    assert sought(protected, near, mask(4)).z < CARRIED
    assert sought(photo, near, mask(3)).z < CARRIED


@pytest.mark.mirror
def test_on_real_photos_after_a_second_detection(mirror: Path) -> None:
    detector, error = YuNet(), []
    for name in ("deepface_img29", "deepface_img21"):
        photo = read_image(mirror / "photos" / f"{name}.jpg")
        there = Place.of(detector.detect(photo)[0].landmarks)
        protected = paste(photo, mask(1), there)
        near = Place.of(detector.detect(protected)[0].landmarks).moved(5, -4, 3, 8)
        found = sought(protected, near, mask(1))
        assert found.place == there
        assert sought(protected, near, mask(2)).z < CARRIED
        error.append(float((paste(protected, -mask(1), found.place) - photo).abs().max()))
    assert max(error) < 16.01 / 255


@pytest.mark.mirror
def test_real_faces_without_a_mask_are_not_taken_for_it(mirror: Path) -> None:
    faces = load_dataset("lfw", 100).images
    z = torch.tensor([chance(face, mask(i % 5)) for i, face in enumerate(faces)])
    assert float(z.max()) < CARRIED - 2
