"""What services and phones do to pictures: JPEG, resizing, noise, small motions. Steps to put behind a protection.

As protections of their own they are the field's weakest baselines.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.faces.images import through_jpeg
from bauta.ops.noise import generators, normal
from bauta.protections.base import ImageProtection
from bauta.spec import recipe
from bauta.types import Faces, Images


class JPEG(ImageProtection):
    """A real JPEG file of this quality (1 to 95), colors halved (4:2:0) as most programs write it. No gradient."""

    def __init__(self, quality: int = 75) -> None:
        super().__init__()
        if not 1 <= quality <= 95:
            raise UsageError(f"JPEG's quality lies in 1..95; got {quality}.")
        self.quality = quality

    __repr__ = recipe

    def forward(self, x: Images, faces: Faces | None = None) -> Images:
        return through_jpeg(x, self.quality)


class Resize(ImageProtection):
    """Down to `size` pixels and back, bilinear with anti-aliasing."""

    def __init__(self, size: int = 96) -> None:
        super().__init__()
        self.size = size

    __repr__ = recipe

    def forward(self, x: Images, faces: Faces | None = None) -> Images:
        small = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        return F.interpolate(small, x.shape[-2:], mode="bilinear")


class WhiteNoise(ImageProtection):
    """Gaussian noise of standard deviation `std` in units of [0, 1], clipped; PMT's baseline is 0.3 (Table VIII)."""

    def __init__(self, std: float = 0.1, *, seed: int = 0) -> None:
        super().__init__()
        self.std, self.seed = std, seed

    __repr__ = recipe

    def forward(self, x: Images, faces: Faces | None = None) -> Images:
        digests = [str(row) for row in range(len(x))] if faces is None else faces.digests()
        noise = normal(x.shape[1:], generators(self.seed, digests, "white noise"), x)
        return (x + self.std * noise).clamp(0, 1)


class Move(ImageProtection):
    """Turned about the center by `degrees` (clockwise as one sees it), then shifted by (`right`, `down`) pixels.

    Borders are repeated.
    """

    def __init__(self, *, right: float = 0.0, down: float = 0.0, degrees: float = 0.0) -> None:
        super().__init__()
        self.right, self.down, self.degrees = right, down, degrees

    __repr__ = recipe

    def forward(self, x: Images, faces: Faces | None = None) -> Images:
        height, width = x.shape[-2:]
        angle = math.radians(self.degrees)
        cosine, sine = math.cos(angle), math.sin(angle)
        # affine_grid maps where a pixel goes to where it comes from, in half-widths
        back = torch.tensor([[cosine, sine * height / width, 0.0], [-sine * width / height, cosine, 0.0]]).to(x)
        shift = torch.tensor([2 * self.right / width, 2 * self.down / height]).to(x)
        back[:, 2] = -(back[:, :2] @ shift)
        grid = F.affine_grid(back.expand(len(x), 2, 3), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


# What a picture may go through before a recognizer sees it.
SERVICES: dict[str, ImageProtection] = {
    "JPEG 95": JPEG(95),
    "JPEG 75": JPEG(75),
    "noise 0.1": WhiteNoise(0.1),
    "resized to 96 and back": Resize(96),
    "shifted by 2 pixels": Move(right=2, down=2),
    "turned by 3 degrees": Move(degrees=3),
}
