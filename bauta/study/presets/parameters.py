"""`pmt-parameters`: what each of PMT's options does, one at a time (Tables III to V, Figures 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterator

from bauta.pipeline import System
from bauta.protections import PMT
from bauta.protections.images.service import SERVICES
from bauta.study.presets.services import served
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

# Option -> choice -> PMT's keywords; the paper's words where it has some.
CHOICES: dict[str, dict[str, dict[str, object]]] = {
    "start": {"noise": {"start": "noise"}, "shuffle": {"start": "shuffle"}, "blur": {"start": "blur"}},
    "augment": {name: {"augment": name} for name in ("none", "noise", "affine", "mix", "service")},
    "aggregate": {"yes": {"aggregate": True}, "no": {"aggregate": False}},
    "kernel": {name: {"kernel": name} for name in ("gaussian", "none", "linear")},
    "length": {str(length): {"length": length} for length in (1, 2, 3)},
    "stop": {"at 0.93": {"target_cosine": 0.93}, "never": {"target_cosine": None}},
}
BASES: dict[str, dict[str, object]] = {"ours": {}, "the paper's": PAPER}

NOISES, KAPPA = (0.0, 0.1, 0.2, 0.3), 0.5
SERVED, TRADED = ("", "augment"), ("", "augment", "length")


def choices_of(pmt: PMT) -> dict[str, str]:
    """Option -> the choice that a PMT has made."""
    return {
        option: choice
        for option, named in CHOICES.items()
        for choice, keywords in named.items()
        if all(getattr(pmt, key) == value for key, value in keywords.items())
    }


def variants(settings: Settings, base: str, quick: bool) -> Iterator[tuple[str, PMT]]:
    """The base, under "", then each other choice of each option, under the option's name.

    quick: the first other choice of each option, and few steps.
    """
    first = minimizer(settings, quick, **BASES[base])
    yield "", first
    for option, named in CHOICES.items():
        others = [keywords for choice, keywords in named.items() if choice != choices_of(first)[option]]
        for keywords in others[:1] if quick else others:
            yield option, minimizer(settings, quick, **{**BASES[base], **keywords})


def pmt_parameters(settings: Settings, quick: bool) -> Iterator[Row]:
    """PMT's Tables III to V and Figures 4 and 5: start, augmentation, aggregation, kernel, length and stop, one by one.

    Around our defaults and around the paper's choice, at its shallow cut and at the embedding: the authorized
    recognizer, every foreign one raw and purified, the client's holder; for the augmentations also what a service may
    do to the picture; UP under noise for augmentations and kernel lengths. 52 settings on 200 pairs: two to three hours
    on two cores, most of it for pictures that take all 80 steps through the whole network.

    Expected: a start that holds the face (blur) leaves the face; at the shallow cut nothing else matters, because
    foreign recognizers read every picture; at the embedding they read next to none, except with layer aggregation,
    which matches the shallow layers too and so brings the face back, and the options decide what survives a service.
    quick: around our defaults at the embedding alone, one other choice for each option, a quarter of the steps.
    """
    few = settings.few(200, QUICK_FACES if quick else CENTERING)
    places = [(base, cut) for base in reversed(BASES) for cut in (SHALLOW, None)]
    for base, cut in places[-1:] if quick else places:
        recognizer = network(cut)
        for varied, pmt in variants(few, base, quick):
            choices = choices_of(pmt)
            end = f", {varied} {choices[varied]}" if varied else ""
            name = f"{recognizer.name}@{recognizer.cut}, {base}{end}"
            facts = {"base": base, "cut": recognizer.cut, "varied": varied, "choices": choices, "protection": repr(pmt)}
            rows = setting(few, {name: protected(few, recognizer, pmt)}, varied, quick)
            yield from stamped(rows, study="pmt-parameters", quick=quick, **facts)


def setting(settings: Settings, systems: dict[str, System], varied: str, quick: bool) -> Iterator[Row]:
    """Everything that is asked of one setting of PMT."""
    yield from measured(settings, systems, attackers(quick))
    services = {name: SERVICES[name] for name in ("JPEG 75", "shifted by 2 pixels")} if quick else SERVICES
    for name, system in systems.items():
        if varied in SERVED:
            yield from measured(settings, served(name, system, services), [])
        if varied in TRADED:
            noises = NOISES[::2] if quick else NOISES
            yield from traded(settings, name, system, noises, [KAPPA])
