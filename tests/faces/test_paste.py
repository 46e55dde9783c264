"""A change of the aligned face lands on the face in its photo, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bauta.errors import ShapeError
from bauta.faces import TEMPLATE, YuNet, align, read_image
from bauta.faces.align import similarity, transform
from bauta.faces.paste import MIDDLE, Place, paste, window
from bauta.ops.filters import blur
from bauta.ops.quantize import to_8bit
from bauta.protections.images.p3mask import face_area


def change(seed: int = 0, sigma: float = 2.0) -> Tensor:
    """Smooth noise within 16/255, falling to 0 at the border, as masks are."""
    noise = blur(torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(seed)), sigma)[0]
    return noise / noise.abs().max() * (16 / 255) * face_area(112, 112)


def photo(height: int, width: int, seed: int = 1) -> Tensor:
    """Noise of 8 bits around gray, which no mask clips."""
    drawn = torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))
    return to_8bit(0.3 + 0.4 * drawn)


def landmarks(x: float, y: float, scale: float, degrees: float) -> Tensor:
    """Five points of a face with its center at x, y."""
    a = np.radians(degrees)
    turn = scale * np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return torch.from_numpy((TEMPLATE - MIDDLE) @ turn.T + [x, y])


def test_an_aligned_face_is_its_own_place_and_gets_the_rounded_change() -> None:
    face = photo(112, 112)
    assert Place.of(TEMPLATE) == Place(MIDDLE, MIDDLE, MIDDLE, 0.0)
    by_hand = ((face * 255).round() + (change() * 255).round()).clamp(0, 255) / 255
    assert torch.equal(paste(face, change(), TEMPLATE), by_hand)


@pytest.mark.parametrize(("scale", "degrees"), [(0.4, 10), (0.9, 0), (1.0, -30), (1.7, 175), (4.3, 45)])
def test_it_lands_where_align_cuts_and_comes_off_again(scale: float, degrees: float) -> None:
    """The difference of photos, aligned, is the change: by `align`, which knows nothing of `paste`."""
    size = int(112 * scale * 2.4) + 20
    # constant, so that resampling the photo itself is nothing; in color, so that the change is no mean
    flat = (torch.tensor([120.0, 128, 136]) / 255)[:, None, None].expand(-1, size, size + 7).clone()
    points = landmarks(size * 0.52, size * 0.48, scale, degrees)
    soft = change(sigma=4.0)
    pasted = paste(flat, soft, points)
    seen = (align(pasted, points) - align(flat, points)).flatten()
    likeness = float(torch.corrcoef(torch.stack([seen, soft.flatten()]))[0, 1])
    assert likeness > 0.9
    assert float(seen @ soft.flatten() / soft.flatten().square().sum()) == pytest.approx(1, abs=0.15)
    assert torch.equal(paste(pasted, -soft, points), flat)
    # a place on the grid is off by half a step in each number, which a recognizer does not see
    off = transform(similarity(points, TEMPLATE), Place.of(points).landmarks) - TEMPLATE
    assert np.abs(off).max() < 0.8


def test_pixels_outside_the_face_are_those_of_the_photo_bit_for_bit() -> None:
    deep = torch.rand(3, 300, 400, generator=torch.Generator().manual_seed(3))  # not of 8 bits
    points = landmarks(210.3, 140.8, 1.4, 12)
    pasted = paste(deep, change(), points)
    moved = (pasted != deep).any(0)
    assert moved.any()
    outside = torch.ones(300, 400, dtype=torch.bool)
    window(deep, Place.of(points)).of(outside).zero_()
    assert not (moved & outside).any()
    changed = pasted[pasted != deep]
    assert torch.equal(changed, to_8bit(changed))
    # no seam: where the face ends the change is a level, and half of one from rounding the photo
    corners = transform(Place.of(points).matrix, [[0, 56], [111, 56], [56, 0], [56, 111]]).round().astype(int)
    assert all((pasted - deep)[:, y, x].abs().max() <= 1.51 / 255 for x, y in corners)


def test_a_gray_photo_stays_gray_and_a_colored_one_gets_all_colors() -> None:
    gray = photo(200, 200)[:1].expand(3, -1, -1).clone()
    pasted = paste(gray, change(), landmarks(100, 100, 1.0, 0))
    assert torch.equal(pasted[0], pasted[1])
    assert torch.equal(pasted[0], pasted[2])
    mean = change().mean(0, keepdim=True).expand(3, -1, -1)
    assert torch.equal(pasted, paste(gray, mean, landmarks(100, 100, 1.0, 0)))
    colored = paste(photo(200, 200), change(), landmarks(100, 100, 1.0, 0)) - photo(200, 200)
    assert float((colored[0] - colored[1]).abs().max()) > 4 / 255


@pytest.mark.parametrize(("x", "y"), [(-20, 50), (300, 300), (150, -10), (-500, -500)])
def test_a_face_beyond_the_border_gets_what_of_it_is_there(x: float, y: float) -> None:
    small = photo(300, 300)
    points = landmarks(x, y, 1.0, 20)
    pasted = paste(small, change(), points)
    larger = torch.nn.functional.pad(small, (600, 600, 600, 600), value=0.5)
    beyond = paste(larger, change(), points + 600)
    differing = pasted - beyond[:, 600:-600, 600:-600]  # by how OpenCV rounds coordinates far from the origin
    assert float(differing.abs().max()) < 1.01 / 255
    assert float((differing != 0).float().mean()) < 1e-3
    assert (pasted != small).any() == (x > -100)


def test_a_small_face_gets_the_average_and_no_false_pattern() -> None:
    """A checkerboard of single pixels averages to nothing; sampled pixel by pixel it would be a pattern."""
    checks = (16 / 255) * (1 - 2 * ((torch.arange(112)[:, None] + torch.arange(112)) % 2)).float().expand(3, -1, -1)
    small = photo(80, 80)
    pasted = paste(small, checks, landmarks(40, 40, 0.4, 0))
    inner = (pasted - small)[:, 25:55, 25:55] * 255
    assert float(inner.abs().max()) < 4


def test_several_places_are_one_after_another() -> None:
    wide, one, two = photo(200, 500), landmarks(100, 100, 1.0, 5), landmarks(380, 90, 1.1, -9)
    assert torch.equal(paste(wide, change(), one, two), paste(paste(wide, change(), one), change(), two))
    assert torch.equal(paste(wide, change()), wide)


def test_shapes_are_told() -> None:
    with pytest.raises(ShapeError, match="photo must have shape"):
        paste(torch.zeros(1, 3, 112, 112), change(), TEMPLATE)
    with pytest.raises(ShapeError, match="change must have shape"):
        paste(photo(112, 112), torch.zeros(3, 56, 56), TEMPLATE)
    with pytest.raises(ShapeError, match="finite"):
        paste(photo(112, 112), change(), TEMPLATE * np.nan)


@pytest.mark.mirror
def test_on_a_real_photo_with_seven_faces(mirror: Path) -> None:
    image = read_image(mirror / "photos" / "facenet_multiface.jpg")
    places = [Place.of(face.landmarks) for face in YuNet().detect(image)]
    pasted = paste(image, change(), *places)
    outside = torch.ones(image.shape[1:], dtype=torch.bool)
    for place in places:
        window(image, place).of(outside).zero_()
    assert len(places) > 4
    assert torch.equal(pasted[:, outside], image[:, outside])
    unclipped = (pasted > 0) & (pasted < 1)
    back = paste(pasted, -change(), *reversed(places))
    assert torch.equal(back[unclipped], image[unclipped])
