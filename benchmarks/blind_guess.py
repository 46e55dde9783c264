"""What a picture scores that was drawn without looking: the floor of SSIM and PSNR, and their ceiling under a crop.

    python benchmarks/blind_guess.py

The floor: the mean of the attacker's faces, drawn for every victim. The ceiling of an attacker on features: the CASIA
network does not look at a picture's outermost columns, so he may know all the rest exactly and must still fill these.

LFW: victims and public faces as `bauta study run pmt-reconstruction` has them, and the victims of all pairs that the
other studies take. UTKFace: 30 % of the files, and the rest. In brackets 95 % intervals, from resampling people. About
a minute on one core, most of it to align UTKFace. A data set that is not here is named and left out.
"""

from __future__ import annotations

import sys

import torch

from bauta import zoo
from bauta.errors import MissingData
from bauta.faces import load_dataset, load_pairs, split_by_identity
from bauta.metrics import PSNR, SSIM, bootstrap
from bauta.report import to_text
from bauta.study.presets import public_faces
from bauta.types import Faces, Images

NETWORK = "mobilefacenet-casia"
PAIRS, ATTACKED = 1200, 200  # of a study, and those that pmt-reconstruction takes of them

Line = dict[str, object]


def line(what: str, guess: Images, victims: Faces, columns: slice = slice(None)) -> Line:
    """One guess for every victim: mean SSIM and PSNR, of all columns or some."""
    found: Line = {"guess": what}
    for metric in (SSIM, PSNR):
        scores = metric(guess[..., columns], victims.images[..., columns])
        found[metric.name] = bootstrap(lambda s: float(s.mean()), scores, groups=victims.identity)
    return found | {"pictures": len(victims)}


def mean_face(public: Faces, victims: Faces, seen: slice) -> list[Line]:
    """The mean of the public faces, whole and where the network looks."""
    guess = public.images.mean(0).expand_as(victims.images)
    return [line("mean face", guess, victims), line("mean face, what the network sees", guess, victims, seen)]


def all_but_the_rest(public: Faces, victims: Faces, seen: slice) -> list[Line]:
    """The original where the network looks, and each way to fill the rest."""
    mean, truth = public.images.mean(0), victims.images
    unseen = torch.ones(truth.shape[-1], dtype=torch.bool)
    unseen[seen] = False
    edges = torch.arange(truth.shape[-1]).clamp(seen.start, seen.stop - 1)
    fills = {
        "one gray": mean[..., unseen].mean().expand_as(truth),
        "the mean face": mean.expand_as(truth),
        "its outermost columns, repeated": truth[..., edges],
    }
    return [
        line(f"what the network sees, and {what}", torch.where(unseen, fill, truth), victims)
        for what, fill in fills.items()
    ]


def lfw(seen: slice) -> list[Line]:
    """Floor and ceiling, for the pictures of pmt-reconstruction and for those of all pairs."""
    pairs = load_pairs("lfw", PAIRS)
    public = public_faces("lfw", pairs)
    if public is None:
        raise MissingData("LFW came without names, so that nobody can say who is public; pull it again.")
    lines: list[Line] = []
    for part in (pairs.take(ATTACKED), pairs):
        victims = part.faces[torch.unique(part.first)]
        lines += mean_face(public, victims, seen) + all_but_the_rest(public, victims, seen)
    return [{"data": "lfw", **found} for found in lines]


def utkface(seen: slice) -> list[Line]:
    """The floor alone: where a picture has a black border, a fill may be exact, and its PSNR infinite."""
    public, victims = split_by_identity(load_dataset("utkface"), (0.7, 0.3), 0)
    return [{"data": "utkface", **found} for found in mean_face(public, victims, seen)]


def main() -> int:
    seen = slice(*(zoo.weights(NETWORK).input.columns or (0, 112)))
    for measure in (lfw, utkface):
        try:
            print(to_text(measure(seen), digits=3))
        except MissingData as error:
            print(f"{measure.__name__} is left out: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
