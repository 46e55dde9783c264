"""`pmt-embedded`: PMT's finding on the recognizers that come with bauta."""

from __future__ import annotations

from collections.abc import Iterator

from bauta import zoo
from bauta.attacks import ClientHolder
from bauta.pipeline import Pipeline, System
from bauta.recognizers import load
from bauta.study.presets.parties import CURVE_FILTERS, READERS, authorize, readers
from bauta.study.presets.settings import CENTERING, Settings
from bauta.study.records import Row
from bauta.study.run import run
from bauta.zoo.ours import OURS


def pmt_embedded(settings: Settings, quick: bool) -> Iterator[Row]:
    """Who can use a picture that is made for one of bauta's own recognizers: the others, published networks that are
    here, both also behind the purifiers that help most, and the holder of the client's layers.

    Of LFW only the pairs count whose people none of bauta's recognizers has learned from. quick: one recognizer is
    authorized.
    """
    settings = settings.few(public=CENTERING).unseen()
    names = [record.name for record in OURS]
    foreign = [name for name in READERS if zoo.place(zoo.weights(name).files[0])]
    plain = Pipeline(load(names[0]))
    everybody = readers(names=(*names, *foreign), filters=())
    yield from run({"bare": System(plain, plain)}, everybody, None, settings.victims, settings.seed, skip=settings.done)
    for name in names[:1] if quick else names:
        systems = authorize(settings, load(name))
        others = readers(name, names=(*names, *foreign), filters=CURVE_FILTERS)
        attacks = [ClientHolder(), *others]
        yield from run(systems, attacks, settings.public, settings.victims, settings.seed, skip=settings.done)
