"""Recognizers of the frequency family: the client holds a block DCT, the server reads its 192 maps or some of them."""

from __future__ import annotations

from torch import nn

from bauta.ops.dct import block_dct
from bauta.types import Features, Images


class BlockDCT(nn.Module):
    """The client's layer: images (B, 3, H, W) in [0, 1] -> coefficients (B, 192, H, W), see `bauta.ops.dct.block_dct`.

    It has no weights. Coefficients stay in their natural units: normalizing them is the server's first step.
    """

    def forward(self, images: Images) -> Features:
        return block_dct(images)
