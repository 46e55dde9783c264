"""What services do to pictures, against Pillow, scipy, kornia and shifts by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from scipy import ndimage

from bauta.errors import UsageError
from bauta.ops.noise import generators, normal
from bauta.protections import JPEG, Move, Resize, WhiteNoise

INNER = slice(8, -8)


def smooth(number: int = 2) -> torch.Tensor:
    return tiny.pictures(number, side=64)


@pytest.mark.parametrize("quality", [10, 75, 95])
def test_jpeg_is_pillows(quality: int) -> None:
    images = smooth()
    for image, found in zip(images, JPEG(quality)(images), strict=True):
        levels = (image * 255).round().byte().permute(1, 2, 0).numpy()
        file = io.BytesIO()
        Image.fromarray(levels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        wanted = np.asarray(Image.open(io.BytesIO(file.getvalue())))
        assert np.array_equal((found * 255).round().byte().permute(1, 2, 0).numpy(), wanted)
        assert not np.array_equal(wanted, levels)


@pytest.mark.parametrize("quality", [0, 96])
def test_jpeg_refuses_a_quality_that_means_nothing(quality: int) -> None:
    with pytest.raises(UsageError, match=r"1\.\.95"):
        JPEG(quality)


def test_resize_loses_what_is_finer_than_the_small_picture() -> None:
    images = smooth()
    assert torch.allclose(Resize(64)(images), images, atol=1e-6)
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2  # the finest pattern there is
    fine = board.float().expand(1, 3, 64, 64)
    assert float((Resize(16)(fine) - 0.5).abs().max()) < 0.1
    assert float((Resize(48)(images) - images).abs().mean()) < 0.01


def test_resize_down_is_pillows() -> None:
    """Pillow's bilinear filter is the anti-aliased one."""
    image = smooth(1)
    small = Image.fromarray(image[0, 0].numpy()).resize((48, 48), Image.Resampling.BILINEAR)
    wanted = torch.nn.functional.interpolate(torch.from_numpy(np.array(small))[None, None], (64, 64), mode="bilinear")
    assert torch.allclose(Resize(48)(image)[:, :1], wanted, atol=1e-5)


def test_white_noise_follows_the_seed_and_the_face() -> None:
    faces = tiny.faces(4, side=64)
    found = WhiteNoise(0.1, seed=3)(faces.images, faces)
    wanted = faces.images + 0.1 * normal((3, 64, 64), generators(3, faces.digests(), "white noise"), faces.images)
    assert torch.allclose(found, wanted.clamp(0, 1))
    moved = WhiteNoise(0.1, seed=3)(faces.images[[2, 0]], faces[[2, 0]])
    assert torch.equal(moved, found[[2, 0]])
    assert not torch.equal(WhiteNoise(0.1, seed=4)(faces.images, faces), found)
    gray = torch.full((1, 3, 200, 200), 0.5)
    assert float((WhiteNoise(0.1)(gray) - gray).std()) == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(("right", "down"), [(2, 0), (-3, 0), (0, 2), (0, -1), (2, -3)])
def test_a_shift_is_a_roll(right: int, down: int) -> None:
    images = smooth()
    wanted = torch.roll(images, (down, right), (2, 3))
    found = Move(right=right, down=down)(images)
    assert torch.allclose(found[..., INNER, INNER], wanted[..., INNER, INNER], atol=1e-5)


def test_borders_are_repeated() -> None:
    images = smooth()
    found = Move(right=3)(images)
    assert torch.allclose(found[..., :3], images[..., :1].expand(-1, -1, -1, 3), atol=1e-5)


@pytest.mark.parametrize("degrees", [3.0, -10.0, 30.0])
def test_a_turn_is_scipys(degrees: float) -> None:
    """Positive degrees turn clockwise, as one sees the picture; scipy's angle runs the other way."""
    images = smooth()
    wanted = ndimage.rotate(images.numpy(), -degrees, axes=(2, 3), reshape=False, order=1, mode="nearest")
    found = Move(degrees=degrees)(images)
    assert np.allclose(found.numpy()[..., 16:-16, 16:-16], wanted[..., 16:-16, 16:-16], atol=2e-3)


def test_a_quarter_turn_is_clockwise() -> None:
    images = smooth()
    assert torch.allclose(Move(degrees=90)(images), torch.rot90(images, -1, (2, 3)), atol=1e-4)


def test_a_turn_of_an_oblong_picture_keeps_its_shape() -> None:
    """A disk turned about the center stays a disk where pixels are square."""
    y, x = torch.meshgrid(torch.arange(40) - 19.5, torch.arange(60) - 29.5, indexing="ij")
    disk = torch.sigmoid(12 - (x**2 + y**2).sqrt()).expand(1, 3, 40, 60)
    assert torch.allclose(Move(degrees=33)(disk), disk, atol=0.02)


def test_turned_first_then_shifted() -> None:
    images = smooth()
    both = Move(right=4, down=-2, degrees=10)(images)
    one_by_one = torch.roll(Move(degrees=10)(images), (-2, 4), (2, 3))
    assert torch.allclose(both[..., 12:-12, 12:-12], one_by_one[..., 12:-12, 12:-12], atol=1e-4)
