"""Protections, by the stage they rewrite. A new one is a file and an entry in `ALL`."""

from __future__ import annotations

from bauta.protections.base import FeatureProtection, ImageProtection, Protection, TemplateProtection
from bauta.protections.images.pmt import PMT
from bauta.protections.images.service import JPEG, Move, Resize, WhiteNoise

ALL: tuple[type[Protection], ...] = (PMT, JPEG, Resize, WhiteNoise, Move)

__all__ = [
    "ALL",
    "JPEG",
    "PMT",
    "FeatureProtection",
    "ImageProtection",
    "Move",
    "Protection",
    "Resize",
    "TemplateProtection",
    "WhiteNoise",
]
