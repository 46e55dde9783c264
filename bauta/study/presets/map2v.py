"""`map2v`: every scheme that runs, judged by the face that its similarities alone give away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from bauta import zoo
from bauta.attacks import Attack, EvolutionStrategy, GaussianBlobs, Map2V, Map2VFast, Ranked
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
from bauta.study.presets.map2vjudge import Ground, Judge, Size, cell_of, unasked_cell
from bauta.study.presets.map2vnatives import beside_cell, natives, neighbors
from bauta.study.presets.map2vnetworks import FREQUENCY, OFF, trained
from bauta.study.presets.reconstruction import JUDGE, QUICK_STEPS
from bauta.study.presets.settings import Settings, stamped
from bauta.study.presets.variants import AUTHORIZED, QUICK_FACES, SHALLOW, UNAUTHORIZED, network
from bauta.study.records import Row, complete
from bauta.study.run import refuse_overlap, seed_everything
from bauta.study.validation import (
    ANOTHER,
    BLIND,
    Targets,
    targets,
)
from bauta.types import Faces

QUICK_COMPONENTS = 16
BARE = "none"
# what is stored is protected, and live pictures are not; PEEP's noise is on both
IMAGES = ("PMT", "P3-Mask")
FEATURES = ("AdvFace", "Laplace mechanism", "quantization", "dropout")
SCHEMES = (BARE, *IMAGES, "PEEP", *FEATURES, *FREQUENCY)
QUICK = (BARE, "AdvFace")
PUBLISHED = (BARE, "DuetFace", *OFF)  # under the published search too: the paper's table, and what protects nothing
NETWORKS = "networks"


SMALL = Size(victims=20, queries=600, marks=(100, 200, 400), priors=100)
FULL = Size(victims=200, queries=6900, marks=(600, 2000), priors=500)
FEW = Size(victims=3, queries=60, marks=(30,), priors=20)


def map2v(settings: Settings, quick: bool) -> Iterator[Row]:
    """MAP2V against every scheme that runs: privacy scores by query, beside each paper's own attack; oracles' limits.

    20 people of the protocol are enrolled with one picture each, and searched for in 256 Eigenfaces of the public
    faces' second half, by similarities alone: 600 queries a person by `Map2VFast`, without mirrored pictures; where
    nothing protects and for the systems of the paper's table by `Map2V` too, which ranks 100 draws of them. Scored by
    the attacked system and two recognizers that took no part, beside a draw of the prior, and the person's other photo,
    which says whether the system is of use. Of LFW they are people whom no network of ours has learned from. Schemes:
    nothing, PMT and P3-Mask as enrolled pictures (P3-Mask learned from the person's own), PEEP on both sides, features
    of a database behind AdvFace, Laplace noise, quantization and dropout. The frequency family where OUT/networks holds
    what study `frequency` trained (link its folder there), DCTDP and PartialFace also with their noise and draws off,
    as MAP2V's authors ran them; all under the light of the training. On the unprotected one oracles that answer less:
    rounded, noisy, accepting or not, and rate-limited.

    Beside MAP2V, in the same scores: the attack of the scheme's own paper (see `natives`), which sees features; on the
    unprotected one CMA-ES, Gaussian blobs without a prior, and attackers who have its templates (see `neighbors`).

    Cost of one core: a search is 12,000 pictures, two minutes where nothing, or little, is computed for a picture's
    protection and up to twenty behind DuetFace, MinusFace or DCTDP; a network that learns takes about five. quick: two
    schemes, 3 people, 60 queries.
    """
    yield from sized(settings, FEW if quick else SMALL, quick)


def map2v_full(settings: Settings, quick: bool) -> Iterator[Row]:
    """`map2v` at the paper's size: 200 people, 6,900 queries each.

    The same with 500 draws ranked. A search is 1.38 million pictures: three and a half hours of a core at 110 pictures
    a second, 19 at the 20 of DCTDP; about 25 searches. For a machine with a GPU. quick: as in `map2v`.
    """
    yield from sized(settings, FEW if quick else FULL, quick)


def sized(settings: Settings, size: Size, quick: bool) -> Iterator[Row]:
    """The study at a size. quick: few schemes, and what learns learns little."""
    settings = settings.unseen()
    assert settings.public is not None
    half = min(len(settings.public) // 2, QUICK_FACES if quick else len(settings.public))
    provider, attacker = settings.public[:half], settings.public[half : 2 * half]
    found = targets(settings.victims.faces, size.victims, settings.seed)
    refuse_overlap(settings.public, found.real)
    grounds: dict[float, Ground] = {}
    for name in QUICK if quick else SCHEMES:
        facts = {"study": "map2v", "quick": quick, "protection": name}
        asked, own = list(searches(name, size, quick)), others(name, size, quick)
        cells = {cell_of(name, search, limits) for search, limits in asked} | {beside_cell(name, one) for one in own}
        cells |= {unasked_cell(name, what) for what in (BLIND, ANOTHER)}
        if cells <= settings.done:
            continue
        try:
            cast, system = system_of(settings, name, provider, found, quick)
            if cast not in grounds:
                grounds[cast] = Ground(settings, attacker, found, cast, size, prior(quick))
        except BautaError as error:
            blank = Row(f"{name} / network", name, "attack", "MAP2V", "failed", None, note=str(error))
            yield from stamped(complete([replace(blank, seed=settings.seed)]), **facts)
            continue
        judge = Judge(settings, name, system, grounds[cast], validators(name, quick))
        facts |= {"cast": cast}
        yield from stamped(judge.unasked(), **facts)
        for search, limits in asked:
            yield from stamped(judge.searched(search, limits), **facts)
        for attack in own:
            yield from stamped(judge.beside(attack), **facts)


def system_of(settings: Settings, name: str, provider: Faces, found: Targets, quick: bool) -> tuple[float, System]:
    """The strength of the light that a scheme's network learned under, and the scheme. Raises `BautaError`."""
    place = settings.device
    if name in FREQUENCY:
        folder, pipeline = trained(settings.out / NETWORKS, name)
        whole = pipeline.to(place)
        return float(recipe_of(folder).get("cast", 0)), System(whole, whole)
    recognizer = folded(network(SHALLOW if name in FEATURES else None))
    seed_everything(settings.seed, f"{name} / protection")
    plain = Pipeline(recognizer).to(place)
    if name == BARE:
        return 0.0, System(plain, plain)
    made = protection(name, settings.seed, quick)
    if isinstance(made, P3Mask):
        own = torch.isin(found.real.identity, found.faces.identity)  # type: ignore[arg-type]
        made = made.fit(found.real[own], folded(load(UNAUTHORIZED)))
    else:
        made = made.fit(provider, recognizer)
    stored = Pipeline(recognizer, made).to(place)
    return 0.0, System(stored if name == "PEEP" else plain, stored)


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


def searches(name: str, size: Size, quick: bool) -> Iterator[tuple[LatentSearch, tuple[str, ...]]]:
    """Who searches, through which limits; the prior is to be fitted."""
    rounds = size.queries  # more than the queries allow
    fast = Map2VFast(prior(quick), rounds=rounds, priors=min(50, size.priors), flip=False)
    yield fast, ()
    if name in PUBLISHED:
        start = Ranked(priors=size.priors)
        yield Map2V(prior(quick), start, iterations=rounds, patience=rounds, flip=False), ()
    if name == BARE:
        yield EvolutionStrategy(prior(quick), rounds=rounds, flip=False), ()
        if not quick:
            yield GaussianBlobs(rounds=rounds), ()
        for limit in oracles(quick):
            yield fast, (limit,)


def others(name: str, size: Size, quick: bool) -> list[Attack]:
    """Who stands beside MAP2V: the attackers of a scheme's own paper, and of templates where nothing protects."""
    return neighbors(prior(quick), size.priors, quick) if name == BARE else natives(name, quick)


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


def validators(name: str, quick: bool) -> tuple[str, ...]:
    """The recognizers that judge and take no part: behind the frequency family's servers is another one's teaching."""
    first = AUTHORIZED if name in FREQUENCY else JUDGE
    return (first,) if quick else (first, UNAUTHORIZED)
