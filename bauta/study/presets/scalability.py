"""`pmt-scalability`: one picture for several authorized recognizers (MR-PMT, Table IX)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from bauta.attacks import ClientHolder
from bauta.recognizers import load
from bauta.study.presets.parties import CURVE_FILTERS, MOBILEFACENETS, authorize, readers
from bauta.study.presets.settings import CENTERING, Settings, stamped
from bauta.study.presets.variants import QUICK_FACES, SHALLOW, measured, minimizer
from bauta.study.records import Row


def pmt_scalability(settings: Settings, quick: bool) -> Iterator[Row]:
    """PMT's Table IX: pictures for one, two and three recognizers, and what the others then read (MR-PMT).

    Every pair of the MobileFaceNets and all three, beside each alone; at the paper's shallow cut and at the embedding.
    14 settings on 200 pairs, where a picture for three costs three times one for one: about an hour on two cores.

    Expected: the authorized stay near their clean accuracy, and each further authorized recognizer tells the others
    more, as in the paper, whose unauthorized networks rise to 14 to 75 % on LFW. quick: the embedding alone; one of
    the networks, one pair, all three; a quarter of the steps.
    """
    few = settings.few(200, QUICK_FACES if quick else CENTERING)
    for shallow in (False,) if quick else (False, True):
        for number in (1, 2, 3):
            groups = list(combinations(MOBILEFACENETS, number))
            for names in groups[:1] if quick else groups:
                facts = {"cut": "shallow" if shallow else "embedding", "authorized": list(names)}
                rows = together(few, names, SHALLOW if shallow else None, quick)
                yield from stamped(rows, study="pmt-scalability", quick=quick, **facts)


def together(settings: Settings, names: Sequence[str], cut: int | None, quick: bool) -> Iterator[Row]:
    """Pictures for all of `names`: each of them and the holder of its client part, then everybody else."""
    systems = authorize(settings, *(load(name, cut=cut) for name in names), protection=minimizer(settings, quick))
    yield from measured(settings, systems, [ClientHolder()])
    name, first = next(iter(systems.items()))
    who = name.split(", read by")[0]
    others = readers(*names, filters=CURVE_FILTERS[:1] if quick else CURVE_FILTERS)
    # what each authorized recognizer keeps was measured above
    yield from measured(replace(settings, done=settings.done | {f"{who} / utility"}), {who: first}, others)
