"""What a worker of a folder job does: some photos are read, their faces protected in batches, written and measured.

With several threads the last bits of a sum depend on how many faces a batch holds, and dozens of steps turn them into
another picture. So a portion of photos forms the same batches wherever and whenever it is done, also with faces whose
pictures lie there already, and its pictures are those of a job that was never stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

from bauta.errors import BadFile, BadImage
from bauta.faces.align import SIZE
from bauta.faces.detect import Detector
from bauta.faces.images import decode, encode_png
from bauta.faces.photos import faces_of
from bauta.job.places import Folder
from bauta.job.proof import Proof
from bauta.job.sources import Photo, picture_of
from bauta.protections import ImageProtection
from bauta.types import Faces, Source


@dataclass(frozen=True)
class Asked:
    """A photo to be protected. name: of its pictures, without their ending. entry: what the journal says of it, as a
    job before has left it."""

    photo: Photo
    name: str
    entry: dict[str, Any] | None = None


Portion = Sequence[Asked]


@dataclass(frozen=True)
class Finished:
    """What became of a photo. entry: for the journal; None where it failed, and `error` says why. changed: whether the
    journal does not know it yet. written, skipped: names of pictures."""

    file: str
    entry: dict[str, Any] | None = None
    error: str | None = None
    changed: bool = False
    written: Sequence[str] = ()
    skipped: Sequence[str] = ()


@dataclass(eq=False)
class Doing:
    """A photo whose faces are on their way."""

    asked: Asked
    entry: dict[str, Any]
    changed: bool = False
    written: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def finished(self) -> Finished:
        """All of its faces are done."""
        return Finished(self.asked.photo.file, self.entry, None, self.changed, self.written, self.skipped)


@dataclass(frozen=True, eq=False)
class Waiting:
    """A face that waits for its batch. image: None where its picture lies there already."""

    doing: Doing
    name: str
    index: int
    of: int
    image: Tensor | None

    @property
    def source(self) -> Source:
        """A face's draws follow the photo's content and its place in it, so that two faces of a photo differ."""
        entry = self.doing.entry
        return Source(entry["file"], hashlib.sha256(f"{entry['digest']}/{self.index}".encode()).hexdigest())

    @property
    def picture(self) -> dict[str, Any]:
        """What the journal will say of its picture."""
        found: dict[str, Any] = self.doing.entry["pictures"][self.index]
        return found


@dataclass(frozen=True)
class Protector:
    """A worker: all that it takes to protect portions. protection: with its seed. The rest as in `ProtectJob`."""

    place: Folder
    protection: ImageProtection
    detector: Detector | None
    largest: bool
    chosen: Mapping[str, Sequence[int]] | None
    proof: Proof | None
    batch_size: int
    device: torch.device

    def __call__(self, portion: Portion) -> Iterator[Finished]:
        """Protect what is not yet protected of some photos. Raises `OSError` where nothing can be written."""
        self._move()
        waiting: list[Waiting] = []
        for asked in portion:
            try:
                waiting += self._faces(asked)
            except BadFile as error:
                yield Finished(asked.photo.file, error=str(error))
            while len(waiting) >= self.batch_size:
                yield from self._batch(waiting[: self.batch_size])
                del waiting[: self.batch_size]
        if waiting:
            yield from self._batch(waiting)

    def _move(self) -> None:
        """Networks come to a worker as they were made, and go to its device once."""
        self.protection.to(self.device)
        for recognizer in (*self.proof.authorized, *self.proof.foreign) if self.proof else ():
            recognizer.to(self.device)

    def _outputs(self, name: str, faces: int) -> list[str]:
        return [f"{name}_face{i + 1}.png" if self.detector else f"{name}.png" for i in range(faces)]

    def _faces(self, asked: Asked) -> list[Waiting]:
        """The faces of a photo, found unless the journal knows this content and its pictures lie there unchanged."""
        content = asked.photo.read()
        digest = hashlib.sha256(content).hexdigest()
        if asked.entry is not None and asked.entry["digest"] == digest:
            outputs = self._outputs(asked.name, len(asked.entry["pictures"]))
            there = {p["name"]: self.place.digest(p["name"]) == p["sha256"] for p in asked.entry["pictures"]}
            if list(there) == outputs and all(there.values()):
                doing = Doing(asked, asked.entry)
                return [Waiting(doing, output, i, len(outputs), None) for i, output in enumerate(outputs)]
        images = self._found(asked.photo, content)
        doing = Doing(asked, {"file": asked.photo.file, "digest": digest, "pictures": []}, changed=True)
        named = zip(self._outputs(asked.name, len(images)), images, strict=True)
        return [Waiting(doing, output, i, len(images), image) for i, (output, image) in enumerate(named)]

    def _found(self, photo: Photo, content: bytes) -> list[Tensor]:
        """The aligned faces of a photo, (3, 112, 112) each, at least one. Raises `BadImage`."""
        picture = picture_of(photo, content)
        if self.detector is not None:
            found = faces_of(picture, self.detector)[: 1 if self.largest else None]
            if self.chosen is not None:
                found = [found[row] for row in self.chosen.get(photo.file, ()) if row < len(found)]
            if not found:
                raise BadImage(f"None of the faces in {photo.where} was chosen; choose one, or leave the photo out.")
            return [face.image for face in found]
        height, width = picture.image.shape[1:]
        if (height, width) != (SIZE, SIZE):
            raise BadImage(
                f"{photo.where} is {width} x {height}, but aligned faces are {SIZE} x {SIZE}; leave --aligned out for "
                "photos."
            )
        return [picture.image]

    def _batch(self, batch: Sequence[Waiting]) -> Iterator[Finished]:
        """Protect, write and measure what is not there yet; yield each photo when its last face is done."""
        stale = [w for w in batch if w.image is not None]
        measured = self._unproven(batch)
        if stale or measured:
            faces, rows = self._together(batch)
            if stale:
                pictures = self.protection(faces.images, faces).cpu()
                for waiter in stale:
                    self._write(waiter, pictures[rows[waiter.name]])
            self._measure([w for w in measured if w.name in rows], faces, rows)
        for waiter in batch:
            doing = waiter.doing
            (doing.skipped if waiter.image is None else doing.written).append(waiter.name)
            doing.changed |= waiter in measured
            if waiter.index == waiter.of - 1:
                yield doing.finished()

    def _write(self, waiter: Waiting, picture: Tensor) -> None:
        content = encode_png(picture)
        self.place.write(waiter.name, content)
        digest = hashlib.sha256(content).hexdigest()
        waiter.doing.entry["pictures"].append({"name": waiter.name, "sha256": digest, "proof": None})

    def _unproven(self, batch: Sequence[Waiting]) -> list[Waiting]:
        """Whom to measure: new pictures, and those that were written without a proof."""
        if self.proof is None:
            return []
        return [w for w in batch if w.image is not None or not w.picture["proof"]]

    def _together(self, batch: Sequence[Waiting]) -> tuple[Faces, dict[str, int]]:
        """The originals of a batch and the row of each output, with those read again whose pictures lie there."""

        @cache
        def again(photo: Photo) -> list[Tensor]:
            return self._found(photo, photo.read())

        images, kept = [], []
        for waiter in batch:
            image = waiter.image
            if image is None:
                found = again(waiter.doing.asked.photo)
                image = found[waiter.index] if waiter.index < len(found) else None
            if image is not None:
                images.append(image)
                kept.append(waiter)
        faces = Faces(torch.stack(images), source=[w.source for w in kept]).to(self.device)
        return faces, {w.name: row for row, w in enumerate(kept)}

    def _measure(self, chosen: Sequence[Waiting], faces: Faces, rows: dict[str, int]) -> None:
        """Put the proof of the pictures, as read back from where they lie, into the entries."""
        if self.proof is None or not chosen:
            return
        originals = faces[[rows[w.name] for w in chosen]]
        read = [decode(self.place.read(w.name), str(self.place.at(w.name))).image for w in chosen]
        for waiter, found in zip(chosen, self.proof.measure(originals, torch.stack(read).to(self.device)), strict=True):
            waiter.picture["proof"] = found
