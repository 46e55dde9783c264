"""The networks of `frequency`: the unprotected twin and a server behind each scheme, all trained by one preset."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from bauta.errors import UsageError
from bauta.pipeline import Pipeline
from bauta.recognizers.trainable import recipe_of
from bauta.study.presets.settings import Settings, public_faces
from bauta.train import Held, Recipe, Training, load_pipeline, small, train_recognizer
from bauta.train.folders import open_folder
from bauta.train.plans import OneCycle
from bauta.train.run import LEARNED, build, wanted
from bauta.types import Faces

TEACHER = "mobilefacenet-relu6-ms1m"  # it neither teaches an attacker nor judges what he draws
START = "bauta-residual"  # which follows the same teacher; of LFW it has seen all but the last folds
CAST = 0.4
EMBEDDING = 128  # as the start and the teacher have it
EVERYBODY = 10**9
QUICK_READ, QUICK_LEARNED, QUICK_BATCH = 100, 16, 16


@dataclass(frozen=True)
class Scheme:
    """A scheme as the study treats it.

    needs: the networks that are trained before its own. keyed: whether its clients share what others do not know.
    drawn: whether the order of the channels is drawn for each picture. epochs: of its server's training; a server that
    is never told the order needs more of them.
    """

    needs: tuple[str, ...] = ()
    keyed: bool = False
    drawn: bool = False
    epochs: int = 2


TWIN, CLIENT, STAGE_ONE = "none", "DuetFace, client", "MinusFace, stage one"
MORE = "DCTDP, epsilon 4"  # the largest budget that its paper plots; its tables have 0.5
SCHEMES = {
    TWIN: Scheme(),
    "DuetFace": Scheme(needs=(CLIENT,)),
    "PPFR-FD": Scheme(keyed=True),
    "DCTDP": Scheme(),
    MORE: Scheme(),
    "PartialFace": Scheme(keyed=True, drawn=True, epochs=6),
    "MinusFace": Scheme(needs=(STAGE_ONE,), drawn=True, epochs=3),
}


def built(name: str, folder: Path, seed: int, quick: bool) -> Training:
    """The network and the protection behind a name, and what it begins with. folder: of the networks that it needs.

    MinusFace's generator has an eighth of the paper's width, which two cores can train. DuetFace's client has the
    teacher's layers, and begins with its weights where they are the same; all servers begin with `START`'s.
    """
    residue = f"MinusFaceResidue(width={1 / 16 if quick else 1 / 8})"
    first = str(folder / STAGE_ONE / LEARNED)
    specs = {
        "DuetFace": f"DuetFace(client={str(folder / CLIENT)!r}, embedding={EMBEDDING})",
        "PPFR-FD": f"PPFRFD(seed={seed})",
        "DCTDP": f"DCTDP(seed={seed})",
        MORE: f"DCTDP(epsilon=4.0, seed={seed})",
        "PartialFace": f"PartialFace(seed={seed})",
        STAGE_ONE: residue,
        "MinusFace": f"MinusFace({residue}, stage_one={first!r}, seed={seed})",
    }
    architectures = {"DuetFace": "duet_compact", CLIENT: "duet_client"}
    return Training(
        architectures.get(name, "frequency_compact"),
        {"embedding": EMBEDDING},
        protections=[specs[name]] if name in specs else [],
        teacher=TEACHER,
        start=TEACHER if name == CLIENT else START,
        recipe=recipe(SCHEMES[name].epochs if name in SCHEMES else Scheme().epochs, quick),
        seed=seed,
    )


def recipe(epochs: int, quick: bool) -> Recipe:
    """The preset `small` for a few epochs at half of its rate, as nothing is learned from the beginning, with one draw
    of each picture in a batch: the draws are others in each epoch."""
    made = replace(small(epochs=epochs), copies=1, plan=OneCycle(rate=2e-3))
    return replace(made, epochs=1, batch_size=QUICK_BATCH) if quick else made


class Networks:
    """Trains what is not there yet, into `settings.out`/networks/NAME, and goes on where it was stopped.

    settings: public: the attackers' faces, whose people are learned from as little as the victims; all pictures without
    the cast. cast: the strength of the color cast that they get in training and judging; 0 for none.
    """

    def __init__(self, settings: Settings, cast: float, quick: bool) -> None:
        self.settings, self.cast, self.quick = settings, cast, quick
        self.folder = (settings.out / "networks").resolve()
        self._loaded: dict[str, Pipeline] = {}

    def pipeline(self, name: str) -> Pipeline:
        """A scheme's network behind it, with its unprotected twin. Raises `BautaError` where it cannot be trained."""
        if name not in self._loaded:
            twin = None if name == TWIN else self.pipeline(TWIN).recognizer
            self._loaded[name] = load_pipeline(self.trained(name), twin=twin)
        return self._loaded[name]

    def training(self, name: str) -> Training:
        """All that decides one training."""
        return replace(
            built(name, self.folder, self.settings.seed, self.quick),
            data=f"{self.settings.data} without the study's people",
            pairs=str(self.settings.data),
            cast=self.cast,
        )

    def curve(self, name: str) -> list[dict[str, str]]:
        """The learning curve of a trained network, a row an epoch."""
        with (self.folder / name / "log.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def trained(self, name: str) -> Path:
        """The folder of a trained network, whose needs are trained first."""
        for needed in SCHEMES[name].needs if name in SCHEMES else ():
            self.trained(needed)
        folder, training = self.folder / name, self.training(name)
        open_folder(folder, wanted(training, build(training).protections), resume=True)
        if "reached" not in recipe_of(folder):
            kind = torch.device(self.settings.device).type
            given = (self.learned, self.settings.victims)
            train_recognizer(training, folder, resume=True, kind=kind, given=given)
        return folder

    @cached_property
    def learned(self) -> Held:
        """The data set without the victims' people and the attackers'. Raises `UsageError` where nobody is left."""
        number, public = QUICK_READ if self.quick else EVERYBODY, self.settings.public
        faces = public_faces(self.settings.data, self.settings.victims, number)
        if faces is None or faces.identity is None or public is None or public.identity is None:
            raise UsageError(f"Servers learn from people by name, and {self.settings.data} has none that are left.")
        free = faces[~torch.isin(faces.identity, public.identity)]
        if not len(free):
            raise UsageError(f"Victims and attackers leave nobody to learn from in {self.settings.data}; give more.")
        return Held(free[:QUICK_LEARNED] if self.quick else free)


def is_gray(faces: Faces) -> bool:
    """Whether no picture has a color."""
    return bool((faces.images[:, :1] - faces.images).abs().max() < 1 / 255)
