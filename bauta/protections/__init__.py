"""Protections, by the stage they rewrite. A new one is a file and an entry in `ALL`."""

from __future__ import annotations

from bauta.protections.base import FeatureProtection, ImageProtection, Protection, TemplateProtection
from bauta.protections.features.advface import AdvFace
from bauta.protections.features.dctdp import DCTDP
from bauta.protections.features.deepobfuscator import DeepObfuscator
from bauta.protections.features.dropout import FeatureDropout
from bauta.protections.features.duetface import DuetFace
from bauta.protections.features.mechanism import GaussianMechanism, LaplaceMechanism
from bauta.protections.features.minusface import MinusFace, MinusFaceResidue
from bauta.protections.features.noise import GaussianNoise, MatchedNoise
from bauta.protections.features.normmatched import NormMatchedNoise
from bauta.protections.features.partialface import PartialFace
from bauta.protections.features.ppfrfd import PPFRFD
from bauta.protections.features.quantization import Quantization
from bauta.protections.features.refreshed import RefreshedAdvFace
from bauta.protections.images.dodging import DIM, MIFGSM, PGD, TIM
from bauta.protections.images.fawkes import Fawkes
from bauta.protections.images.lowkey import LowKey
from bauta.protections.images.opom import OPOMAffine, OPOMCenter, OPOMConvex
from bauta.protections.images.p3mask import P3Mask
from bauta.protections.images.peep import PEEP
from bauta.protections.images.pmt import PMT
from bauta.protections.images.scattermask import ScatterMask
from bauta.protections.images.service import JPEG, Move, Resize, WhiteNoise
from bauta.protections.images.tipim import TIPIM
from bauta.protections.images.transfermask import TransferMask

ALL: tuple[type[Protection], ...] = (
    PMT,
    JPEG,
    Resize,
    WhiteNoise,
    Move,
    GaussianNoise,
    MatchedNoise,
    NormMatchedNoise,
    AdvFace,
    RefreshedAdvFace,
    GaussianMechanism,
    LaplaceMechanism,
    Quantization,
    FeatureDropout,
    DeepObfuscator,
    PPFRFD,
    DuetFace,
    DCTDP,
    PartialFace,
    MinusFaceResidue,
    MinusFace,
    PEEP,
    PGD,
    MIFGSM,
    DIM,
    TIM,
    Fawkes,
    LowKey,
    TIPIM,
    OPOMCenter,
    OPOMAffine,
    OPOMConvex,
    P3Mask,
    TransferMask,
    ScatterMask,
)

__all__ = [
    "ALL",
    "DCTDP",
    "DIM",
    "JPEG",
    "MIFGSM",
    "PEEP",
    "PGD",
    "PMT",
    "PPFRFD",
    "TIM",
    "TIPIM",
    "AdvFace",
    "DeepObfuscator",
    "DuetFace",
    "Fawkes",
    "FeatureDropout",
    "FeatureProtection",
    "GaussianMechanism",
    "GaussianNoise",
    "ImageProtection",
    "LaplaceMechanism",
    "LowKey",
    "MatchedNoise",
    "MinusFace",
    "MinusFaceResidue",
    "Move",
    "NormMatchedNoise",
    "OPOMAffine",
    "OPOMCenter",
    "OPOMConvex",
    "P3Mask",
    "PartialFace",
    "Protection",
    "Quantization",
    "RefreshedAdvFace",
    "Resize",
    "ScatterMask",
    "TemplateProtection",
    "TransferMask",
    "WhiteNoise",
]
