"""`bauta` with one more study, "small", on networks of the size of real ones: run as a script, for tests that kill it.

usage: small_study.py NETWORK WORDS...    where NETWORK is a name of the zoo, authorized and foreign at once
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import tiny

from bauta.attacks import ClientHolder, Denoiser, ForeignRecognizer, Linkage
from bauta.protections import PMT
from bauta.recognizers import load
from bauta.study import presets
from bauta.study.records import Row
from bauta.study.run import run
from bauta.types import Faces

NETWORK = ""


def small(settings: presets.Settings, quick: bool) -> Iterator[Row]:
    """Protected pictures, attacks that are trained and attacks that are not."""
    network = load(NETWORK, cut=5)
    systems = presets.authorize(settings, network, protection=PMT(steps=2))
    foreign, linkage = ForeignRecognizer(NETWORK), ClientHolder(Linkage(NETWORK, epochs=0))
    attacks = [foreign, Denoiser(steps=1, batch_size=2, width=0.25), linkage, ClientHolder()]
    yield from run(
        systems,
        attacks,
        Faces(tiny.pictures(8, side=112)),
        settings.victims,
        settings.seed,
        skip=settings.done,
        judge=foreign,
        fits=settings.fits,
        show=settings.show,
    )


if __name__ == "__main__":
    from bauta.cli import main

    NETWORK = sys.argv.pop(1)
    presets.STUDIES["small"] = small
    main()
