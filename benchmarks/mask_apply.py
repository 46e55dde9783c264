"""How long `bauta mask apply` and `bauta mask remove` take on a large photo with several faces.

    python benchmarks/mask_apply.py

A photo of 12 megapixels (4000 x 3000) is made of five ordinary ones of the data set `photos`, enlarged side by side, so
that a detector finds at least five faces. Timed apart: reading, finding (detection, and whose face it is), adding, and
writing; the median of a few rounds. The target is finding and adding in under a second on two cores. The mask is noise
within 16/255, which costs what any mask costs. Checked in the same run: no pixel outside the faces is changed, and
removal gives the photo back but for clipped pixels.

Needs BAUTA_MIRROR. Threads: set OMP_NUM_THREADS. Exit code 1 when a check fails; speed is only reported.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta import zoo
from bauta.faces import YuNet, align, read_image
from bauta.faces.images import write_image
from bauta.faces.paste import Place, window
from bauta.job.maskfile import Made, MaskFile
from bauta.job.maskphotos import Masking, Unmasking
from bauta.job.portraits import Owner, embedded, every, pictures_in
from bauta.ops.filters import blur
from bauta.protections.images.p3mask import face_area
from bauta.recognizers import load

NAME = "mobilefacenet-casia"
HEIGHT, WIDTH, FACES, ROUNDS = 3000, 4000, 5, 3
PHOTOS = ("deepface_couple", "deepface_img13", "deepface_img2", "deepface_img21", "deepface_img29", "deepface_img4")


def tiled(folder: Path) -> Tensor:
    """(3, 3000, 4000): six photos, each filling its field of two rows and three columns."""
    fields = []
    for name in PHOTOS:
        photo = read_image(folder / f"{name}.jpg")
        high, wide = HEIGHT // 2, WIDTH // 3 + 1
        scale = max(high / photo.shape[1], wide / photo.shape[2])
        grown = F.interpolate(photo[None], scale_factor=scale + 1e-3, mode="bicubic", antialias=True)[0].clamp(0, 1)
        left = (grown.shape[2] - wide) // 2
        fields.append(grown[:, :high, left : left + wide])
    rows = [torch.cat(fields[i : i + 3], 2)[:, :, :WIDTH] for i in (0, 3)]
    return torch.cat(rows, 1)


def main() -> int:
    """Print the table; 1 where a check fails."""
    mirror = zoo.mirror()
    if mirror is None:
        sys.exit("set BAUTA_MIRROR to a folder that holds the photos and the weights")
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, {os.cpu_count()} cores, OpenCV {cv2.__version__}")
    recognizer, detector = load(NAME), YuNet()
    noise = blur(torch.randn(1, 3, 112, 112, generator=torch.Generator().manual_seed(0)), 1.0)[0]
    mask = noise / noise.abs().max() * (16 / 255) * face_area(112, 112)
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_image(folder / "photo.png", tiled(mirror / "photos"))
        photo = read_image(folder / "photo.png")
        found = detector.detect(photo)
        person = embedded(recognizer, [align(photo, found[0].landmarks)])[0]
        key = MaskFile(mask[None], person, Made("noise", {NAME: ""}, 1, 1.0))
        owner = Owner(recognizer, person, zoo.threshold(NAME) or 0.3)
        jobs = {
            "apply, its owner": Masking(key, folder / "one", detector, True, choose=owner),
            "apply, all faces": Masking(key, folder / "all", detector, True, choose=every),
            "remove from all": Unmasking(key, folder / "back", detector, True, strength=1.0),
        }
        print(f"{photo.shape[2]} x {photo.shape[1]}, {len(found)} faces; medians of {ROUNDS}, seconds")
        columns = ("reading", "finding", "adding", "writing")
        print(f"{'':18}{'faces':>6}{''.join(f'{c:>9}' for c in columns)}{'find+add':>10}")
        for name, job in jobs.items():
            source = folder / ("all" if isinstance(job, Unmasking) else ".") / "photo.png"
            done = [job.run(pictures_in([source]), lambda _: None)[0] for _ in range(ROUNDS)]
            times = {c: statistics.median(d.seconds[c] for d in done) for c in columns}
            both = times["finding"] + times["adding"]
            print(f"{name:18}{done[0].faces:6}{''.join(f'{times[c]:9.3f}' for c in columns)}{both:10.3f}")
            if done[0].faces < FACES and job.out.name != "one":
                wrong.append(f"{name}: {done[0].faces} faces")
        protected, back = read_image(folder / "all" / "photo.png"), read_image(folder / "back" / "photo.png")
        outside = torch.ones(photo.shape[1:], dtype=torch.bool)
        for face in found:
            window(photo, Place.of(face.landmarks)).of(outside).zero_()
        if not torch.equal(protected[:, outside], photo[:, outside]):
            wrong.append("a pixel outside the faces was changed")
        error = (back - photo)[:, ~outside].abs() * 255
        print(f"removal: mean error on the faces {float(error.mean()):.3f} levels")
        if float(error.mean()) > 1:
            wrong.append("removal does not give the photo back")
    for sentence in wrong:
        print(f"FAILED: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
