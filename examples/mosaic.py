"""A protection of one's own in one file: each block of a picture becomes its mean.

bauta audit --protection "examples/mosaic.py:Mosaic(block=8)" --data lfw --out audit
"""

from torch.nn import functional as F

from bauta.protections import ImageProtection
from bauta.spec import recipe


class Mosaic(ImageProtection):
    """(B, 3, H, W) -> the same, averaged over blocks of `block` pixels."""

    def __init__(self, *, block: int = 8) -> None:
        super().__init__()
        self.block = block

    __repr__ = recipe

    def forward(self, x, faces=None):
        coarse = F.avg_pool2d(x, self.block, ceil_mode=True, count_include_pad=False)
        return F.interpolate(coarse, scale_factor=self.block)[..., : x.shape[-2], : x.shape[-1]]
