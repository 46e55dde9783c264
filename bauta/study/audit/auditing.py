"""An audit cell by cell: what is planned is run while there is time, and what was measured before is not run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from bauta.attacks.base import Attack, Knows
from bauta.errors import BautaError
from bauta.faces import Pairs
from bauta.study.audit import scores
from bauta.study.audit.budget import Clock
from bauta.study.audit.cast import OPTIMIZED, Cast, Job
from bauta.study.audit.plan import Plan
from bauta.study.audit.subjects import Stand, Subject, warmed
from bauta.study.audit.threats import VIEWER
from bauta.study.found import VIEWER as LOOKS
from bauta.study.records import Row, complete
from bauta.study.run import Fits, cell_of, run
from bauta.types import Faces

Told = Callable[[str, int, int, float], None]
# by the order of jobs: what is run on every system before anything else is run on one
TIERS = (range(5), range(5, 1000))
Share = tuple[str, int]
"""A system and the number of a tier; the number after those of the tiers stands for what the plan left out."""


@dataclass
class Auditing:
    """Runs a plan.

    outlines: the systems, with protections that are not fitted; `stand` fits them when their turn comes. public: the
    attackers' faces. done: cells that were measured before. show: keeps pictures. told: hears, before a cell, its name,
    how many cells are behind it and how many there are, and the seconds that are left by the plan. fitted: systems
    that were fitted already; broken: those that could not be.
    """

    outlines: Sequence[Subject]
    stand: Stand
    cast: Cast
    public: Faces | None
    victims: Pairs
    plan: Plan
    seed: int
    clock: Clock
    folder: Path
    done: frozenset[str] = frozenset()
    show: Callable[[str, Tensor, Faces], None] | None = None
    told: Told | None = None
    fitted: dict[str, Subject] = field(default_factory=dict)
    fits: Fits = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def rows(self) -> Iterator[Row]:
        """Everything that is not measured yet: first what counts most on every system, then the rest, and at the end
        what the plan left out, where things went quicker than it feared."""
        for tier in TIERS:
            for outline in self.outlines:
                if outline.name not in self.broken and self.missing(outline, tier):
                    yield from self.system(outline, tier)
        yield from self.overtime(self.late())

    def overtime(self, late: Sequence[tuple[Subject, Job]]) -> Iterator[Row]:
        """Jobs that the plan left out, as far as there is time."""
        for outline, job in late:
            fits = self.clock.fits(self.plan.seconds.get(cell_of(outline.name, job.attack), 0.0))
            if not fits or outline.name in self.broken:
                continue
            victims = self.victims_of(outline)
            try:
                subject = self.subject(outline, victims)
            except BautaError:  # the system's own cell says why
                self.broken.add(outline.name)
                continue
            yield from self.attacked(subject, [job], victims)

    def shares(self) -> list[Share]:
        """What is not measured yet, in shares that do not depend on each other, in the order of `rows`."""
        tiers = enumerate(TIERS)
        found = [(one.name, number) for number, tier in tiers for one in self.outlines if self.missing(one, tier)]
        return [*found, *dict.fromkeys((one.name, len(TIERS)) for one, _ in self.late())]

    def share(self, share: Share) -> Iterator[Row]:
        """One of the shares."""
        name, number = share
        if number == len(TIERS):
            yield from self.overtime([(one, job) for one, job in self.late() if one.name == name])
        else:
            yield from self.system(next(one for one in self.outlines if one.name == name), TIERS[number])

    def cells_of(self, share: Share) -> list[str]:
        """The cells that a share may measure."""
        name, number = share
        if number == len(TIERS):
            return [cell_of(one.name, job.attack) for one, job in self.late() if one.name == name]
        return self.cells(next(one for one in self.outlines if one.name == name), TIERS[number])

    def cells(self, outline: Subject, tier: range) -> list[str]:
        """The cells of a system that are to be run in a tier; what its owner makes of it is in the first."""
        planned = [cell_of(outline.name, job.attack) for job in self.jobs(outline, tier)]
        first = [own(outline.name)] if tier == TIERS[0] else []
        return [*first, *(cell for cell in planned if cell not in self.plan.dropped)]

    def jobs(self, outline: Subject, tier: range) -> list[Job]:
        """The jobs of a tier."""
        return [job for job in self.plan.jobs(outline, self.cast) if job.order in tier]

    def missing(self, outline: Subject, tier: range) -> bool:
        """Whether something was not measured yet."""
        kept = tier != TIERS[0] or scores.file(self.folder, outline.name).exists()
        return not kept or any(cell not in self.done for cell in self.cells(outline, tier))

    def absent(self, measured: frozenset[str]) -> list[tuple[str, str]]:
        """Every cell that belongs to the audit and has no rows, and why."""
        cells = [cell_of(one.name, job.attack) for one, job in self.every()]
        over = "the time was over; run it again to go on"
        return [(cell, self.plan.dropped.get(cell, over)) for cell in cells if cell not in measured]

    def every(self) -> list[tuple[Subject, Job]]:
        """All jobs on all systems, what the plan left out among them."""
        return [(one, job) for one in self.outlines for job in self.plan.jobs(one, self.cast)]

    def system(self, outline: Subject, tier: range) -> Iterator[Row]:
        """One system: what its owner makes of it, then its attackers of one tier, those that count most first."""
        victims = self.victims_of(outline)
        blank = Row(own(outline.name), outline.name, "utility", "the authorized recognizer", "failed", None)
        try:
            if tier == TIERS[0]:
                self.begin(own(outline.name))
            subject = self.subject(outline, victims)
            warmed(subject.pipeline, victims.faces[torch.unique(victims.first)])
            owned = self.measured(subject, subject.owned, [], None, victims) if tier == TIERS[0] else ()
            for row in owned:
                yield subject.stamped(row, **({"threat": VIEWER} if row.attack == LOOKS else {}))
        except BautaError as error:
            self.broken.add(outline.name)
            failure = replace(blank, note=str(error), seed=self.seed, private_when="")
            yield from complete([outline.stamped(failure)])
            return
        planned = [
            job for job in self.jobs(subject, tier) if cell_of(subject.name, job.attack) not in self.plan.dropped
        ]
        yield from self.attacked(subject, planned, victims)
        if not scores.file(self.folder, subject.name).exists():
            reader = self.cast.readers[0] if self.cast.readers else None
            scores.keep(self.folder, scores.measured(subject, victims, reader))

    def late(self) -> list[tuple[Subject, Job]]:
        """The jobs that the plan left out and that were not run, those that count most first."""
        cells = set(self.plan.dropped) - self.done
        late = [(one, job) for one, job in self.every() if cell_of(one.name, job.attack) in cells]
        return sorted(late, key=lambda entry: entry[1].order)

    def attacked(self, subject: Subject, jobs: Sequence[Job], victims: Pairs) -> Iterator[Row]:
        """Some jobs on one system, as far as there is time."""
        for part in parts(jobs):
            turn = Turn(self, subject.name, part)
            fewer = part[0].few and len(victims) > OPTIMIZED
            few = victims.take(max(OPTIMIZED, 2 * victims.folds)) if fewer else victims
            number = max((job.faces or 0 for job in part), default=0)
            public = None if self.public is None or not number else self.public[:number]
            if public is not None:
                self.prepare(subject, part, public)
            threats = {cell_of(subject.name, job.attack): job.threat for job in part}
            for row in self.measured(subject, subject.system, turn, public, few):
                yield subject.stamped(row, threat=threats.get(row.cell, ""))

    def measured(
        self, subject: Subject, system: object, attacks: Sequence[Attack], public: Faces | None, victims: Pairs
    ) -> Iterator[Row]:
        """Some attacks on one system, or what its owner makes of it."""
        skip = self.done if not attacks else self.done | {own(subject.name)}
        return run(
            {subject.name: subject.owned if system is subject.owned else subject.system},
            attacks,
            public,
            victims,
            self.seed,
            skip=skip,
            judge=self.cast.judge,
            fits=self.fits,
            show=self.show,
        )

    def prepare(self, subject: Subject, part: Sequence[Job], public: Faces) -> None:
        """What aware attackers make of their own faces: as a whole, so that who was measured before a stop decides
        nothing."""
        missing = {job.attack.knowledge.knows for job in part if cell_of(subject.name, job.attack) not in self.done}
        own_faces = Faces(public.images, public.identity)
        for knows, device in ((Knows.SCHEME, subject.pipeline.rekeyed(1)), (Knows.KEYS, subject.pipeline)):
            if knows in missing:
                warmed(device, own_faces)

    def victims_of(self, outline: Subject) -> Pairs:
        """As many pairs as the plan gives a system."""
        number = self.plan.pairs[outline.name]
        return self.victims if number >= len(self.victims) else self.victims.take(number)

    def subject(self, outline: Subject, victims: Pairs) -> Subject:
        """A system with its protection fitted."""
        if outline.bare:
            return outline
        if outline.name not in self.fitted:
            owners = victims if outline.personal else self.victims
            self.fitted[outline.name] = self.stand.subject(outline.asked, owners)
        return self.fitted[outline.name]

    def begin(self, cell: str) -> None:
        """Say that a cell begins."""
        if self.told is not None:
            cells = [cell for tier in TIERS for outline in self.outlines for cell in self.cells(outline, tier)]
            behind = cells.index(cell) if cell in cells else len(cells)
            ahead = sum(self.plan.seconds.get(name, 0.0) for name in cells[behind:] if name not in self.done)
            self.told(cell, behind, len(cells), ahead * max(1.0, self.clock.drag))


class Turn(Sequence[Attack]):
    """The attacks of one part, each as it is reached, without those that are done and those for which time is short."""

    def __init__(self, audit: Auditing, system: str, part: Sequence[Job]) -> None:
        self.audit, self.system, self.part = audit, system, part

    def __len__(self) -> int:
        return len(self.part)

    @overload
    def __getitem__(self, index: int) -> Attack: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Attack]: ...
    def __getitem__(self, index: int | slice) -> Attack | Sequence[Attack]:
        return self.part[index].attack if isinstance(index, int) else [job.attack for job in self.part[index]]

    def __iter__(self) -> Iterator[Attack]:
        plan, clock = self.audit.plan, self.audit.clock
        for job in self.part:
            cell = cell_of(self.system, job.attack)
            planned = plan.seconds.get(cell, 0.0)
            if cell in self.audit.done or not clock.fits(planned):
                continue
            self.audit.begin(cell)
            begun = time.monotonic()
            yield job.attack
            clock.took(planned, time.monotonic() - begun)


def parts(planned: Sequence[Job]) -> list[list[Job]]:
    """Jobs with the same public faces and pairs together, so that what they see is computed once; the part with the job
    that counts most first. Who needs no faces joins those who need fewest."""
    fewest = min((job.faces for job in planned if job.faces is not None and not job.few), default=None)
    made: dict[tuple[int | None, bool], list[Job]] = {}
    for job in planned:
        made.setdefault((fewest if job.faces is None else job.faces, job.few), []).append(job)
    return sorted(made.values(), key=lambda part: min(job.order for job in part))


def own(system: str) -> str:
    """The cell of what the owner makes of a system."""
    return f"{system} / utility"
