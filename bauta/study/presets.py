"""The studies that `bauta study run` knows: which systems, which attackers, on how many pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from bauta.attacks import FILTERS, ClientHolder, ForeignRecognizer, Purify, Reidentification
from bauta.faces import Pairs
from bauta.faces.datasets import DataSet, open_data
from bauta.pipeline import Pipeline, System
from bauta.protections import JPEG, PMT, ImageProtection, Move, Resize, WhiteNoise
from bauta.recognizers import Recognizer, load
from bauta.recognizers.folding import folded
from bauta.study.records import Row
from bauta.study.run import run
from bauta.study.store import PngStore
from bauta.types import Faces

MOBILEFACENETS = ("mobilefacenet-casia", "mobilefacenet-relu6-ms1m", "mobilefacenet-y1-ms1m")
READERS = (*MOBILEFACENETS, "mobileface-v3")

# What a picture may go through before the authorized recognizer sees it.
SERVICES: dict[str, ImageProtection] = {
    "JPEG 95": JPEG(95),
    "JPEG 75": JPEG(75),
    "noise 0.1": WhiteNoise(0.1),
    "resized to 96 and back": Resize(96),
    "shifted by 2 pixels": Move(right=2, down=2),
    "turned by 3 degrees": Move(degrees=3),
}

# The purifiers that helped a reader most on Table VII's pictures; the depth curve tries these.
CURVE_FILTERS = ("blur 1", "blur 1.5 + stretch", "gray + blur 1 + stretch", "gray + blur 2 + stretch")

# Pu et al., Table VII, the LFW block: accuracy by Eq. 10 in percent, authorized network by reading network.
PAPER_READERS = ("MobileFace", "ArcFace", "ResNet50", "IR50-Softmax", "IR50-Sphereface")
PAPER_TABLE_VII_LFW: dict[str, tuple[float, ...]] = {
    "MobileFace": (99.0, 6.7, 8.7, 2.9, 12.5),
    "ArcFace": (4.8, 100.0, 0.0, 2.9, 0.0),
    "ResNet50": (8.7, 4.8, 95.2, 16.3, 8.7),
    "IR50-Softmax": (14.4, 9.6, 1.0, 98.1, 12.5),
    "IR50-Sphereface": (1.9, 1.0, 1.0, 8.7, 99.0),
}


@dataclass(frozen=True)
class Settings:
    """What every study takes.

    victims: the protocol. public: the attacker's faces. out: where pictures and rows go. done: cells measured before.
    progress is told how many faces were just protected.
    """

    victims: Pairs
    out: Path
    seed: int
    public: Faces | None = None
    progress: Callable[[int], None] | None = None
    done: frozenset[str] = frozenset()


def authorize(settings: Settings, *recognizers: Recognizer, protection: PMT | None = None) -> dict[str, System]:
    """One system for each authorized recognizer, over the same protected pictures."""
    who = " + ".join(f"{r.name}@{r.cut}" for r in recognizers)
    pmt = (PMT(seed=settings.seed) if protection is None else protection).fit(None, *recognizers)
    store = PngStore(pmt, settings.out / "pictures", who, progress=settings.progress)
    names = [who] if len(recognizers) == 1 else [f"{who}, read by {r.name}" for r in recognizers]
    quick = [folded(r) for r in recognizers]
    return {name: System(Pipeline(r, store), Pipeline(r)) for name, r in zip(names, quick, strict=True)}


def readers(*but: str, filters: Iterable[str] = FILTERS) -> list[Reidentification]:
    """The foreign recognizers, raw and behind each purifier of `filters`."""
    foreign = [ForeignRecognizer(name) for name in READERS if name not in but]
    return [attack for f in foreign for attack in (f, *(Purify(f, name) for name in filters))]


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
    store = first.probe.protections[0]
    survivals = {
        f"{name} | {service}": System(Pipeline(system.probe.recognizer, store, step), system.gallery)
        for name, system in systems.items()
        for service, step in SERVICES.items()
    }
    yield from run(survivals, [], None, settings.victims, settings.seed, skip=settings.done)
    attackers = {next(iter(systems)).split(", read by")[0]: first}
    cells = {f"{next(iter(attackers))} / utility", *settings.done}
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
    whole = settings.victims
    few = replace(settings, victims=whole.take(min(120, len(whole))))
    some = replace(settings, victims=whole.take(min(200, len(whole))))
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


STUDIES = {"pmt-abuse": pmt_abuse}


def public_faces(data: str | Path, victims: Pairs, number: int = 500) -> Faces | None:
    """The first faces of a data set whose people are not among the victims, or None where nobody says who is who."""
    opened = open_data(data)
    if victims.faces.identity is None or not isinstance(opened, DataSet):
        return None
    people = [opened.person(name) for name in opened.names]
    named = [(name, who) for name, who in zip(opened.names, people, strict=True) if who is not None]
    place = {who: i for i, who in enumerate(sorted({who for _, who in named}))}
    taken = set(victims.faces.identity.tolist())
    free = [name for name, who in named if place[who] not in taken]
    return opened.read(free[:number])[0] if free else None
