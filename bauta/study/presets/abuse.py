"""`pmt-abuse`: who else can use a picture that is made for one recognizer, and how deep the client must reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from bauta.attacks import ClientHolder, ForeignRecognizer
from bauta.pipeline import Pipeline, System
from bauta.recognizers import load
from bauta.study.presets.parties import CURVE_FILTERS, MOBILEFACENETS, READERS, authorize, readers
from bauta.study.presets.services import served
from bauta.study.presets.settings import CENTERING, Settings
from bauta.study.records import Row
from bauta.study.run import run


def bare(settings: Settings) -> Iterator[Row]:
    """Every recognizer on the unprotected pictures."""
    plain = Pipeline(load(READERS[0]))
    attacks = [ForeignRecognizer(name) for name in READERS]
    yield from run({"bare": System(plain, plain)}, attacks, None, settings.victims, settings.seed, skip=settings.done)


def abuse(settings: Settings, names: Sequence[str]) -> Iterator[Row]:
    """PMT authorized for `names` (several: MR-PMT), its survival of services, and everybody else's recognizer."""
    recognizers = [load(name) for name in names]
    systems = authorize(settings, *recognizers)
    first = next(iter(systems.values()))
    yield from run(systems, [], None, settings.victims, settings.seed, skip=settings.done)
    survivals = {after: one for name, system in systems.items() for after, one in served(name, system).items()}
    yield from run(survivals, [], None, settings.victims, settings.seed, skip=settings.done)
    attackers = {next(iter(systems)).split(", read by")[0]: first}
    cells = settings.done | {f"{next(iter(attackers))} / utility"}
    attacks = [*readers(*names), ClientHolder()]
    yield from run(attackers, attacks, settings.public, settings.victims, settings.seed, skip=cells)


def depth(settings: Settings, name: str, cuts: Sequence[int]) -> Iterator[Row]:
    """The depth curve of one recognizer: utility, foreign recognizers and the client holder at each cut."""
    for cut in cuts:
        systems = authorize(settings, load(name, cut=cut))
        attacks = [*readers(name, filters=CURVE_FILTERS), ClientHolder()]
        yield from run(systems, attacks, settings.public, settings.victims, settings.seed, skip=settings.done)


def pmt_abuse(settings: Settings, quick: bool) -> Iterator[Row]:
    """PMT's Table VII: who can use a picture made for one recognizer, or for two (Table IX); and the depth curve.

    quick: one recognizer, one pair of them, and the two ends of the depth curve, to see it run. The pictures for two
    and the depth curve cost the most and take a part of the pairs; the curve's point at the default cut is Table VII's.
    """
    settings = settings.few(public=CENTERING)
    few, some = settings.few(120), settings.few(200)
    names = MOBILEFACENETS[:1] if quick else MOBILEFACENETS
    yield from bare(settings)
    for name in names:
        yield from abuse(settings, [name])
    for pair in [MOBILEFACENETS[:2]] if quick else combinations(MOBILEFACENETS, 2):
        yield from abuse(some, pair)
    for name in names:
        network = load(name)
        layers = len(network.layers)
        cuts = (5, layers) if quick else (5, 9, 13, *range(17, layers + 1))
        yield from depth(few, name, [cut for cut in cuts if cut != network.cut])
