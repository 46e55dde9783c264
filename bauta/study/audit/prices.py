"""What the parts of an audit cost on this machine, measured before it is planned."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import torch

from bauta.attacks import Denoiser, Knows, PlainFace, RecFace, Victim
from bauta.errors import BautaError
from bauta.faces import Pairs
from bauta.protections.images.personal import PersonalMask
from bauta.study.audit.attackers import jobs
from bauta.study.audit.cast import (
    BATCH,
    DENOISER_STEP,
    EMBEDDED,
    JUDGED,
    LEAST,
    PLAIN_STEP,
    PROTECTED,
    READ,
    UNET_STEP,
    Cast,
)
from bauta.study.audit.subjects import Subject, once
from bauta.study.judge import judge_templates
from bauta.study.records import Row
from bauta.types import Faces, Stage

FEW, FEWER = 16, 6  # faces that are timed, and of protections that take long
STEPS = (1, 4)  # of training: the difference is what a step takes


@dataclass(frozen=True)
class Prices:
    """Seconds for each unit; those of `PROTECTED` by system, since each protection has its own."""

    units: Mapping[str, float]
    protected: Mapping[str, float]

    def unit(self, system: str, name: str) -> float:
        """Seconds for one unit."""
        return self.protected.get(system, 0.0) if name == PROTECTED else self.units.get(name, 0.0)


def measured(bare: Subject, subjects: Iterable[Subject], cast: Cast, public: Faces | None, victims: Pairs) -> Prices:
    """Time each unit that somebody needs on a few faces, and each protection on fewer."""
    subjects, faces = list(subjects), victims.faces[:FEW]
    needed = {unit for one in subjects for job in jobs(one, cast, LEAST, LEAST) for unit in job.takes}
    units = {
        EMBEDDED: timed(lambda: bare.plain.at(Stage.TEMPLATES, faces)) / len(faces),
        JUDGED: timed(lambda: judged(bare, victims)),
    }
    if cast.judge is not None:
        reader, nobody = cast.judge, Victim(bare.plain, cast.judge.knowledge)
        units[READ] = timed(lambda: reader(faces.images, nobody)) / len(faces)
    if public is not None and len(public) >= 2 * BATCH:
        units |= steps(bare, public[: 2 * BATCH], needed)
    attacked = victims.faces[torch.unique(victims.first)]
    protected = {one.name: price(one, attacked) for one in subjects}
    return Prices(units, protected)


def judged(bare: Subject, victims: Pairs) -> None:
    """One judgement of templates of these pairs, with its intervals."""
    draw = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(len(victims.faces), 8, generator=draw))
    probes = rows[torch.unique(victims.first)]
    blank = Row("prices", "prices", "attack", "nobody", "", None)
    list(judge_templates(blank, probes, rows, victims, None))


def steps(bare: Subject, faces: Faces, needed: Collection[str]) -> dict[str, float]:
    """A training step of each decoder that is needed."""
    makers: dict[str, Callable[[int], RecFace]] = {
        PLAIN_STEP: lambda number: PlainFace(steps=number, batch_size=BATCH),
        DENOISER_STEP: lambda number: Denoiser(steps=number, batch_size=BATCH, width=0.5).knowing(knows=Knows.NOTHING),
        UNET_STEP: lambda number: RecFace(steps=number, batch_size=BATCH, width=0.5),
    }
    few, more = STEPS
    found = {}
    for name, make in makers.items():
        if name not in needed:
            continue

        def trained(number: int, make: Callable[[int], RecFace] = make) -> float:
            attack = make(number)
            return timed(lambda: attack.fit(faces, Victim(bare.plain, attack.knowledge)))

        found[name] = max(1e-5, (trained(more) - trained(few)) / (more - few))
    return found


def price(subject: Subject, faces: Faces) -> float:
    """Seconds that a protection takes for a face, past its memory; 0 where it fails, which the audit's cells will say.

    A personal mask takes its time when it is learned: a person's is priced, on the photos of two of them.
    """
    part = next((once(part) for part in subject.pipeline.protections), None)
    try:
        if isinstance(part, PersonalMask):
            network, two = subject.plain.recognizer, of_two(faces)
            return timed(lambda: copy.copy(part).fit(two, network)) / 2
        some = faces[: FEW if subject.stage is not Stage.IMAGES else FEWER]
        if part is None or subject.stage is not Stage.IMAGES:
            return timed(lambda: subject.pipeline.at(subject.stage, some)) / len(some)
        return timed(lambda: part(some.images, some)) / len(some)
    except BautaError:
        return 0.0


def of_two(faces: Faces) -> Faces:
    """The photos of the first two people, as they come."""
    assert faces.identity is not None
    return faces[torch.isin(faces.identity, torch.unique(faces.identity)[:2])]


def timed(do: Callable[[], object]) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun
