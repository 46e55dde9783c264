"""Networks that make pictures out of leaks, and how they are trained."""

from __future__ import annotations

from bauta.generators.base import Decoder
from bauta.generators.plain import PlainDecoder
from bauta.generators.unet import UNet

# By the name that a spec can write.
DECODERS: dict[str, type[UNet] | type[PlainDecoder]] = {"unet": UNet, "plain": PlainDecoder}

__all__ = ["DECODERS", "Decoder", "PlainDecoder", "UNet"]
