"""Kernels and convolutions with them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def linear_kernel(length: int) -> Tensor:
    """(2k+1, 2k+1) pyramid (1 - |i|/(k+1)) (1 - |j|/(k+1)), sum 1; `length` is the radius k (PMT, section 5.3)."""
    line = 1 - torch.arange(-length, length + 1, dtype=torch.float64).abs() / (length + 1)
    return _product(line)


def gaussian_kernel(length: int, sigma: float | None = None) -> Tensor:
    """(2k+1, 2k+1) Gaussian summing to 1; `length` is the radius k, sigma defaults to k/sqrt(3) (PMT, section 5.3)."""
    sigma = length / math.sqrt(3) if sigma is None else sigma
    line = torch.exp(-(torch.arange(-length, length + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    return _product(line)


def _product(line: Tensor) -> Tensor:
    kernel = line[:, None] * line[None, :]
    return kernel / kernel.sum()


def filter_same(images: Tensor, kernel: Tensor) -> Tensor:
    """Each channel of (B, C, H, W) convolved with a small odd kernel; same size, zeros outside the border."""
    channels = images.shape[1]
    weight = kernel.to(images).expand(channels, 1, *kernel.shape)
    return F.conv2d(images, weight, padding=kernel.shape[-1] // 2, groups=channels)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of standard deviation `sigma` pixels, borders reflected."""
    radius = max(1, math.ceil(3 * sigma))
    kernel = gaussian_kernel(radius, sigma).to(images)
    padded = F.pad(images, [radius] * 4, mode="reflect")
    channels = images.shape[1]
    return F.conv2d(padded, kernel.expand(channels, 1, *kernel.shape), groups=channels)


def median(images: Tensor, size: int) -> Tensor:
    """Median over `size` x `size` neighborhoods of each channel, borders reflected."""
    padded = F.pad(images, [size // 2] * 4, mode="reflect")
    windows = padded.unfold(2, size, 1).unfold(3, size, 1)
    return windows.flatten(-2).median(-1).values
