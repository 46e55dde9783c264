"""A plan: how many pairs, faces and steps there is time for, made once, written down, and kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bauta.errors import BadFile
from bauta.study.audit.attackers import (
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
    jobs,
)
from bauta.study.audit.budget import shared
from bauta.study.audit.prices import Prices
from bauta.study.audit.subjects import Subject
from bauta.study.run import cell_of

CAUTION = 0.75  # of the time that is left when the plan is made: what is measured on a few faces is measured roughly
REPORT = 0.06  # of the budget, for curves, pictures, tables and the report
UNAWARE = "unaware"


@dataclass(frozen=True)
class Plan:
    """What an audit will do.

    pairs: of the protocol. probes: pictures that are attacked. unaware: what attackers get who have the bare device;
    aware: system -> what those get who know it. dropped: cell -> why it will not be run. seconds: cell -> how long it
    should take; "NAME / system" is the victims' pictures.
    """

    pairs: int
    probes: int
    unaware: Knobs
    aware: Mapping[str, Knobs]
    dropped: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    def of(self, system: str) -> Knobs:
        """What attackers get who know a system."""
        return self.aware.get(system, self.unaware)

    def written(self) -> dict[str, Any]:
        """As settings.json has it."""
        return asdict(self)

    @staticmethod
    def read(said: Mapping[str, Any]) -> Plan:
        """A plan that was written down. Raises `BadFile`."""
        try:
            return Plan(
                int(said["pairs"]),
                int(said["probes"]),
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


def planned(subjects: Sequence[Subject], cast: Cast, prices: Prices, pairs: int, probes: int, left: float) -> Plan:
    """Divide the seconds that are left among unaware attackers, and the aware ones of each system.

    Where even the least that says anything takes too long, what counts least is dropped, cell by cell, and said.
    """
    faces = {one.name: system_price(one, cast, prices, probes) for one in subjects}
    time = CAUTION * left - sum(faces.values())

    def cost_unaware(share: float) -> float:
        knobs = between(MOST, share, cast.public)
        return sum(unaware_price(subjects, cast, prices, knobs))

    def cost_aware(one: Subject, share: float) -> float:
        knobs = between(MOST_AWARE, share, cast.public)
        return sum(prices.of(one.name, job) for job in jobs(one, cast, LEAST, knobs) if job.aware)

    known = [one for one in subjects if not one.bare]
    groups = [cost_unaware, *(lambda share, one=one: cost_aware(one, share) for one in known)]
    shares = shared(max(0.0, time), groups)
    unaware = between(MOST, shares[0], cast.public)
    aware = {one.name: between(MOST_AWARE, share, cast.public) for one, share in zip(known, shares[1:], strict=True)}
    seconds, dropped = cells(subjects, cast, prices, Plan(pairs, probes, unaware, aware), max(0.0, time))
    return Plan(pairs, probes, unaware, aware, dropped, seconds | {f"{n} / system": s for n, s in faces.items()})


def system_price(one: Subject, cast: Cast, prices: Prices, probes: int) -> float:
    """The victims' pictures through a system: protected once, and looked at by several parts."""
    looks = 3 if one.bare else 5
    views = looks * probes * 4 * prices.unit(one.name, EMBEDDED)
    return views + probes * prices.unit(one.name, PROTECTED) + 1.5 * prices.unit(one.name, JUDGED)


def unaware_price(subjects: Sequence[Subject], cast: Cast, prices: Prices, knobs: Knobs) -> list[float]:
    """Each unaware job; what was trained on the bare device is not trained again behind a protection."""
    trained: set[str] = set()
    found = []
    for one in subjects:
        for job in jobs(one, cast, knobs, LEAST):
            if not job.aware:
                found.append(price(one, job, prices, trained))
    return found


def price(one: Subject, job: Job, prices: Prices, trained: set[str]) -> float:
    """One job, whose training is paid for once for each device."""
    key = f"{one.cut} {job.attack!r} {job.attack.knowledge.sees}"
    if not job.aware and key in trained:
        takes = {name: number for name, number in job.takes.items() if name in (JUDGED, READ)}
        return sum(prices.unit(one.name, name) * number for name, number in takes.items())
    trained.add(key)
    return prices.of(one.name, job)


def cells(
    subjects: Sequence[Subject], cast: Cast, prices: Prices, plan: Plan, time: float
) -> tuple[dict[str, float], dict[str, str]]:
    """Cell -> seconds of what is run, and cell -> why of what is dropped, those that count least first."""
    trained: set[str] = set()
    found: list[tuple[int, int, str, float]] = []
    for place, one in enumerate(subjects):
        for job in jobs(one, cast, plan.unaware, plan.of(one.name)):
            found.append((job.order, place, cell_of(one.name, job.attack), price(one, job, prices, trained)))
    total, seconds, dropped = sum(entry[3] for entry in found), {}, {}
    for order, _, cell, cost in sorted(found, reverse=True):
        if total > time and order > 1:
            dropped[cell] = f"no time: it would take about {max(1, round(cost))} s"
            total -= cost
        else:
            seconds[cell] = cost
    return seconds, dropped


def cuts(plan: Plan, pairs: int | None, available: int, subjects: Sequence[Subject], cast: Cast) -> list[str]:
    """What the budget made smaller, in sentences. pairs: as many as were asked for, None where nobody said.
    available: the protocol's."""
    said = []
    if pairs is None and plan.pairs < min(available, PAIRS[0]):
        said.append(f"{plan.pairs} pairs are compared instead of {min(available, PAIRS[0])}: intervals are wider.")
    public = cast.public
    who = {UNAWARE: (plan.unaware, MOST)} | {name: (knobs, MOST_AWARE) for name, knobs in plan.aware.items()}
    for name, (knobs, most) in who.items():
        full = between(most, 1.0, public)
        if name == UNAWARE:
            first = f"Unaware attackers train on {knobs.faces} public faces instead of {full.faces}"
        else:
            first = f"Aware attackers on {name} protect {knobs.faces} faces themselves instead of {full.faces}"
        rest = []
        if knobs.steps < full.steps:
            rest.append(f"decoders train for {knobs.steps} steps instead of {full.steps}")
        if knobs.epochs < full.epochs:
            rest.append(f"students for {knobs.epochs} epochs instead of {full.epochs}")
        parts = ([first] if knobs.faces < full.faces else []) + rest
        if parts:
            start = "" if knobs.faces < full.faces else f"{name[0].upper()}{name[1:]}: "
            said.append(f"{start}{', '.join(parts)}.")
    if plan.dropped:
        said.append(f"{len(plan.dropped)} cells are not run for want of time; they are listed.")
    few = [one for one in subjects if any(job.few for job in jobs(one, cast, plan.unaware, plan.of(one.name)))]
    if few and plan.pairs > OPTIMIZED:
        said.append(f"Attackers who optimize every face are run on {OPTIMIZED} pairs.")
    return said


PAIRS = (400, 200, 100, 60, 40, 20)
"""How many pairs are compared, by the time that there is."""


def first_pairs(budget: float) -> int:
    """How many pairs to begin with: a pair takes about two seconds of what an audit of one protection takes."""
    return next((number for number in PAIRS if budget >= 3.0 * number), PAIRS[-1])
