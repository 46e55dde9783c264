"""What the user gave: photos and masks, each a folder under an identity that we drew, with the user's name as text."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bauta.errors import MissingData, UsageError
from bauta.web.options import PHOTOS
from bauta.web.security import UPLOAD_BYTES

ALL_BYTES = 600 << 20
MASKS = 20
MASK_BYTES = 4 << 20

Thing = TypeVar("Thing", "Photo", "Mask")


@dataclass(frozen=True)
class Photo:
    """name: as the user calls it, to be shown. faces: boxes (left, top, width, height) in pixels. size: bytes."""

    identity: str
    folder: Path = field(repr=False)
    name: str
    size: int
    aligned: bool
    width: int
    height: int
    faces: list[list[float]]

    @property
    def file(self) -> Path:
        """As it was uploaded."""
        return self.folder / "original"

    @property
    def preview(self) -> Path:
        """To be looked at."""
        return self.folder / "preview.jpg"

    def facts(self) -> dict[str, Any]:
        """What the page shows."""
        shown = ("name", "aligned", "width", "height", "faces")
        return {"id": self.identity, **{key: getattr(self, key) for key in shown}}


@dataclass(frozen=True)
class Mask:
    """about: what its file says of how it was made."""

    identity: str
    folder: Path = field(repr=False)
    name: str
    about: dict[str, Any]

    @property
    def file(self) -> Path:
        """The key."""
        return self.folder / "original"

    def facts(self) -> dict[str, Any]:
        """What the page shows."""
        return {"id": self.identity, "name": self.name, **self.about}


class Shelf:
    """Photos and masks, in the order in which they came, below a private folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photos: dict[str, Photo] = {}
        self.masks: dict[str, Mask] = {}
        self._coming: dict[Path, int] = {}  # folders of uploads that are not on the shelf yet -> bytes

    async def received(self, chunks: AsyncIterator[bytes], *, mask: bool) -> Path:
        """A new folder with an upload in its file `original`. Raises `UsageError` beyond the limits."""
        most, there, size = (MASKS, self.masks, MASK_BYTES) if mask else (PHOTOS, self.photos, UPLOAD_BYTES)
        if len(there) + len(self._coming) >= most:
            raise UsageError(f"At most {most} {'masks' if mask else 'photos'} lie here at once; take some away first.")
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir(parents=True, mode=0o700)
        self._coming[folder] = 0
        try:
            with (folder / "original").open("xb") as file:
                async for chunk in chunks:
                    self._coming[folder] += len(chunk)
                    if self._coming[folder] > size:
                        raise UsageError(f"A {'mask' if mask else 'photo'} may have {size:,} bytes; this has more.")
                    if sum(self._coming.values()) + sum(p.size for p in self.photos.values()) > ALL_BYTES:
                        raise UsageError(f"At most {ALL_BYTES:,} bytes of photos lie here; take some away first.")
                    file.write(chunk)
        except BaseException:
            self.drop(folder)
            raise
        return folder

    def drop(self, folder: Path) -> None:
        """Delete an upload that does not come onto the shelf."""
        self._coming.pop(folder, None)
        shutil.rmtree(folder, ignore_errors=True)

    def add_photo(self, folder: Path, name: str, aligned: bool, found: dict[str, Any]) -> Photo:
        """Put an upload onto the shelf; `found` is what `bauta.web.tasks.look` answered."""
        size = self._coming.pop(folder, 0)
        photo = Photo(folder.name, folder, name, size, aligned, found["width"], found["height"], found["faces"])
        self.photos[photo.identity] = photo
        return photo

    def add_mask(self, folder: Path, name: str, about: dict[str, Any]) -> Mask:
        """Put a mask onto the shelf; `about` is what `bauta.web.tasks.describe` answered."""
        self._coming.pop(folder, None)
        mask = Mask(folder.name, folder, name, about)
        self.masks[mask.identity] = mask
        return mask

    def adopt_mask(self, file: Path, name: str, about: dict[str, Any]) -> Mask:
        """Put a copy of a mask that was learned here onto the shelf."""
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir(parents=True, mode=0o700)
        shutil.copyfile(file, folder / "original")
        return self.add_mask(folder, name, about)

    def photo(self, identity: str) -> Photo:
        """Raises `MissingData`."""
        return found(self.photos, identity, "photo")

    def mask(self, identity: str) -> Mask:
        """Raises `MissingData`."""
        return found(self.masks, identity, "mask")

    def take_photo(self, identity: str) -> None:
        """Delete a photo. Raises `MissingData`."""
        shutil.rmtree(self.photo(identity).folder, ignore_errors=True)
        del self.photos[identity]

    def take_mask(self, identity: str) -> None:
        """Delete a mask. Raises `MissingData`."""
        shutil.rmtree(self.mask(identity).folder, ignore_errors=True)
        del self.masks[identity]


def found(things: dict[str, Thing], identity: str, kind: str) -> Thing:
    """The one of that identity. Raises `MissingData`."""
    if identity not in things:
        raise MissingData(f"This {kind} is not here any more; reload the page.")
    return things[identity]
