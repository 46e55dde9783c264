"""`map2v`: every scheme that runs, judged by the face that its similarities alone give away."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from bauta import zoo
from bauta.attacks import AnySystem, Map2V, Map2VFast
from bauta.attacks.reconstruction.search import LatentSearch
from bauta.errors import BautaError
from bauta.generators import Eigenfaces
from bauta.pipeline import Pipeline, System
from bauta.protections import (
    PEEP,
    PMT,
    AdvFace,
    FeatureDropout,
    LaplaceMechanism,
    P3Mask,
    Protection,
    Quantization,
)
from bauta.recognizers import load
from bauta.recognizers.folding import folded
from bauta.recognizers.trainable import recipe_of
from bauta.study.presets.map2vnetworks import FREQUENCY, trained
from bauta.study.presets.reconstruction import JUDGE, QUICK_STEPS
from bauta.study.presets.settings import Settings, stamped
from bauta.study.presets.variants import AUTHORIZED, QUICK_FACES, SHALLOW, UNAUTHORIZED, network
from bauta.study.records import Row, complete
from bauta.study.run import refuse_overlap, seed_everything
from bauta.study.validation import BLIND, OWN, Attacked, Reader, Targets, blind, reading, recover, scored, targets
from bauta.train import ColorCast
from bauta.types import Faces, Templates

VICTIMS, QUERIES_EACH, MARKS = 20, 2000, (250, 500, 1000)
QUICK_VICTIMS, QUICK_QUERIES, QUICK_COMPONENTS = 3, 60, 16
BARE = "none"
# what is stored is protected, and live pictures are not; PEEP's noise is on both
IMAGES = ("PMT", "P3-Mask")
FEATURES = ("AdvFace", "Laplace mechanism", "quantization", "dropout")
SCHEMES = (BARE, *IMAGES, "PEEP", *FEATURES, *FREQUENCY)
QUICK = (BARE, "AdvFace")
NETWORKS = "networks"


def map2v(settings: Settings, quick: bool) -> Iterator[Row]:
    """MAP2V against every scheme that runs: privacy scores by query, of the published search and ours; oracles' limits.

    20 people of the protocol are enrolled with one picture each, and searched for in 256 Eigenfaces of the public
    faces' second half, by similarities alone: 2,000 queries a person by `Map2V` and by `Map2VFast`, without mirrored
    pictures, after which both have asked the same. Scored by the attacked system and two recognizers that took no part,
    beside a draw of the prior. Schemes: nothing, PMT and P3-Mask as enrolled pictures (P3-Mask learned from the
    person's own), PEEP on both sides, features of a database behind AdvFace, Laplace noise, quantization and dropout.
    The frequency family where OUT/networks holds what study `frequency` trained (link its folder there), DCTDP and
    PartialFace also with their noise and draws off, as MAP2V's authors ran them; all under the light of the training.
    On the unprotected one oracles that answer less: rounded, noisy, accepting or not, and rate-limited.

    Cost, estimated and not measured: 40,000 pictures a search, about four minutes of a core; 21 searches without the
    frequency family, and 16 slower ones with it. quick: two schemes, 3 people, 60 queries.
    """
    assert settings.public is not None
    half = min(len(settings.public) // 2, QUICK_FACES if quick else len(settings.public))
    provider, attacker = settings.public[:half], settings.public[half : 2 * half]
    found = targets(settings.victims.faces, QUICK_VICTIMS if quick else VICTIMS, settings.seed)
    refuse_overlap(settings.public, found.real)
    grounds: dict[float, Ground] = {}
    for name in QUICK if quick else SCHEMES:
        facts = {"study": "map2v", "quick": quick, "protection": name}
        asked = list(searches(name, quick))
        if {cell_of(name, search, limits) for search, limits in asked} <= settings.done:
            continue
        try:
            cast, system = system_of(settings, name, provider, found, quick)
            if cast not in grounds:
                grounds[cast] = Ground(settings, attacker, found, cast, quick)
        except BautaError as error:
            blank = Row(f"{name} / network", name, "attack", "MAP2V", "failed", None, note=str(error))
            yield from stamped(complete([replace(blank, seed=settings.seed)]), **facts)
            continue
        yield from stamped(judged(settings, name, system, grounds[cast], asked, quick), **(facts | {"cast": cast}))


class Ground:
    """What all schemes under one light share: the people, the fitted prior, and what validators make of them."""

    def __init__(self, settings: Settings, attacker: Faces, found: Targets, cast: float, quick: bool) -> None:
        light = ColorCast(cast, seed=settings.seed) if cast else None
        self.targets = found if light is None else replace(found, real=light(found.real))
        public = attacker if light is None else light(attacker)
        self.prior = prior(quick).fit(public)
        names = (JUDGE,) if quick else (JUDGE, UNAUTHORIZED)
        self.readers = [Reader(name, reading(name, settings.device), self.targets) for name in names]


def system_of(settings: Settings, name: str, provider: Faces, found: Targets, quick: bool) -> tuple[float, Attacked]:
    """The strength of the light that a scheme's network learned under, and the scheme. Raises `BautaError`."""
    place = settings.device
    if name in FREQUENCY:
        folder, pipeline = trained(settings.out / NETWORKS, name)
        whole = pipeline.to(place)
        return float(recipe_of(folder).get("cast", 0)), Attacked.of(name, System(whole, whole), place)
    recognizer = folded(network(SHALLOW if name in FEATURES else None))
    seed_everything(settings.seed, f"{name} / protection")
    plain = Pipeline(recognizer).to(place)
    if name == BARE:
        return 0.0, Attacked.of(name, System(plain, plain), place)
    made = protection(name, settings.seed, quick)
    if isinstance(made, P3Mask):
        own = torch.isin(found.real.identity, found.faces.identity)  # type: ignore[arg-type]
        made = made.fit(found.real[own], folded(load(UNAUTHORIZED)))
    else:
        made = made.fit(provider, recognizer)
    stored = Pipeline(recognizer, made).to(place)
    return 0.0, Attacked.of(name, System(stored if name == "PEEP" else plain, stored), place)


def protection(name: str, seed: int, quick: bool) -> Protection:
    """The scheme behind a name, at its own defaults."""
    few = {"shadow_steps": QUICK_STEPS} if quick else {}
    made: dict[str, Protection] = {
        "PMT": PMT(seed=seed),
        "P3-Mask": P3Mask(seed=seed),
        "PEEP": PEEP(seed=seed),
        "AdvFace": AdvFace(seed=seed, **few),  # type: ignore[arg-type]
        "Laplace mechanism": LaplaceMechanism(seed=seed),
        "quantization": Quantization(),
        "dropout": FeatureDropout(seed=seed),
    }
    return made[name]


def searches(name: str, quick: bool) -> Iterator[tuple[LatentSearch, tuple[str, ...]]]:
    """Who searches, through which limits; the prior is to be fitted."""
    rounds = QUICK_QUERIES if quick else QUERIES_EACH  # more than the queries allow
    fast = Map2VFast(prior(quick), rounds=rounds, priors=20 if quick else 50, flip=False)
    yield fast, ()
    start = "random" if quick else "ranked"
    yield Map2V(prior(quick), start, iterations=rounds, patience=rounds, flip=False), ()
    if name == BARE:
        for limit in oracles(quick):
            yield fast, (limit,)


def prior(quick: bool) -> Eigenfaces:
    """What a face looks like, not yet fitted."""
    return Eigenfaces(components=QUICK_COMPONENTS) if quick else Eigenfaces()


def oracles(quick: bool) -> list[str]:
    """Countermeasures: what the matcher answers at most."""
    if quick:
        return ["QuantizedScores(0.1)"]
    threshold = zoo.threshold(AUTHORIZED) or 0.3
    rounded = ["QuantizedScores(0.01)", "QuantizedScores(0.1)"]
    return [*rounded, "NoisyScores(0.05)", f"AcceptReject({threshold})", "QueryLimit(200)"]


def cell_of(name: str, search: LatentSearch, limits: Sequence[str]) -> str:
    """The key of one search at one scheme."""
    return f"{name} / {search!r}" + "".join(f" | {limit}" for limit in limits)


def judged(
    settings: Settings,
    name: str,
    system: Attacked,
    ground: Ground,
    asked: Sequence[tuple[LatentSearch, tuple[str, ...]]],
    quick: bool,
) -> Iterator[Row]:
    """One scheme: what nobody searched for, then each search, without those that are done."""
    found, numbers = ground.targets, torch.arange(len(ground.targets.attacked))
    enrolled = system.enroll(found.faces)
    readers = [Reader(OWN, system.asked, found), *ground.readers]
    blank = Row(f"{name} / {BLIND}", name, "attack", BLIND, "", None, knows="NOTHING", seed=settings.seed)
    if blank.cell not in settings.done:
        pictures = blind(ground.prior, numbers, settings.seed)
        yield from complete(scored(blank, pictures, found, system, enrolled, readers))
    for search, limits in asked:
        cell = cell_of(name, search, limits)
        if cell not in settings.done:
            own = replace(blank, cell=cell, attack=repr(search), settings={"limit": ", ".join(limits)})
            yield from searched(settings, own, system, ground, search, limits, enrolled, readers, quick)


def searched(
    settings: Settings,
    blank: Row,
    system: Attacked,
    ground: Ground,
    search: LatentSearch,
    limits: Sequence[str],
    enrolled: Templates,
    readers: Sequence[Reader],
    quick: bool,
) -> Iterator[Row]:
    """One search: its rows at the marks, each a cell, and at the end."""
    seed_everything(settings.seed, blank.cell)
    fitted, budget = copy.copy(search), QUICK_QUERIES if quick else QUERIES_EACH
    fitted.prior = ground.prior
    made = recover(
        fitted,
        AnySystem(system.score(enrolled)),
        torch.arange(len(enrolled)),
        enrolled=len(enrolled),
        queries=budget,
        limits=limits,
        marks=(budget // 2,) if quick else MARKS,
    )
    if settings.show is not None:
        settings.show(f"{blank.cell} / {blank.knows}", made.pictures, ground.targets.faces)
    if not limits:
        for mark, pictures in [*made.after.items(), (budget, made.pictures)]:
            own = replace(blank, cell=f"{blank.cell} after {mark}", settings={**blank.settings, "after": mark})
            yield from complete(scored(own, pictures, ground.targets, system, enrolled, readers))
    rows = scored(blank, made.pictures, ground.targets, system, enrolled, readers, made.queries)
    yield from complete(rows)
