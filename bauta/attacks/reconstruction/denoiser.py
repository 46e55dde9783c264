"""Denoiser: the aware attacker at pictures learns to undo the protection."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from bauta.attacks.base import Knowledge, Knows
from bauta.attacks.reconstruction.recface import RecFace
from bauta.types import Images, Stage


class Denoiser(RecFace):
    """RecFace's network on the protected picture itself: a U-Net from (protected picture, original) pairs.

    The attacker makes the pairs himself: he runs the published protection on public faces, with keys of his own. What a
    purifier does by a fixed filter, this learns (as Zhang et al., TIP 2017, learn to denoise). Options as `RecFace`;
    its batches are smaller, because every layer runs at the full size of a picture.
    """

    default_knowledge = Knowledge(sees=Stage.IMAGES, knows=Knows.SCHEME)

    def __init__(
        self,
        *,
        steps: int = 1000,
        batch_size: int = 16,
        rate: float = 3e-3,
        width: float = 1.0,
        loss: str = "l1+ssim",
        perceptual: Callable[[Images, Images], Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            steps=steps, batch_size=batch_size, rate=rate, width=width, loss=loss, perceptual=perceptual, seed=seed
        )
