"""Who takes part in a study: the recognizers at hand, those who are authorized, and those who read what they see."""

from __future__ import annotations

from collections.abc import Iterable

from bauta.attacks import FILTERS, Attack, ForeignRecognizer, Purify
from bauta.pipeline import Pipeline, System
from bauta.protections import PMT
from bauta.recognizers import Recognizer
from bauta.recognizers.folding import folded
from bauta.study.presets.settings import Settings
from bauta.study.store import PngStore

MOBILEFACENETS = ("mobilefacenet-casia", "mobilefacenet-relu6-ms1m", "mobilefacenet-y1-ms1m")
READERS = (*MOBILEFACENETS, "mobileface-v3")

# The purifiers that helped a reader most on Table VII's pictures; where many settings are compared, these are tried.
CURVE_FILTERS = ("blur 1", "blur 1.5 + stretch", "gray + blur 1 + stretch", "gray + blur 2 + stretch")


def authorize(settings: Settings, *recognizers: Recognizer, protection: PMT | None = None) -> dict[str, System]:
    """One system for each authorized recognizer, over the same protected pictures."""
    who = " + ".join(f"{r.name}@{r.cut}" for r in recognizers)
    pmt = (PMT(seed=settings.seed) if protection is None else protection).fit(None, *recognizers)
    store = PngStore(pmt.to(settings.device), settings.pictures, who, progress=settings.progress)
    names = [who] if len(recognizers) == 1 else [f"{who}, read by {r.name}" for r in recognizers]
    quick = [folded(r) for r in recognizers]
    return {name: System(Pipeline(r, store), Pipeline(r)) for name, r in zip(names, quick, strict=True)}


def readers(*but: str, names: Iterable[str] = READERS, filters: Iterable[str] = FILTERS) -> list[Attack]:
    """The foreign recognizers among `names`, raw and behind each purifier of `filters`."""
    foreign = [ForeignRecognizer(name) for name in names if name not in but]
    return [attack for f in foreign for attack in (f, *(Purify(f, name) for name in filters))]
