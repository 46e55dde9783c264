"""`pmt-ablation`: augmentation, kernel and layer aggregation, on and off (Table X, Figure 11)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from bauta.pipeline import System
from bauta.study.presets.settings import CENTERING, Settings, stamped
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

NOISE, KAPPA = 0.1, 0.3  # Table X's UP(0.1, 0.3)
CURVE = (0.0, 0.1, 0.2, 0.3)


def pmt_ablation(settings: Settings, quick: bool) -> Iterator[Row]:
    """PMT's Table X and Figure 11: augmentation, translation-invariant kernel and layer aggregation, on and off.

    The paper's settings (noise to start with and to augment with, a Gaussian kernel of length 1, no stop) without each
    of the three, at its shallow cut and at the embedding; UP under noise with all of them and with none. 16 settings on
    200 pairs: about an hour on two cores.

    Expected: the paper's gains of a point or two (its pairs weigh 0.96 each) stay within our intervals; at the shallow
    cut all eight leave the face to every recognizer, at the embedding the four with layer aggregation do, since they
    match the shallow layers too. quick: the shallow cut alone, a quarter of the steps.
    """
    few = settings.few(200, QUICK_FACES if quick else CENTERING)
    for cut in (SHALLOW,) if quick else (SHALLOW, None):
        recognizer = network(cut)
        for augment, kernel, aggregate in product((False, True), repeat=3):
            options = {"augment": "noise" if augment else "none", "kernel": "gaussian" if kernel else "none"}
            pmt = minimizer(few, quick, **PAPER | options | {"aggregate": aggregate})
            signs = " ".join("+" if on else "-" for on in (augment, kernel, aggregate))
            systems = {f"{recognizer.name}@{recognizer.cut}, {signs}": protected(few, recognizer, pmt)}
            ends = augment == kernel == aggregate
            facts = {"cut": recognizer.cut, "on": [augment, kernel, aggregate], "protection": repr(pmt)}
            yield from stamped(combination(few, systems, ends, quick), study="pmt-ablation", quick=quick, **facts)


def combination(settings: Settings, systems: dict[str, System], curve: bool, quick: bool) -> Iterator[Row]:
    """Everything that is asked of one of the eight; curve: UP under each noise and not under Table X's alone."""
    yield from measured(settings, systems, attackers(quick))
    for name, system in systems.items():
        yield from traded(settings, name, system, CURVE if curve else [NOISE], [KAPPA])
