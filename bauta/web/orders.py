"""What the page asked for, made into a job: checked against what lies here, with its own links to the photos."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bauta import zoo
from bauta.errors import UsageError
from bauta.web.files import distinct, file_stem
from bauta.web.jobs import Job, Jobs
from bauta.web.options import Chosen, Learn, Order, Protect
from bauta.web.shelf import Photo, Shelf

SETTINGS = "bauta.json"


def offered(folders: Sequence[str]) -> list[dict[str, Any]]:
    """The recognizers whose weights are on this machine: published ones, the user's own, and `folders` of trainings."""
    own = zoo.registered_weights()
    known = [record for record in (*zoo.WEIGHTS, *own) if zoo.place(record.files[0]) is not None]
    return [
        *(
            {
                "name": record.name,
                "label": record.name,
                "threshold": record.threshold,
                "own": record in own,
                "trained_on": record.trained_on,
                "accuracy": record.accuracy,
                "license": record.license,
            }
            for record in known
        ),
        *(
            {
                "name": folder,
                "label": Path(folder).name,
                "threshold": zoo.threshold(folder),
                "own": True,
                "trained_on": folder,
                "accuracy": None,
                "license": "",
            }
            for folder in folders
        ),
    ]


def placed(order: Order, shelf: Shelf, jobs: Jobs, names: Sequence[str], device: str) -> Job:
    """Let an order wait for its turn. names: of the recognizers that may be asked for. Raises `UsageError`,
    `MissingData`."""
    if len({one.photo for one in order.photos}) < len(order.photos):
        raise UsageError("The same photo was chosen twice; choose each once.")
    photos = [shelf.photo(one.photo) for one in order.photos]
    if len({photo.aligned for photo in photos}) > 1:
        raise UsageError("Some of these photos are aligned faces and some are not; do one kind at a time.")
    wanted = order.recognizers if isinstance(order, Protect) else order.team if isinstance(order, Learn) else []
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise UsageError(f"No recognizer here is called {unknown[0]!r}; there are {', '.join(names) or 'none'}.")
    rows = [chosen_faces(one, photo) if isinstance(order, Protect) else [] for one, photo in pairs(order, photos)]
    asked = order.model_dump(exclude={"task", "photos"})
    if "mask" in asked:
        asked["mask"] = str(shelf.mask(asked["mask"]).file)
    job = jobs.new(order.task, title(order, photos, sum(map(len, rows))), [photo.name for photo in photos])
    try:
        files = []
        for number, (photo, faces) in enumerate(zip(photos, rows, strict=True), 1):
            file = f"{number:04d}.png"  # an ending that folders are searched for; how it is read, its content says
            linked(photo.file, job.folder / "photos" / file)
            for face in faces:
                linked(photo.folder / f"face-{face}.png", job.folder / "faces" / f"{number:04d}-{face}.png")
            files.append({"file": file, "name": photo.name, "faces": faces})
        if "mask" in asked:
            linked(Path(asked["mask"]), job.folder / "key")
            asked["mask"] = str(job.folder / "key")
    except OSError as error:
        shutil.rmtree(job.folder, ignore_errors=True)
        raise UsageError(f"The photos cannot be laid ready ({error.strerror or error}); make room.") from error
    jobs.submit(job, {**asked, "photos": files, "aligned": photos[0].aligned, "device": device})
    return job


def pairs(order: Order, photos: Sequence[Photo]) -> list[tuple[Chosen, Photo]]:
    """What was asked of each photo."""
    return list(zip(order.photos, photos, strict=True))


def chosen_faces(one: Chosen, photo: Photo) -> list[int]:
    """Numbers of faces, in order. Raises `UsageError`."""
    if not photo.faces:
        raise UsageError(f"No face was found in {photo.name}; leave it out.")
    faces = sorted(set(range(len(photo.faces)) if one.faces is None else one.faces))
    if faces[-1] >= len(photo.faces):
        raise UsageError(f"{photo.name} shows {len(photo.faces)} faces; choose among those.")
    return faces


def title(order: Order, photos: Sequence[Photo], faces: int) -> str:
    """What a job does, in words."""
    shown = f"{len(photos)} photo{'s' * (len(photos) > 1)}"
    if isinstance(order, Protect):
        for_whom = " and ".join(Path(name).name for name in order.recognizers)
        return f"Protect {faces} face{'s' * (faces > 1)} in {shown} for {for_whom}"
    if isinstance(order, Learn):
        return f"Learn a mask from {shown}"
    return f"{'Put a mask on' if order.task == 'apply' else 'Take a mask off'} {shown}"


def linked(source: Path, target: Path) -> None:
    """The same file under another name, which outlives the first; a copy where a disk knows no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def download_names(job: Job) -> list[str]:
    """What the pictures of a job are called on the user's disk, in their order."""
    names = []
    for picture in job.result()["result"]["pictures"]:
        photo, face = picture["photo"], picture["face"]
        stem = "face" if photo is None else file_stem(job.names[photo])
        numbered = face is not None and not job.asked["aligned"]
        names.append(f"{stem}_face{face + 1}.png" if numbered else f"{stem}.png")
    return distinct(names)


def zipped(job: Job) -> Path:
    """A zip of the pictures of a job, with the settings that the command line leaves beside them."""
    path = job.folder / "all.zip"
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:  # PNG files are packed already
        for number, name in enumerate(download_names(job), 1):
            archive.write(job.picture(number, "file"), name)
        if (job.folder / "out" / SETTINGS).is_file():
            archive.write(job.folder / "out" / SETTINGS, SETTINGS)
    part.replace(path)
    return path
