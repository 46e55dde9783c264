"""Protections, by the stage they rewrite. A new one is a file and an entry in `ALL`."""

from __future__ import annotations

from bauta.protections.base import FeatureProtection, ImageProtection, Protection, TemplateProtection
from bauta.protections.features.noise import GaussianNoise, MatchedNoise
from bauta.protections.images.pmt import PMT
from bauta.protections.images.service import JPEG, Move, Resize, WhiteNoise

ALL: tuple[type[Protection], ...] = (PMT, JPEG, Resize, WhiteNoise, Move, GaussianNoise, MatchedNoise)

__all__ = [
    "ALL",
    "JPEG",
    "PMT",
    "FeatureProtection",
    "GaussianNoise",
    "ImageProtection",
    "MatchedNoise",
    "Move",
    "Protection",
    "Resize",
    "TemplateProtection",
    "WhiteNoise",
]
