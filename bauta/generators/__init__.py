"""Networks that make pictures out of leaks, and how they are trained; priors that say what a face looks like."""

from __future__ import annotations

from bauta.generators.autoencoder import AutoencoderPrior
from bauta.generators.base import Decoder
from bauta.generators.canvas import Canvas
from bauta.generators.eigenfaces import Eigenfaces
from bauta.generators.mapping import LatentRegressor
from bauta.generators.nbnet import NbNetDecoder
from bauta.generators.plain import PlainDecoder
from bauta.generators.population import Population, synthetic
from bauta.generators.prior import FacePrior, InvertedSpace
from bauta.generators.stylegan2 import StyleGAN2
from bauta.generators.unet import UNet

# By the name that a spec can write.
DECODERS: dict[str, type[UNet] | type[PlainDecoder] | type[NbNetDecoder]] = {
    "unet": UNet, "plain": PlainDecoder, "nbnet": NbNetDecoder,
}  # fmt: skip

# Face priors, for a spec.
PRIORS: tuple[type[FacePrior], ...] = (Eigenfaces, AutoencoderPrior, StyleGAN2, InvertedSpace, Canvas)

__all__ = [
    "DECODERS",
    "PRIORS",
    "AutoencoderPrior",
    "Canvas",
    "Decoder",
    "Eigenfaces",
    "FacePrior",
    "InvertedSpace",
    "LatentRegressor",
    "NbNetDecoder",
    "PlainDecoder",
    "Population",
    "StyleGAN2",
    "UNet",
    "synthetic",
]
