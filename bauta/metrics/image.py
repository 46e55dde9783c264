"""How alike two pictures are, and two templates."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from bauta.errors import ShapeError, check_shape
from bauta.metrics.base import Metric
from bauta.ops.similarity import WINDOW, structural_similarity
from bauta.types import Images


def _check_pair(guess: Images, truth: Images) -> None:
    for name, images in (("guess", guess), ("truth", truth)):
        check_shape(images, "B 3 H W", name)
        # rounding may leave a float a hair outside; a wrong range (0..255, -1..1) would pass for a fine protection
        if images.numel() and not ((images >= -1e-4) & (images <= 1 + 1e-4)).all():
            raise ShapeError(
                f"{name} must lie in [0, 1], got values from {images.min():g} to {images.max():g}; "
                "divide 8-bit values by 255, or clamp."
            )
    if guess.shape != truth.shape:
        raise ShapeError(f"guess must have truth's shape {tuple(truth.shape)}, got {tuple(guess.shape)}.")


def ssim(guess: Images, truth: Images) -> Tensor:
    """Structural similarity (Wang et al., IEEE TIP 2004), (B, 3, H, W) in [0, 1] twice -> (B,), 1 for equal pictures.

    The paper's 11 x 11 Gaussian window (sigma 1.5) where it lies wholly inside, K1 = 0.01, K2 = 0.03; the mean over
    positions and channels. Raises `ShapeError`, also for pictures smaller than the window.
    """
    _check_pair(guess, truth)
    if min(guess.shape[-2:]) < WINDOW:
        raise ShapeError(f"SSIM needs pictures of at least {WINDOW} x {WINDOW}, got {tuple(guess.shape[-2:])}.")
    return structural_similarity(guess, truth)


def psnr(guess: Images, truth: Images) -> Tensor:
    """Peak signal-to-noise ratio, (B, 3, H, W) in [0, 1] twice -> (B,) decibels, infinite for equal pictures."""
    _check_pair(guess, truth)
    return -10 * (guess - truth).square().mean((1, 2, 3)).log10()


def cosine(guess: Tensor, truth: Tensor) -> Tensor:
    """Cosine of the angle between rows, (B, D) twice -> (B,) in [-1, 1]; 0 where a row is zero."""
    check_shape(guess, "B D", "guess")
    check_shape(truth, "B D", "truth")
    if guess.shape != truth.shape:
        raise ShapeError(f"guess must have truth's shape {tuple(truth.shape)}, got {tuple(guess.shape)}.")
    return F.cosine_similarity(guess, truth)


SSIM = Metric("SSIM", ssim, private_when="low")
PSNR = Metric("PSNR", psnr, private_when="low", unit="dB")
COSINE = Metric("cosine", cosine, private_when="low")
