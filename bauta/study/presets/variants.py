"""One setting of PMT after another, under the same attackers: what the studies of its options share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from bauta.attacks import Attack, ClientHolder, ForeignRecognizer, Purify
from bauta.pipeline import System
from bauta.protections import PMT
from bauta.recognizers import Recognizer, load
from bauta.study.infringing import privacy_models
from bauta.study.presets.parties import CURVE_FILTERS, authorize, readers
from bauta.study.presets.settings import Settings
from bauta.study.records import Row
from bauta.study.run import run
from bauta.study.up import up_rows
from bauta.types import Features, Images

# The paper authorizes IR50-Softmax and reads with MobileFace, both trained on one set; at hand are networks of one
# architecture, trained on two.
AUTHORIZED, UNAUTHORIZED = "mobilefacenet-casia", "mobilefacenet-y1-ms1m"
SHALLOW = 5  # "the first five layers"
QUICK_STEPS, QUICK_FACES = 20, 100  # of PMT, and of the attacker's

# What the paper settles on (section 6.1), where PMT's defaults here differ. It names no rule for stopping.
PAPER: dict[str, object] = {"augment": "noise", "aggregate": True, "target_cosine": None}


def network(cut: int | None) -> Recognizer:
    """The authorized recognizer at a cut, its own where none is given."""
    return load(AUTHORIZED, cut=cut)


def attackers(quick: bool) -> list[Attack]:
    """The foreign recognizers, raw and behind each filter, and the holder of the client's layers.

    quick: of the foreign ones that which stands for the paper's, behind one filter.
    """
    if quick:
        foreign = ForeignRecognizer(UNAUTHORIZED)
        return [foreign, Purify(foreign, CURVE_FILTERS[0]), ClientHolder()]
    return [*readers(AUTHORIZED, filters=CURVE_FILTERS), ClientHolder()]


def minimizer(settings: Settings, quick: bool, **options: object) -> PMT:
    """PMT with these options; quick: a quarter of its steps."""
    few = {"steps": QUICK_STEPS} if quick else {}
    return PMT(**{**options, **few, "seed": settings.seed})  # type: ignore[arg-type]


def protected(settings: Settings, recognizer: Recognizer, pmt: PMT) -> System:
    """The system of one authorized recognizer."""
    (system,) = authorize(settings, recognizer, protection=pmt).values()
    return system


def measured(settings: Settings, systems: dict[str, System], attacks: Sequence[Attack]) -> Iterator[Row]:
    """Systems under attacks, without the cells that are done."""
    public, victims, seed = settings.public, settings.victims, settings.seed
    yield from run(systems, attacks, public, victims, seed, skip=settings.done, fits=settings.fits)


def traded(
    settings: Settings,
    name: str,
    system: System,
    noises: Sequence[float],
    thresholds: Sequence[float],
    *,
    restore: Callable[[Features], Images] | None = None,
) -> Iterator[Row]:
    """UP of the protocol's first pictures, without the cells that are done."""
    faces = settings.victims.faces[torch.unique(settings.victims.first)]
    models = privacy_models(UNAUTHORIZED)
    yield from up_rows(
        name, system, faces, noises, thresholds, models, settings.seed, restore=restore, skip=settings.done
    )
