"""Putting a mask on photos and taking it off: a photo that cannot be done is said and never stops the rest."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from bauta.errors import BadFile, BautaError, UsageError
from bauta.faces.align import align
from bauta.faces.detect import Detection, Detector
from bauta.faces.images import encode_png
from bauta.faces.paste import Place, paste
from bauta.job.engine import Engine, Here
from bauta.job.manifest import MANIFEST, read_manifest, write_manifest
from bauta.job.maskfile import MaskFile
from bauta.job.maskkey import CARRIED, Carried, in_place, nearest_strength, sought
from bauta.job.places import Folder, folder_called
from bauta.job.portraits import AlignedAlready, Choose, Named
from bauta.job.sources import FilePhoto, picture_of

Told = Callable[["Done"], None]
PORTION = 16  # photos that a worker is given at a time


@dataclass(frozen=True)
class Done:
    """What became of a photo. output: None where nothing was written, and why is in `error`. faces: how many were
    changed. found: of a mask that was taken off, the faces that carried it. seconds: of reading, finding (also whose
    face it is), adding and writing. digest: the SHA-256 of what was written."""

    name: str
    output: Path | str | None = None
    error: str = ""
    faces: int = 0
    found: Sequence[Carried] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True)
class Changing:
    """Base: photos are read, changed and written as PNG; a subclass says how one is changed (`changed`).

    out: what `folder_called` takes. overwrite: whether pictures that lie there may be replaced; an original never
    is. As a callable it is the worker of an engine.
    """

    mask: MaskFile
    out: Path | str
    detector: Detector
    overwrite: bool = False

    def run(self, photos: Sequence[Named], told: Told, engine: Engine | None = None) -> list[Done]:
        """Change all photos, in this process unless an engine is given, and write the manifest. The answers are in the
        order of the photos. Raises `UsageError` before anything is written over, `BautaError` where nothing can be
        written."""
        target = folder_called(self.out)
        self._check(photos, target)
        done: dict[int, Done] = {}
        numbered = list(enumerate(photos))
        portions = [numbered[first : first + PORTION] for first in range(0, len(numbered), PORTION)]
        for row, one in (engine or Here()).run(self, portions):
            done[row] = one
            told(one)
        pictures = {photos[row].output: one.digest for row, one in done.items() if one.output is not None}
        try:
            if pictures:
                write_manifest(target, read_manifest(target) | pictures)
        except OSError as error:
            raise unwritten(target.at(MANIFEST), error) from error
        return [done[row] for row in range(len(photos))]

    def __call__(self, portion: Sequence[tuple[int, Named]]) -> Iterator[tuple[int, Done]]:
        """Change some of the photos; each answer with the photo's number. Raises `BautaError`."""
        target = folder_called(self.out)
        for row, photo in portion:
            yield row, self._one(photo, target)

    def _check(self, photos: Sequence[Named], target: Folder) -> None:
        originals = {photo.photo.path.resolve() for photo in photos if isinstance(photo.photo, FilePhoto)}
        there = target.among(photo.output for photo in photos)
        for photo in photos:
            output = target.at(photo.output)
            if output == photo.photo.where or (isinstance(output, Path) and output.resolve() in originals):
                raise UsageError(f"{output} is one of the photos themselves; choose another --out.")
            if photo.output in there and not self.overwrite:
                raise UsageError(f"{output} is there already; choose another --out, or say --overwrite.")

    def changed(self, photo: Tensor, seconds: dict[str, float]) -> tuple[Tensor, Sequence[Carried]]:
        """(3, H, W) -> the same, changed, and where. Raises `BadFile` where there is nothing to change."""
        raise NotImplementedError

    def _one(self, photo: Named, target: Folder) -> Done:
        seconds: dict[str, float] = {}
        try:
            with Stopwatch(seconds, "reading"):
                image = picture_of(photo.photo, photo.photo.read()).image
            result, found = self.changed(image, seconds)
        except BadFile as error:
            return Done(photo.name, error=str(error), seconds=seconds)
        output = target.at(photo.output)
        try:
            with Stopwatch(seconds, "writing"):
                content = encode_png(result)
                target.write(photo.output, content)
        except OSError as error:
            raise unwritten(output, error) from error
        digest = hashlib.sha256(content).hexdigest()
        return Done(photo.name, output, faces=len(found), found=found, seconds=seconds, digest=digest)

    def found(self, photo: Tensor) -> list[Detection]:
        """The faces in a photo, at least one. Raises `BadFile`."""
        faces = self.detector.detect(photo)
        if not faces:
            raise BadFile(f"No face was found in it ({photo.shape[2]} x {photo.shape[1]}).")
        return faces


def unwritten(output: Path | str, error: OSError) -> BautaError:
    """What to say where something cannot be written."""
    return BautaError(f"{output} cannot be written ({error.strerror or error}); choose another --out.")


class Stopwatch:
    """Adds the seconds that its block took to `seconds[name]`."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self.seconds, self.name = seconds, name

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.seconds[self.name] = self.seconds.get(self.name, 0.0) + time.perf_counter() - self.started


@dataclass(frozen=True)
class Masking(Changing):
    """Adds the mask, times `strength`, to the faces that `choose` takes; of several masks the one that is drawn for
    the photo."""

    strength: float = 1.0
    choose: Choose = field(kw_only=True)

    def changed(self, photo: Tensor, seconds: dict[str, float]) -> tuple[Tensor, Sequence[Carried]]:
        """The photo with the mask on the chosen faces; a face elsewhere is as it was."""
        with Stopwatch(seconds, "finding"):
            chosen = self.choose(photo, self.found(photo))
        if not chosen:
            raise BadFile(
                "None of its faces is the mask's owner's; if one is, choose the largest face of the photo "
                "(--face largest)."
            )
        places = [Place.of(face.landmarks) for face in chosen]
        with Stopwatch(seconds, "adding"):
            variant = self.mask.drawn(photo)
            result = paste(photo, self.strength * self.mask.masks[variant - 1], *places)
        if torch.equal(result, photo):
            raise BadFile("The mask is too weak to change an 8-bit picture; learn more epochs, or raise --strength.")
        return result, [Carried(place, self.strength, float("nan"), variant) for place in places]


@dataclass(frozen=True)
class Unmasking(Changing):
    """Subtracts the mask from the faces that carry it; of several masks the one that is furthest from chance.

    strength: None for what is found in the photo.
    """

    strength: float | None = None

    def changed(self, photo: Tensor, seconds: dict[str, float]) -> tuple[Tensor, Sequence[Carried]]:
        """The photo without the mask. Raises `BadFile` where no face carries it."""
        with Stopwatch(seconds, "finding"):
            looked = [self.looked_for(photo, face) for face in self.found(photo)]
        carrying = [face for face in looked if face.z > CARRIED]
        if not carrying:
            z = max(face.z for face in looked)
            raise BadFile(f"This photo does not carry this mask (z = {z:.1f}; one that does has more than {CARRIED}).")
        with Stopwatch(seconds, "adding"):
            for face in carrying:
                usual = nearest_strength(face.strength, self.mask.made.strength or 1.0)
                strength = usual if self.strength is None else self.strength
                photo = paste(photo, -strength * self.mask.masks[face.variant - 1], face.place)
        return photo, carrying

    def looked_for(self, photo: Tensor, face: Detection) -> Carried:
        """Where a face carries the mask, and which. An aligned face carries it in its place."""
        aligned, near = isinstance(self.detector, AlignedAlready), Place.of(face.landmarks)
        tried = [in_place(photo, mask) if aligned else sought(photo, near, mask) for mask in self.mask.masks]
        return max((replace(found, variant=n) for n, found in enumerate(tried, 1)), key=lambda found: found.z)


def face_of(photo: Tensor, detector: Detector, choose: Choose) -> Tensor:
    """The first chosen face of a photo, aligned: (3, 112, 112). Raises `BadFile`."""
    found = detector.detect(photo)
    chosen = choose(photo, found) if found else []
    if not chosen:
        raise BadFile("The photo does not show the mask's owner; give one that does.")
    return align(photo, chosen[0].landmarks)
