"""`pmt-robustness`: utility and privacy under noise on pictures and on features (Figures 8 to 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from bauta.attacks import Victim
from bauta.attacks.reconstruction.recface import RecFace
from bauta.pipeline import Pipeline, System
from bauta.protections import WhiteNoise
from bauta.study.presets.settings import Settings, stamped
from bauta.study.presets.variants import (
    PAPER,
    QUICK_FACES,
    SHALLOW,
    attackers,
    measured,
    minimizer,
    network,
    protected,
    traded,
)
from bauta.study.records import Row
from bauta.types import Features, Images

NOISES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def pmt_robustness(settings: Settings, quick: bool) -> Iterator[Row]:
    """PMT's Figures 8 to 10: UP and its two terms under noise of 0 to 0.3, on pictures and on features, by threshold.

    The clean pictures, the paper's PMT at its shallow cut and ours at the embedding. Beside UP, what its second term
    leaves out: at each noise, every foreign recognizer raw and purified, and the client's holder. For features the
    privacy-infringing models read what `RecFace` makes of them; it is trained on clean features of public faces. 200
    pairs: about an hour on two cores, half of it for training.

    Expected: UP is highest for pictures that merely look different, so it rises with noise as long as the authorized
    recognizer bears it, and ranks PMT at the shallow cut, which every recognizer reads, beside PMT at the embedding,
    which next to none does. quick: three noises, three thresholds, a short training, a quarter of PMT's steps.
    """
    few = settings.few(200, QUICK_FACES if quick else None)
    for cut, protection, options in ((SHALLOW, "the paper's", PAPER), (None, "ours", {})):
        recognizer = network(cut)
        pmt = protected(few, recognizer, minimizer(few, quick, **options))
        plain = pmt.gallery  # one device for all, so that an unaware attacker is fitted once
        restore = reconstructor(few, plain, quick)
        systems = {"none": System(plain, plain), protection: pmt}
        for words, system in systems.items():
            rows = noisy(few, f"{recognizer.name}@{recognizer.cut}, {words}", system, restore, quick)
            facts = {"cut": recognizer.cut, "protection": words}
            yield from stamped(rows, study="pmt-robustness", quick=quick, **facts)


def noisy(
    settings: Settings, name: str, system: System, restore: Callable[[Features], Images], quick: bool
) -> Iterator[Row]:
    """One system under every noise."""
    noises, thresholds = (NOISES[::3], THRESHOLDS[1::3]) if quick else (NOISES, THRESHOLDS)
    yield from traded(settings, name, system, noises, thresholds)
    yield from traded(settings, name, system, noises, thresholds, restore=restore)
    attacks = attackers(quick)
    for noise in noises:
        probe = Pipeline(system.probe.recognizer, *system.probe.protections, WhiteNoise(noise, seed=settings.seed))
        under = {f"{name} | noise {noise:g}": System(probe, system.gallery)}
        yield from stamped(measured(settings, under, attacks), noise=noise)


def reconstructor(settings: Settings, plain: Pipeline, quick: bool) -> Callable[[Features], Images]:
    """Features -> pictures by `RecFace`, trained once, when it is first asked."""
    attack = RecFace(steps=60, seed=settings.seed) if quick else RecFace(seed=settings.seed)
    victim = Victim(plain, attack.knowledge)

    @cache
    def fitted() -> RecFace:
        return attack.fit(settings.public, victim)

    return lambda leak: fitted()(leak, victim)
