"""What an 8-bit file does to a picture."""

from __future__ import annotations

import torch

from bauta.types import Images


def to_8bit(images: Images) -> Images:
    """Clip to [0, 1] and round to the 256 levels that a file can hold, ties to even."""
    return (images.clamp(0, 1) * 255).round() / 255


def through_8bit(images: Images) -> Images:
    """`to_8bit` forward, identity backward (straight-through): an optimizer sees what the file will hold."""
    with torch.no_grad():
        rounding = to_8bit(images) - images
    return images + rounding
