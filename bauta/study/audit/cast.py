"""Who takes part in an audit, what an attack is given, and what it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bauta.attacks import Attack, ForeignRecognizer
from bauta.errors import UsageError
from bauta.recognizers import Recognizer
from bauta.study.audit.threats import threat_of

STANDARD, STRONG, ALL = LEVELS = ("standard", "strong", "all")
BATCH = 16  # of trained decoders: on few faces and in little time more steps are worth more than larger ones

# what an attack takes, in units whose price is measured
JUDGED, EMBEDDED, READ, PROTECTED = "judged", "embedded", "read", "protected"
PLAIN_STEP, UNET_STEP, DENOISER_STEP = "plain step", "U-Net step", "denoiser step"


@dataclass(frozen=True)
class Knobs:
    """How much the trained attackers of one group are given.

    faces: public faces that pass the attacker's device. steps: of a decoder. epochs: of a student or a probe.
    """

    faces: int = 0
    steps: int = 0
    epochs: int = 0


MOST = Knobs(faces=2000, steps=400, epochs=3)
MOST_AWARE = Knobs(faces=600, steps=300, epochs=3)
LEAST = Knobs(faces=48, steps=30, epochs=0)
OPTIMIZED = 40  # pairs for attackers who optimize every face


@dataclass(frozen=True)
class Job:
    """One attack on one system. aware: whether it depends on this system's protection, and is trained for it alone.

    faces: public ones; None where it needs none. few: whether it is run on the first `OPTIMIZED` pairs alone. order:
    what counts less is larger, and is left out first. takes: unit -> how many.
    """

    attack: Attack
    aware: bool
    faces: int | None
    order: int
    takes: Mapping[str, float] = field(default_factory=dict)
    few: bool = False

    @property
    def threat(self) -> str:
        """The threat that it stands for."""
        return threat_of(self.attack)


@dataclass(frozen=True)
class Cast:
    """Who else takes part.

    readers: foreign recognizers, the best first. attributes: known of victims and public faces. estimators: by
    attribute, foreign ones that are here. level: of `LEVELS`. own: attacks that were asked for instead. public: how
    many faces attackers have. probes: attacked pictures. made: what `once` keeps.
    """

    readers: Sequence[ForeignRecognizer]
    attributes: Sequence[str]
    estimators: Mapping[str, str]
    level: str
    public: int
    probes: int
    own: Sequence[Attack] = ()
    made: dict[tuple[object, ...], Attack] = field(default_factory=dict, compare=False, repr=False)

    def once(self, make: Callable[..., Attack], *what: Any, **options: Any) -> Attack:
        """An attack that holds a network, made once however often a plan is considered."""
        key = (make, *what, *sorted(options.items()))
        if key not in self.made:
            self.made[key] = make(*what, **options)
        return self.made[key]

    @property
    def teacher(self) -> Recognizer | None:
        """The attacker's own recognizer, which teaches his students."""
        return self.readers[0].recognizer if self.readers else None

    @property
    def judge(self) -> ForeignRecognizer | None:
        """Reads reconstructions: the second one, who taught nobody, where there are several."""
        return self.readers[min(1, len(self.readers) - 1)] if self.readers else None


def enough(cast: Cast) -> bool:
    """Whether attackers have faces to train on."""
    return cast.public >= LEAST.faces


def level(name: str) -> str:
    """One of `LEVELS`. Raises `UsageError`."""
    if name not in LEVELS:
        raise UsageError(f"--attackers is one of {', '.join(LEVELS)}; got {name!r}.")
    return name
