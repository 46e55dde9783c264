"""The fast front end is the long way: enlarge, color, cut into blocks, transform each by another library."""

from __future__ import annotations

import pytest
import scipy.fft
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import ShapeError, UsageError
from bauta.ops import dct

SIZES = [(112, 112), (7, 12), (5, 1), (1, 1), (2, 9)]


def pictures(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def ycbcr(rgb: Tensor) -> Tensor:
    """JPEG's full-range matrix as the JFIF standard prints it."""
    r, g, b = (255 * rgb).unbind(1)
    return torch.stack(
        [
            0.299 * r + 0.587 * g + 0.114 * b,
            -0.168735892 * r - 0.331264108 * g + 0.5 * b + 128,
            0.5 * r - 0.418687589 * g - 0.081312411 * b + 128,
        ],
        1,
    )


def long_way(images: Tensor) -> Tensor:
    """In float64, through the enlarged picture."""
    *_, height, width = images.shape
    large = F.interpolate(images.double(), (8 * height, 8 * width), mode="bilinear", align_corners=True)
    planes = ycbcr(large) - 128
    blocks = planes.unfold(2, 8, 8).unfold(3, 8, 8)  # (B, 3, H, W, 8, 8)
    transformed = torch.from_numpy(scipy.fft.dctn(blocks.numpy(), axes=(-2, -1), norm="ortho"))
    return transformed.permute(0, 1, 4, 5, 2, 3).reshape(len(images), 192, height, width)


def long_way_back(coefficients: Tensor) -> Tensor:
    batch, _, height, width = coefficients.shape
    blocks = coefficients.double().view(batch, 3, 8, 8, height, width).permute(0, 1, 4, 5, 2, 3)
    blocks = torch.from_numpy(scipy.fft.idctn(blocks.numpy(), axes=(-2, -1), norm="ortho"))
    large = blocks.permute(0, 1, 2, 4, 3, 5).reshape(batch, 3, 8 * height, 8 * width) + 128
    y, cb, cr = large.unbind(1)
    red, blue = y + 1.402 * (cr - 128), y + 1.772 * (cb - 128)
    green = y - 0.344136286 * (cb - 128) - 0.714136286 * (cr - 128)
    rgb = torch.stack([red, green, blue], 1) / 255
    return F.interpolate(rgb, (height, width), mode="bilinear", align_corners=True)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_is_the_long_way(size: tuple[int, int], dtype: torch.dtype) -> None:
    images = pictures(2, 3, *size, dtype=dtype)
    came, expected = dct.block_dct(images), long_way(images)
    assert came.dtype == dtype
    scale = expected.max() - expected.min()
    assert (came - expected).abs().max() < (1e-6 if dtype is torch.float32 else 1e-9) * scale


@pytest.mark.parametrize("size", SIZES)
def test_the_inverse_is_the_long_way_back(size: tuple[int, int]) -> None:
    coefficients = 100 * pictures(2, 192, *size) - 50
    assert (dct.inverse_block_dct(coefficients) - long_way_back(coefficients)).abs().max() < 1e-7


@pytest.mark.parametrize("size", SIZES)
def test_its_matrices_along_the_axes_are_it(size: tuple[int, int]) -> None:
    images = pictures(1, 3, *size)
    planes = dct.to_planes(images)
    assert torch.allclose(planes, ycbcr(images) - 128, atol=1e-4)
    assert torch.allclose(dct.to_images(planes), images)
    rows, columns = dct.axis_matrices(size[0]), dct.axis_matrices(size[1])
    maps = torch.einsum("uhi,bpij,vwj->bpuvhw", rows, planes, columns).reshape(1, 192, *size)
    assert torch.allclose(maps, dct.block_dct(images))


def test_a_flat_picture_has_eight_times_its_color_at_frequency_zero_and_nothing_else() -> None:
    red = torch.zeros(1, 3, 4, 4)
    red[:, 0] = 1
    coefficients = dct.block_dct(red)
    assert coefficients[0, [0, 64, 128], 2, 2].tolist() == pytest.approx(
        [8 * (0.299 * 255 - 128), -8 * 0.168736 * 255, 8 * 0.5 * 255], abs=1e-2
    )
    others = torch.ones(192, dtype=torch.bool)
    others[[0, 64, 128]] = False
    assert coefficients[:, others].abs().max() < 1e-3


def test_channels_are_rows_of_vertical_frequencies() -> None:
    """A picture that changes from row to row alone lives at v = 0: channels 0, 8, 16 ... of each plane."""
    stripes = pictures(1, 3, 9, 1).expand(-1, -1, -1, 9)
    energy = dct.block_dct(stripes).square().sum((0, 2, 3)).view(3, 8, 8)
    assert energy[:, :, 1:].max() < 1e-9
    assert energy[:, 1, 0].min() > 1


def test_a_picture_comes_back_within_three_percent_of_its_second_differences() -> None:
    images = pictures(1, 3, 10, 14)
    back = dct.inverse_block_dct(dct.block_dct(images))
    rows = images.diff(n=2, dim=2).abs().max()
    columns = images.diff(n=2, dim=3).abs().max()
    assert 0 < (back - images).abs().max() < 0.0325 * (rows + columns)
    ramp = torch.linspace(0, 1, 10, dtype=torch.float64).view(1, 1, 10, 1).expand(1, 3, 10, 14)
    assert torch.allclose(dct.inverse_block_dct(dct.block_dct(ramp)), ramp)


def test_gradients_are_those_of_the_map_also_the_second_ones() -> None:
    images, maps = pictures(1, 3, 3, 2).requires_grad_(), (pictures(1, 192, 2, 3) * 20).requires_grad_()
    assert torch.autograd.gradcheck(dct.block_dct, images)
    assert torch.autograd.gradcheck(dct.inverse_block_dct, maps, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: dct.block_dct(x) ** 2 / 100, images, fast_mode=True)


def test_the_adjoint_is_the_transpose() -> None:
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(2, 3, 7, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    maps = torch.randn(2, 192, 7, 5, generator=generator, dtype=torch.float64)
    seen = dct.planes_dct(planes)
    torch.testing.assert_close(seen, dct.block_dct(dct.to_images(planes)), rtol=0, atol=1e-9)
    back = dct.planes_dct_adjoint(maps)
    assert (seen * maps).sum().item() == pytest.approx((planes * back).sum().item(), rel=1e-12)
    torch.testing.assert_close(torch.autograd.grad((seen * maps).sum(), planes)[0], back, rtol=0, atol=1e-9)


def test_the_gradient_agrees_with_the_long_way_at_full_size() -> None:
    images = pictures(1, 3, 112, 112, dtype=torch.float32).requires_grad_()
    weights = pictures(1, 192, 112, 112, dtype=torch.float32)
    (came,) = torch.autograd.grad((dct.block_dct(images) * weights).sum(), images)
    # the long way is linear: its gradient along a direction is what the direction makes, less what nothing makes
    direction = pictures(1, 3, 112, 112) - 0.5
    along = ((long_way(direction) - long_way(0 * direction)) * weights).sum()
    assert (came * direction).sum() == pytest.approx(along.item(), rel=1e-5)


def test_taps_made_in_inference_serve_training() -> None:
    images = pictures(1, 3, 6, 11, dtype=torch.float32)  # a size of no other test
    with torch.inference_mode():
        first = dct.block_dct(images)
    images.requires_grad_()
    again = dct.block_dct(images)
    again.sum().backward()
    assert torch.equal(first, again)


def test_mixed_precision_does_not_touch_it() -> None:
    images = pictures(1, 3, 6, 6, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        came = dct.block_dct(images)
        back = dct.inverse_block_dct(came)
    assert torch.equal(came, dct.block_dct(images))
    assert torch.equal(back, dct.inverse_block_dct(came))


def test_what_it_refuses() -> None:
    with pytest.raises(ShapeError):
        dct.block_dct(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ShapeError):
        dct.inverse_block_dct(torch.zeros(1, 64, 8, 8))
    with pytest.raises(UsageError, match="float32 or float64"):
        dct.block_dct(torch.zeros(1, 3, 8, 8, dtype=torch.bfloat16))
    with pytest.raises(UsageError, match="float32 or float64"):
        dct.inverse_block_dct(torch.zeros(1, 192, 8, 8, dtype=torch.float16))
