"""A plan: how many pairs, faces and steps there is time for, made once, written down, and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import torch

from bauta.errors import BadFile
from bauta.faces import Pairs
from bauta.study.audit.attackers import jobs
from bauta.study.audit.budget import shared
from bauta.study.audit.cast import (
    EMBEDDED,
    JUDGED,
    LEAST,
    MOST,
    MOST_AWARE,
    OPTIMIZED,
    PROTECTED,
    READ,
    Cast,
    Job,
    Knobs,
)
from bauta.study.audit.prices import Prices
from bauta.study.audit.subjects import Subject
from bauta.study.run import cell_of
from bauta.types import Stage

CAUTION = 0.75  # of the time that is left when the plan is made: what is measured on a few faces is measured roughly
REPORT = 0.06  # of the budget, for curves, pictures, tables and the report
FIRST = 1  # the order of what is run in any case
SYSTEMS = 0.5  # of the time, at most, for the victims' pictures of all systems
UNAWARE = "unaware"
PAIRS = (400, 200, 100, 60, 40, 20)
"""How many pairs are compared, by the time that there is."""


@dataclass(frozen=True)
class Plan:
    """What an audit will do.

    pairs: system -> how many of the protocol; probes: how many pictures of these are attacked. unaware: what attackers
    get who have the bare device; aware: system -> what those get who know it. dropped: cell -> why it is not run,
    unless time is left at the end. seconds: cell -> how long it should take; "NAME / system" is the victims' pictures.
    """

    pairs: Mapping[str, int]
    probes: Mapping[str, int]
    unaware: Knobs
    aware: Mapping[str, Knobs]
    dropped: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def of(self, system: str) -> Knobs:
        """What attackers get who know a system."""
        return self.aware.get(system, self.unaware)

    def jobs(self, one: Subject, cast: Cast) -> list[Job]:
        """Everything that is planned for a system, what is dropped among it."""
        return jobs(one, replace(cast, probes=self.probes[one.name]), self.unaware, self.of(one.name))

    def written(self) -> dict[str, Any]:
        """As settings.json has it."""
        return asdict(self)

    @staticmethod
    def read(said: Mapping[str, Any]) -> Plan:
        """A plan that was written down. Raises `BadFile`."""
        try:
            return Plan(
                {str(name): int(number) for name, number in said["pairs"].items()},
                {str(name): int(number) for name, number in said["probes"].items()},
                Knobs(**said["unaware"]),
                {str(name): Knobs(**knobs) for name, knobs in said["aware"].items()},
                dict(said["dropped"]),
                {str(name): float(value) for name, value in said["seconds"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadFile(f"The settings hold no plan of an audit ({error!r}); give another --out.") from error


def between(most: Knobs, share: float, public: int) -> Knobs:
    """From the least that says anything to the most that is worth its time."""

    def at(low: int, high: int) -> int:
        return round(low + share * (high - low))

    return Knobs(min(public, at(LEAST.faces, most.faces)), at(LEAST.steps, most.steps), at(LEAST.epochs, most.epochs))


def planned(subjects: Sequence[Subject], cast: Cast, prices: Prices, victims: Pairs, left: float) -> Plan:
    """Divide the seconds that are left among unaware attackers, and the aware ones of each system.

    victims: as many pairs as there is time for at most; a system whose pictures take long gets fewer. Where even the
    least that says anything takes too long, what counts least is dropped, cell by cell, and said.
    """
    pairs = {one.name: fewer(one, prices, victims, SYSTEMS * left / len(subjects)) for one in subjects}
    probes = {name: attacked(victims, number) for name, number in pairs.items()}
    faces = {one.name: system_price(one, prices, probes[one.name]) for one in subjects}
    time = max(0.0, CAUTION * left - sum(faces.values()))
    start = Plan(pairs, probes, LEAST, {})

    def cost_unaware(share: float) -> float:
        return sum(unaware_prices(subjects, cast, prices, replace(start, unaware=between(MOST, share, cast.public))))

    def cost_aware(one: Subject, share: float) -> float:
        plan = replace(start, aware={one.name: between(MOST_AWARE, share, cast.public)})
        paid: set[str] = set()
        return sum(price(one, job, prices, paid) for job in plan.jobs(one, cast) if job.aware)

    known = [one for one in subjects if not one.bare]
    shares = shared(time, [cost_unaware, *(partial(cost_aware, one) for one in known)])
    unaware = between(MOST, shares[0], cast.public)
    aware = {one.name: between(MOST_AWARE, share, cast.public) for one, share in zip(known, shares[1:], strict=True)}
    plan = Plan(pairs, probes, unaware, aware)
    seconds, dropped = cells(subjects, cast, prices, plan, time)
    return replace(plan, dropped=dropped, seconds=seconds | {f"{n} / system": s for n, s in faces.items()})


def fewer(one: Subject, prices: Prices, victims: Pairs, most: float) -> int:
    """As many pairs as there are, or the first of `PAIRS` whose pictures take at most so many seconds."""
    for number in (len(victims), *(n for n in PAIRS if n < len(victims))):
        if number >= 2 * victims.folds and system_price(one, prices, attacked(victims, number)) <= most:
            return number
    return min(len(victims), max(2 * victims.folds, PAIRS[-1]))


def attacked(victims: Pairs, pairs: int) -> int:
    """How many distinct first pictures so many pairs have."""
    return len(torch.unique(victims.first if pairs >= len(victims) else victims.take(pairs).first))


def system_price(one: Subject, prices: Prices, probes: int) -> float:
    """The victims' pictures through a system: protected once, and looked at by several parts."""
    looks = 3 if one.bare else 5
    views = looks * probes * 4 * prices.unit(one.name, EMBEDDED)
    return views + probes * prices.unit(one.name, PROTECTED) + 1.5 * prices.unit(one.name, JUDGED)


def unaware_prices(subjects: Sequence[Subject], cast: Cast, prices: Prices, plan: Plan) -> list[float]:
    """Each unaware job; what was trained on the bare device is not trained again behind a protection."""
    paid: set[str] = set()
    return [price(one, job, prices, paid) for one in subjects for job in plan.jobs(one, cast) if not job.aware]


def price(one: Subject, job: Job, prices: Prices, paid: set[str]) -> float:
    """One job, in which is paid once only: training for each device, and pictures that are remembered for each key.

    paid: what was paid for before; what this job pays for is added.
    """
    takes = dict(job.takes)
    device = f"{one.cut} {job.attack!r} {job.attack.knowledge.sees}"
    if not job.aware and device in paid:
        takes = {name: number for name, number in takes.items() if name in (JUDGED, READ)}
    pictures = f"{one.name} {job.attack.knowledge.knows}"
    if one.stage is Stage.IMAGES and pictures in paid:
        takes.pop(PROTECTED, None)
    paid |= {device, pictures} if job.aware else {device}
    return sum(prices.unit(one.name, name) * number for name, number in takes.items())


def cells(
    subjects: Sequence[Subject], cast: Cast, prices: Prices, plan: Plan, time: float
) -> tuple[dict[str, float], dict[str, str]]:
    """Cell -> seconds, and cell -> why of what is dropped: what counts most is put in first, and what does not fit any
    more makes room for what does."""
    found = [(job.order, place, one, job) for place, one in enumerate(subjects) for job in plan.jobs(one, cast)]
    seconds: dict[str, float] = {}
    dropped: dict[str, str] = {}
    paid: set[str] = set()
    for order, _, one, job in sorted(found, key=lambda entry: entry[:2]):
        cell, after = cell_of(one.name, job.attack), set(paid)
        cost = price(one, job, prices, after)
        if cost > time and order > FIRST:
            dropped[cell] = f"no time: it would take about {max(1, round(cost))} s"
            seconds[cell] = cost
            continue
        seconds[cell], paid, time = cost, after, time - cost
    return seconds, dropped


def cuts(plan: Plan, pairs: int, asked: bool, subjects: Sequence[Subject], cast: Cast) -> list[str]:
    """What the budget made smaller, in sentences. pairs: the most there would be. asked: whether somebody asked for so
    many, so that they are no cut."""
    said = []
    most = max(plan.pairs.values())
    if not asked and most < pairs:
        said.append(f"{most} pairs are compared instead of {pairs}: intervals are wider.")
    for name, number in plan.pairs.items():
        if number < most:
            said.append(f"{name} is measured on {number} pairs instead of {most}, since its pictures take long.")
    who = {UNAWARE: (plan.unaware, MOST)} | {name: (knobs, MOST_AWARE) for name, knobs in plan.aware.items()}
    for name, (knobs, limit) in who.items():
        full = between(limit, 1.0, cast.public)
        parts = []
        if knobs.faces < full.faces:
            has = "train on" if name == UNAWARE else "protect"
            parts.append(f"{has} {knobs.faces} public faces instead of {full.faces}")
        if knobs.steps < full.steps:
            parts.append(f"train decoders for {knobs.steps} steps instead of {full.steps}")
        if knobs.epochs < full.epochs:
            parts.append(f"train students for {knobs.epochs} epochs instead of {full.epochs}")
        if parts:
            start = "Unaware attackers" if name == UNAWARE else f"Aware attackers on {name}"
            said.append(f"{start} {', '.join(parts)}.")
    if plan.dropped:
        said.append(
            f"{len(plan.dropped)} cells are run only if time is left at the end; those that were not are listed."
        )
    if most > OPTIMIZED and any(job.few for one in subjects for job in plan.jobs(one, cast)):
        said.append(f"Attackers who optimize every face are run on {OPTIMIZED} pairs.")
    return said


def first_pairs(budget: float) -> int:
    """How many pairs to begin with: a pair takes about two seconds of what an audit of one protection takes."""
    return next((number for number in PAIRS if budget >= 3.0 * number), PAIRS[-1])
