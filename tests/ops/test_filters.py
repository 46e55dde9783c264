"""Kernels against the paper's formulas, filters against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from bauta.ops.filters import blur, filter_same, gaussian_kernel, linear_kernel, median


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@given(st.integers(1, 6))
def test_the_linear_kernel_is_the_papers(k: int) -> None:
    found = linear_kernel(k)
    for i in range(-k, k + 1):
        for j in range(-k, k + 1):
            wanted = (1 - abs(i) / (k + 1)) * (1 - abs(j) / (k + 1)) / (k + 1) ** 2
            assert float(found[i + k, j + k]) == pytest.approx(wanted, rel=1e-12)


@given(st.integers(1, 6), st.none() | st.floats(0.3, 5))
def test_the_gaussian_kernel_is_the_papers(k: int, sigma: float | None) -> None:
    found, s = gaussian_kernel(k, sigma), k / math.sqrt(3) if sigma is None else sigma
    places = range(-k, k + 1)
    plain = [[math.exp(-(i * i + j * j) / (2 * s * s)) for j in places] for i in places]
    total = sum(map(sum, plain))
    assert np.allclose(found.numpy(), np.array(plain) / total, rtol=1e-12)


def test_the_shortest_gaussian_kernel_by_hand() -> None:
    """k = 1: sigma = 1/sqrt 3, so neighbors weigh exp(-3/2) of the center."""
    e = math.exp(-1.5)
    assert float(gaussian_kernel(1)[0, 1] / gaussian_kernel(1)[1, 1]) == pytest.approx(e)
    assert float(gaussian_kernel(1)[1, 1]) == pytest.approx(1 / (1 + 2 * e) ** 2)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 4), st.integers(6, 13), st.integers(6, 13))
def test_filter_same_is_scipys_convolution_with_a_zero_border(k: int, height: int, width: int) -> None:
    images = noise(2, 3, height, width)
    found = filter_same(images, gaussian_kernel(k))
    for image, filtered in zip(images.flatten(0, 1), found.flatten(0, 1), strict=True):
        wanted = ndimage.convolve(image.numpy(), gaussian_kernel(k).numpy(), mode="constant", cval=0)
        assert np.allclose(filtered.numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5, 6.0])
def test_blur_is_scipys(sigma: float) -> None:
    images = noise(2, 3, 40, 33)
    wanted = ndimage.gaussian_filter(
        images.numpy(), sigma, mode="mirror", axes=(2, 3), radius=max(1, math.ceil(3 * sigma))
    )
    assert np.allclose(blur(images, sigma).numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize("size", [3, 5])
def test_median_is_scipys(size: int) -> None:
    images = noise(2, 3, 17, 12)
    wanted = ndimage.median_filter(images.numpy(), (1, 1, size, size), mode="mirror")
    assert np.array_equal(median(images, size).numpy(), wanted)
