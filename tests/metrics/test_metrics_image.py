"""SSIM, PSNR and cosine against scipy, kornia and numpy."""

from __future__ import annotations

import kornia
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from bauta.errors import ShapeError
from bauta.metrics import COSINE, PSNR, SSIM


def pictures(seed: int, size: tuple[int, int] = (40, 33)) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth pictures and noisy copies, whose similarity ranges from near 1 to near 0."""
    g = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.linspace(0, 3, size[0]), torch.linspace(0, 2, size[1]), indexing="ij")
    phase = torch.rand(4, 3, 1, 1, generator=g) * 6
    truth = 0.5 + 0.4 * torch.sin(2 * x + y + phase)
    noise = torch.tensor([0.0, 0.02, 0.1, 0.5]).view(4, 1, 1, 1) * torch.randn(4, 3, *size, generator=g)
    return (truth + noise).clamp(0, 1), truth


def wang(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2004 on one channel: eq. 13 with scipy's 11-tap Gaussian, windows inside the picture only."""

    def mean(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, 1.5, truncate=3.5)[5:-5, 5:-5]  # radius int(3.5 * 1.5 + 0.5) = 5

    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    return float(((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())


def test_ssim_is_wang_2004() -> None:
    guess, truth = pictures(0)
    ours = SSIM(guess, truth)
    theirs = [
        np.mean([wang(g.numpy().astype(float), t.numpy().astype(float)) for g, t in zip(gs, ts, strict=True)])
        for gs, ts in zip(guess, truth, strict=True)
    ]
    assert ours.tolist() == pytest.approx(theirs, abs=1e-5)
    assert ours[0] == pytest.approx(1)
    assert ours[3] < 0.2 < ours[2]


def test_ssim_agrees_with_kornia() -> None:
    guess, truth = pictures(1)
    theirs = kornia.metrics.ssim(guess, truth, 11, padding="valid").mean((1, 2, 3))
    assert torch.allclose(SSIM(guess, truth), theirs, atol=1e-5)


def test_psnr_is_ten_log_one_over_mse() -> None:
    guess, truth = pictures(2)
    mse = ((guess.numpy() - truth.numpy()).astype(float) ** 2).mean((1, 2, 3))
    assert PSNR(guess, truth)[0] == torch.inf
    assert PSNR(guess, truth)[1:].tolist() == pytest.approx((10 * np.log10(1 / mse[1:])).tolist(), rel=1e-4)


def test_cosine_against_numpy_and_at_zero_rows() -> None:
    g = torch.Generator().manual_seed(3)
    a, b = torch.randn(5, 7, generator=g), torch.randn(5, 7, generator=g)
    a[4] = 0
    x, y = a.numpy()[:4], b.numpy()[:4]
    theirs = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    assert COSINE(a, b).tolist() == pytest.approx([*theirs.tolist(), 0.0], abs=1e-6)


@pytest.mark.parametrize("metric", [SSIM, PSNR], ids=lambda m: m.name)
def test_a_wrong_range_is_refused_not_scored(metric) -> None:  # type: ignore[no-untyped-def]
    guess, truth = pictures(4)
    highest = truth / truth.max()
    for wrong in (255 * truth, 2 * truth - 1, truth * torch.nan, 1.5 * highest, highest + 1.5e-4, -1.5e-4 * highest):
        with pytest.raises(ShapeError, match=r"\[0, 1\]"):
            metric(wrong, truth)
    assert metric(highest + 5e-5, truth).isfinite().all()  # what rounding leaves outside is no wrong range
    with pytest.raises(ShapeError, match="truth's shape"):
        metric(guess[:, :, 1:], truth)
    with pytest.raises(ShapeError, match="guess"):
        metric(guess[:, :1], truth[:, :1])


def test_too_small_for_the_window() -> None:
    guess, truth = pictures(5, (40, 10))
    with pytest.raises(ShapeError, match="11 x 11"):
        SSIM(guess, truth)
    guess, truth = pictures(5, (11, 11))
    assert SSIM(guess, truth)[0] == pytest.approx(1)


def test_templates_are_rows() -> None:
    with pytest.raises(ShapeError, match=r"guess must have shape \(B, D\)"):
        COSINE(torch.ones(3), torch.ones(3))
    with pytest.raises(ShapeError, match=r"truth must have shape \(B, D\)"):
        COSINE(torch.ones(2, 3), torch.ones(3))


def test_every_one_is_private_when_low() -> None:
    assert {m.private_when for m in (SSIM, PSNR, COSINE)} == {"low"}
