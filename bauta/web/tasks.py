"""What the worker process does, one function a task, all through the jobs that the command line runs.

A task gets and gives what JSON holds. A job's folder holds photos/ (numbered files) and, of the faces to be protected,
faces/; what is made lies in pictures/: N.png to be downloaded, N-before.png and N-after.png to be looked at.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from bauta.faces.align import align
from bauta.faces.images import decode, encode_jpeg, encode_png, read_image, write_bytes
from bauta.job import proof_table
from bauta.job.asked import chooser, device_called, finder, method, protect_job, threshold_of
from bauta.job.maskfile import MaskFile, Measured
from bauta.job.maskmaking import MaskMaking
from bauta.job.maskphotos import Changing, Done, Masking, Unmasking
from bauta.job.portraits import Named, portraits
from bauta.job.proof import refused
from bauta.job.sources import FilePhoto
from bauta.metrics import Interval
from bauta.protections.images.team import Team
from bauta.recognizers import load

Told = Callable[[int, int], None]
"""Hears how much of how much is done."""
Answer = dict[str, Any]

MAX_PIXELS = 60_000_000
"""Of a photo, by its header; 50 million is what the largest phones write by default."""
SIDE = 1280  # the longer side of a picture that is only looked at
BATCH = 2  # faces protected together: few, so that progress shows
SHOWN = 12  # faces with a new mask


def look(told: Told, *, path: str, name: str, into: str, aligned: bool) -> Answer:
    """The size of a photo and its faces; a preview and the aligned faces are left in `into`. Raises `BadImage`."""
    image = decode(Path(path).read_bytes(), name, max_pixels=MAX_PIXELS).image
    found = finder(aligned).detect(image)
    write_bytes(Path(into) / "preview.jpg", encode_jpeg(shrunk(image), quality=88))
    for number, face in enumerate(found):
        write_bytes(Path(into) / f"face-{number}.png", encode_png(align(image, face.landmarks)))
    height, width = image.shape[1:]
    return {"width": width, "height": height, "faces": [list(face.box) for face in found]}


def describe(told: Told, *, path: str) -> Answer:
    """How a mask was made. Raises `BadFile`."""
    return facts(MaskFile.load(path))


def protect(
    told: Told,
    *,
    folder: str,
    photos: Sequence[Mapping[str, Any]],
    aligned: bool,
    device: str,
    recognizers: Sequence[str],
    steps: int,
    cut: int | None,
    proof: bool,
) -> Answer:
    """One protected picture a chosen face, and the proof."""
    place, names = Path(folder), {photo["file"]: photo["name"] for photo in photos}
    job = protect_job(
        place / "photos",
        place / "out",
        place / "journal",
        recognizers,
        cut=cut,
        steps=steps,
        aligned=aligned,
        chosen=None if aligned else {photo["file"]: photo["faces"] for photo in photos},
        prove=proof,
        batch_size=BATCH,
        device=device_called(device),
    )
    faces = {photo["file"]: len(photo["faces"]) for photo in photos}
    over = 0

    def further(number: int) -> None:
        nonlocal over
        over += number
        told(over, sum(faces.values()))

    further(0)
    job.told = lambda picture: further(1)
    result = job.run(progress=lambda done, total, file, error: further(faces[file] if error else 0))
    similar = dict(zip(result.written, (entry["ssim"] for entry in result.proof), strict=False))
    pictures = []
    for at, photo in enumerate(photos):
        stem = Path(photo["file"]).stem
        for row, face in enumerate(photo["faces"]):
            output = f"{stem}.png" if aligned else f"{stem}_face{row + 1}.png"
            if output in result.written:
                pictures.append({"photo": at, "face": face, "ssim": similar.get(output)})
                leave(place, len(pictures), place / "faces" / f"{stem}-{face}.png", place / "out" / output)
    authorized = [recognizer.name for recognizer in job.proof.authorized] if job.proof else []
    return {
        "pictures": pictures,
        "failed": said(result.failed, place, names),
        "table": [{key: number(value) for key, value in row.items()} for row in proof_table(result.proof, authorized)],
        "refused": refused(result.proof, authorized),
        "settings": job.settings["protection"],
    }


def learn(
    told: Told,
    *,
    folder: str,
    photos: Sequence[Mapping[str, Any]],
    aligned: bool,
    device: str,
    team: Sequence[str],
    method: str,
    epochs: int,
    epsilon: float,
    budget: float,
    strength: float,
    variants: int,
) -> Answer:
    """A mask of the person of whom most photos are, in the file `mask`."""
    place, names = Path(folder), {photo["file"]: photo["name"] for photo in photos}
    protection = METHOD(method, epochs=epochs, epsilon=epsilon, budget=budget, strength=strength, seed=0)
    members = [load(name).to(device_called(device)) for name in dict.fromkeys(team)]
    total = epochs * variants
    told(0, total)
    found = portraits(place / "photos", members[0], threshold_of(members[0].name), finder(aligned))

    def learned(row: Measured) -> None:
        told((row.variant - 1) * epochs + row.epoch, total)

    mask = MaskMaking(protection, place / "mask", variants=variants).run(
        found, Team(*members).to(device_called(device)), learned
    )
    shown = found.images[:SHOWN].cpu()
    for at, face in enumerate(shown, 1):
        masked = (face + mask.made.strength * mask.masks[mask.drawn(face) - 1]).clamp(0, 1)
        compare(place, at, encode_png(face), encode_png(masked))
    return {
        "pictures": [{"photo": None, "face": None} for _ in shown],
        "failed": said(found.left_out, place, names),
        "mask": facts(mask),
        "history": [{**asdict(row), "ssim": row.ssim} for row in mask.made.history],
    }


METHOD = method  # an option of `learn` has its name


def apply(
    told: Told,
    *,
    folder: str,
    photos: Sequence[Mapping[str, Any]],
    aligned: bool,
    device: str,
    mask: str,
    strength: float | None,
    face: str,
) -> Answer:
    """The photos with a mask on the faces that `face` means."""
    key, detector = MaskFile.load(mask), finder(aligned)
    added = key.made.strength if strength is None else strength
    masking = Masking(key, Path(folder) / "pictures", detector, strength=added, choose=chooser(face, key))
    return changed(told, masking, Path(folder), photos)


def remove(
    told: Told,
    *,
    folder: str,
    photos: Sequence[Mapping[str, Any]],
    aligned: bool,
    device: str,
    mask: str,
    strength: float | None,
) -> Answer:
    """The photos that carry a mask, without it."""
    key, detector = MaskFile.load(mask), finder(aligned)
    unmasking = Unmasking(key, Path(folder) / "pictures", detector, strength=strength)
    return changed(told, unmasking, Path(folder), photos)


TASKS: dict[str, Callable[..., Answer]] = {
    "look": look,
    "describe": describe,
    "protect": protect,
    "learn": learn,
    "apply": apply,
    "remove": remove,
}


def changed(told: Told, job: Changing, place: Path, photos: Sequence[Mapping[str, Any]]) -> Answer:
    """Photos that got a mask or lost it, and why others did not."""
    paths = [place / "photos" / photo["file"] for photo in photos]
    both = zip(paths, photos, strict=True)
    named = [Named(FilePhoto(path.name, path), p["name"], f"{n}.png") for n, (path, p) in enumerate(both, 1)]
    over = 0

    def done(result: Done) -> None:
        nonlocal over
        over += 1
        told(over, len(photos))

    told(0, len(photos))
    names = {photo["file"]: photo["name"] for photo in photos}
    pictures, failed = [], []
    for at, result in enumerate(job.run(named, done)):
        if result.output is None:
            failed.append({"name": result.name, "error": spoken(result.error, place, names)})
            continue
        # the file has the photo's number; what is shown is numbered without gaps
        pictures.append({"photo": at, "face": None, "faces": result.faces, "found": [found(f) for f in result.found]})
        made = place / "pictures" / f"{len(pictures)}.png"
        Path(result.output).replace(made)
        before, after = (encode_png(shrunk(read_image(file))) for file in (paths[at], made))
        compare(place, len(pictures), before, after)
    return {"pictures": pictures, "failed": failed}


def found(carried: Any) -> Answer:
    """Of a face with a mask: how strong, how far from chance (None where it was just put on), and which mask."""
    z = float(carried.z)
    return {"strength": float(carried.strength), "z": z if z == z else None, "variant": carried.variant}


def facts(mask: MaskFile) -> Answer:
    """What its owner is told of a mask."""
    made = mask.made
    return {
        "protection": made.protection,
        "team": list(made.team),
        "photos": made.photos,
        "strength": made.strength,
        "masks": len(mask.masks),
        "alike": mask.alike,
        "change": float(mask.masks.abs().max()) * 255,
        "epochs": len(made.history),
    }


def leave(place: Path, at: int, before: Path, file: Path) -> None:
    """A picture to be downloaded, and the two sides to compare."""
    compare(place, at, before.read_bytes(), file.read_bytes())
    shutil.copyfile(file, place / "pictures" / f"{at}.png")


def compare(place: Path, at: int, before: bytes, after: bytes) -> None:
    """The two sides of a comparison."""
    write_bytes(place / "pictures" / f"{at}-before.png", before)
    write_bytes(place / "pictures" / f"{at}-after.png", after)


def said(errors: Mapping[str, str], place: Path, names: Mapping[str, str]) -> list[Answer]:
    """What failed, under the users' names."""
    return [{"name": names.get(file, file), "error": spoken(why, place, names)} for file, why in errors.items()]


def spoken(sentence: str, place: Path, names: Mapping[str, str]) -> str:
    """A sentence about our files, about the user's."""
    for file, name in names.items():
        sentence = sentence.replace(str(place / "photos" / file), name).replace(file, name)
    return sentence


def number(value: object) -> object:
    """An interval as JSON."""
    return {"value": value.value, "low": value.low, "high": value.high} if isinstance(value, Interval) else value


def shrunk(image: Tensor) -> Tensor:
    """(3, H, W) with its longer side at most `SIDE`."""
    height, width = image.shape[1:]
    ratio = SIDE / max(height, width)
    if ratio >= 1:
        return image
    size = (max(1, round(height * ratio)), max(1, round(width * ratio)))
    return F.interpolate(image[None], size, mode="bilinear", antialias=True)[0].clamp(0, 1)
