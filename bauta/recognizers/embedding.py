"""Many faces through a recognizer, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from bauta.recognizers.base import Recognizer
from bauta.types import Faces, Images, Templates

__all__ = ["embed", "embed_batches"]


def embed(
    recognizer: Recognizer, faces: Faces, batch_size: int = 64, progress: Callable[[int], None] | None = None
) -> Templates:
    """(B, D) templates on the CPU, computed where the recognizer is. progress: hears how many were just embedded."""
    return embed_batches(recognizer, (batch.images for batch in faces.batches(batch_size)), progress)


def embed_batches(
    recognizer: Recognizer, batches: Iterable[Images], progress: Callable[[int], None] | None = None
) -> Templates:
    """The same for pictures that come batch by batch, of which there is at least one."""
    device = next(recognizer.parameters()).device
    parts = []
    for images in batches:
        with torch.no_grad():
            parts.append(recognizer.embed(images.to(device)).cpu())
        if progress is not None:
            progress(len(images))
    return torch.cat(parts)
