"""Where the seconds of a photo go on one processor: reading, finding faces, PMT as it comes, writing, and a mask.

On the real pictures of the mirror: its photos, and `FACES` aligned faces of the celebrity set. One thread; processor
seconds stand beside the clock's, because a machine that others use too makes the clock's longer. `docs/scale.md`
reckons with these.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import torch

from bauta import zoo
from bauta.faces.align import align
from bauta.faces.detect import YuNet
from bauta.faces.images import decode, encode_png
from bauta.job.maskfile import Made, MaskFile
from bauta.job.maskphotos import Masking
from bauta.job.portraits import Owner, embedded
from bauta.ops.filters import blur
from bauta.protections import PMT
from bauta.protections.images.p3mask import face_area
from bauta.recognizers import load
from bauta.types import Faces

NAME, FACES = "mobilefacenet-casia", 32


def timed(what: str, number: int, unit: str, work: Callable[[], object]) -> None:
    """Print what a piece of work takes for each of `number`."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    clock, cpu = (time.perf_counter() - clock) / number, (time.process_time() - cpu) / number
    print(f"{what:28}{number:5} {unit:8}{clock:12.4f}{cpu:12.4f}", flush=True)


def celebrities(mirror: Path) -> Faces:
    """Aligned faces, evenly from the set."""
    with zipfile.ZipFile(mirror / "celeb12_color_112.zip") as pack:
        names = sorted(n for n in pack.namelist() if n.lower().endswith((".jpg", ".png")))
        chosen = names[:: len(names) // FACES][:FACES]
        pictures = [decode(pack.read(name), name) for name in chosen]
    return Faces(torch.stack([p.image for p in pictures]), source=[p.source for p in pictures])


def main() -> int:
    """Print the table."""
    mirror = zoo.mirror()
    if mirror is None:
        sys.exit("set BAUTA_MIRROR to a folder that holds the photos and the weights")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    recognizer, detector, faces = load(NAME), YuNet(mirror / "yunet_2026may.onnx"), celebrities(mirror)
    pmt = PMT().fit(None, recognizer)
    photos = [path.read_bytes() for path in sorted((mirror / "photos").glob("*.jpg"))]
    images = [decode(photo, "a photo").image for photo in photos]
    found = [detector.detect(image) for image in images]
    pixels = sum(i[0].numel() for i in images) / len(images) / 1e6
    size = sum(map(len, photos)) / len(photos) / 1e6
    print(f"{platform.machine()}, 1 thread, {os.cpu_count()} cores, torch {torch.__version__}, {NAME}, {pmt}")
    print(f"photos: {pixels:.2f} megapixels, {size:.2f} MB, {sum(map(len, found)) / len(found):.1f} faces on average")
    print(f"{'':28}{'n':>5} {'':8}{'seconds':>12}{'processor':>12}")
    timed("read a photo", len(photos), "photos", lambda: [decode(photo, "a photo") for photo in photos])
    timed("find its faces", len(images), "photos", lambda: [detector.detect(image) for image in images])
    pictures = []
    timed("PMT", len(faces), "faces", lambda: pictures.extend(pmt(faces.images, faces)))
    timed("write a protected face", len(pictures), "faces", lambda: [encode_png(picture) for picture in pictures])
    noise = blur(torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(0)), 1.0)[0]
    mask = noise / noise.abs().max() * (16 / 255) * face_area(112, 112)
    person = embedded(recognizer, [align(images[0], found[0][0].landmarks)])[0]
    owner = Owner(recognizer, person, -1.0)  # takes the nearest face, so that each photo gets the mask
    masking = Masking(MaskFile(mask[None], person, Made("noise", {NAME: ""}, 1, 1.0)), "", detector, choose=owner)
    masked: list[torch.Tensor] = []
    timed(
        "mask: find, match, add",
        len(images),
        "photos",
        lambda: masked.extend(masking.changed(i, {})[0] for i in images),
    )
    files: list[bytes] = []
    timed("write a whole photo", len(masked), "photos", lambda: files.extend(encode_png(photo) for photo in masked))
    print(f"as PNG {sum(map(len, files)) / len(files) / 1e6:.2f} MB a photo; ", end="")
    print(f"a protected face {sum(len(encode_png(p)) for p in pictures) / len(pictures) / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
