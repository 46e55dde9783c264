"""Protected pictures as the files that they are: written once as PNG, measured as read back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Self

import torch

from bauta import __version__
from bauta.faces.images import read_image, write_image
from bauta.protections.base import ImageProtection
from bauta.types import Faces, Images


class PngStore(ImageProtection):
    """An image protection whose results go through PNG files, one a face, named by the face's digest.

    A face that has its file is not protected again, so that a stopped study goes on where it was. Faces are protected
    on the protection's device, and the pictures come back on their own. The folder's name
    holds a hash of `key` (what made the pictures) and the version, so that settings never mix. progress is called with
    the number of faces done.
    """

    def __init__(
        self,
        protection: ImageProtection,
        folder: Path,
        key: str,
        *,
        batch_size: int = 64,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__()
        self.protection, self.batch_size, self.progress = protection, batch_size, progress
        self.parent, self.key = folder, key
        self.folder = folder / hashlib.sha256(f"{key}|{protection!r}|{__version__}".encode()).hexdigest()[:16]

    def rekeyed(self, seed: int) -> Self:
        """A store of the rekeyed protection's pictures, in a folder of their own."""
        protection = self.protection.rekeyed(seed)
        return type(self)(protection, self.parent, self.key, batch_size=self.batch_size, progress=self.progress)

    def forward(self, x: Images, faces: Faces | None = None) -> Images:
        faces = Faces(x) if faces is None else faces
        paths = [self.folder / f"{digest}.png" for digest in faces.digests()]
        self.folder.mkdir(parents=True, exist_ok=True)
        place = next(self.protection.parameters(), x).device
        absent = [row for row, path in enumerate(paths) if not path.exists()]
        for start in range(0, len(absent), self.batch_size):
            rows = absent[start : start + self.batch_size]
            for row, picture in zip(rows, self.protection(x[rows].to(place), faces[rows]), strict=True):
                write_image(paths[row], picture)
            if self.progress is not None:
                self.progress(len(rows))
        return torch.stack([read_image(path) for path in paths]).to(x)
