"""The pictures that a mask command is given: finding them, and finding one person's face in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import BadFile, BadImage, MissingData, UsageError
from bauta.faces.align import SIZE, TEMPLATE, align
from bauta.faces.detect import Detection, Detector
from bauta.job.listing import photos_in
from bauta.job.sources import Photo, picture_of
from bauta.recognizers.base import Recognizer
from bauta.types import Images, Templates

Choose = Callable[[Tensor, Sequence[Detection]], Sequence[Detection]]
"""Which of the faces in a photo (3, H, W) are meant."""


class AlignedAlready:
    """Stands where a detector stands when the pictures are aligned faces: the whole picture is one. Raises `BadImage`
    for other sizes."""

    def detect(self, image: Tensor) -> list[Detection]:
        """The one face."""
        height, width = image.shape[1:]
        if (height, width) != (SIZE, SIZE):
            raise BadImage(f"It is {width} x {height}, but aligned faces are {SIZE} x {SIZE}; leave --aligned out.")
        return [Detection((0.0, 0.0, float(SIZE), float(SIZE)), TEMPLATE, 1.0)]

    def __repr__(self) -> str:
        return "AlignedAlready()"


@dataclass(frozen=True)
class Owner:
    """Chooses the face of one person: the one whose template under `recognizer` is nearest to `person` (D,), where
    their cosine is above `threshold`."""

    recognizer: Recognizer
    person: Tensor
    threshold: float

    def __call__(self, image: Tensor, found: Sequence[Detection]) -> Sequence[Detection]:
        cosines = embedded(self.recognizer, [align(image, face.landmarks) for face in found]) @ self.person
        best = int(cosines.argmax())
        return [found[best]] if float(cosines[best]) > self.threshold else []


def largest(image: Tensor, found: Sequence[Detection]) -> Sequence[Detection]:
    """Chooses the first face; detectors give the largest first."""
    return found[:1]


def every(image: Tensor, found: Sequence[Detection]) -> Sequence[Detection]:
    """Chooses all faces."""
    return found


@torch.no_grad()
def embedded(recognizer: Recognizer, faces: Sequence[Tensor]) -> Templates:
    """Aligned faces (3, 112, 112) -> (B, D) on the CPU."""
    device = next(chain(recognizer.parameters(), recognizer.buffers())).device
    return recognizer.embed(torch.stack(list(faces)).to(device)).cpu()


@dataclass(frozen=True)
class Portraits:
    """The photos of one person. images: (B, 3, 112, 112). digests: of the files. person: (D,), the unit mean of the
    templates. left_out: file -> why it is not among them."""

    images: Images
    digests: Sequence[str]
    person: Tensor
    left_out: Mapping[str, str]


def portraits(folder: Path, recognizer: Recognizer, threshold: float, detector: Detector) -> Portraits:
    """The person of whom most photos in `folder` are: one face a photo, whose template agrees with the others'.

    Raises `MissingData` for fewer than two photos of one person.
    """
    faces: list[list[Tensor]] = []
    files: list[str] = []
    digests: list[str] = []
    left_out: dict[str, str] = {}
    pictures = pictures_in([folder])
    for file in pictures:
        try:
            picture = picture_of(file.photo, file.photo.read())
            found = detector.detect(picture.image)
        except BadFile as error:
            left_out[file.name] = str(error)
            continue
        if not found:
            left_out[file.name] = "No face was found in it."
        elif picture.source.digest in digests:
            left_out[file.name] = f"It is the same file as {files[digests.index(picture.source.digest)]}."
        else:
            faces.append([align(picture.image, face.landmarks) for face in found])
            files.append(file.name)
            digests.append(picture.source.digest)
    templates = [embedded(recognizer, of) for of in faces]
    person = _majority(templates, threshold)
    kept, rows = [], []
    for row, template in enumerate(templates):
        cosines = template @ person
        if float(cosines.max()) > threshold:
            kept.append(int(cosines.argmax()))
            rows.append(row)
        else:
            left_out[files[row]] = f"Its face is somebody else's (cosine {float(cosines.max()):.2f})."
    if len(rows) < 2:
        raise MissingData(
            f"{folder} should hold at least two photos of one person, and {len(rows)} of {len(pictures)} would "
            "do; add photos, or look at those that are there."
        )
    images = torch.stack([faces[row][face] for row, face in zip(rows, kept, strict=True)])
    chosen = torch.stack([templates[row][face] for row, face in zip(rows, kept, strict=True)])
    return Portraits(images, [digests[row] for row in rows], F.normalize(chosen.mean(0), dim=0), left_out)


def _majority(templates: Sequence[Templates], threshold: float) -> Tensor:
    """(D,): the mean of the faces that agree with whichever face has a match in the most photos."""
    if not templates:
        return torch.zeros(1)
    every_face = torch.cat(list(templates))
    nearest = torch.stack([(every_face @ of.T).max(1).values for of in templates], 1)  # (faces, photos)
    votes = (nearest > threshold).sum(1)
    # of equally many the most alike
    best = int((votes + nearest.mean(1) / 4).argmax())
    return F.normalize(every_face[every_face @ every_face[best] > threshold].mean(0), dim=0)


@dataclass(frozen=True)
class Named:
    """A photo, what it is called, and the name of what is made of it."""

    photo: Photo
    name: str
    output: str


def pictures_in(sources: Iterable[Path | str]) -> list[Named]:
    """The photos of `sources`, which are what `photos_in` takes; outputs are PNG files of the same name, and of the
    whole name with its ending where several would share one. Raises `MissingData`, `UsageError`."""
    found = {photo.where: photo for source in sources for photo in photos_in(source)}
    relative = [PurePosixPath(photo.file) for photo in found.values()]
    short, whole = ([p.with_suffix(".png") for p in relative], [p.with_name(f"{p.name}.png") for p in relative])
    for outputs in (short, whole):
        if len({output.as_posix().casefold() for output in outputs}) == len(outputs):
            named = zip(found.values(), outputs, strict=True)
            return [Named(photo, photo.file, output.as_posix()) for photo, output in named]
    raise UsageError("Two of the photos have the same name; take them one folder at a time.")
