"""Protections, by the stage they rewrite. A new one is a file and an entry in `ALL`."""

from __future__ import annotations

from bauta.protections.base import FeatureProtection, ImageProtection, Protection, TemplateProtection
from bauta.protections.images.pmt import PMT

ALL: tuple[type[Protection], ...] = (PMT,)

__all__ = ["ALL", "PMT", "FeatureProtection", "ImageProtection", "Protection", "TemplateProtection"]
