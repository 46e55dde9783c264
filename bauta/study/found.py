"""Rows by who was protected, who looked and what was measured: how the tables find their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bauta.metrics.base import Interval, wilson
from bauta.study.records import Row
from bauta.study.run import FAR, OF_PICTURES

EQ10 = "accuracy (Eq. 10)"
CLEAN = "accuracy on the clean pairs"
ITSELF = "accepted as itself"
STRANGER = "accepted as a stranger"
TAR = f"TAR@FAR={FAR:g} recalibrated"
RATES = (EQ10, CLEAN, ITSELF, STRANGER, "accepted as the same person", "rank-1")
OWNER = "the authorized recognizer"
VIEWER = "a viewer"

READER = re.compile(r"(?:Purify\()?ForeignRecognizer\('([^']+)'\)(?:, '([^']+)'\))?")
CUT = re.compile(r"([^ ,]+)@(\d+)")
HOLDER = "ClientHolder("

Cells = dict[str, object]


class Party(NamedTuple):
    """What the name of a system says.

    authorized: network and cut, for each authorized recognizer. reader: which of several reads; the only one, where
    there is one. service: what the picture went through, "" for nothing.
    """

    authorized: tuple[tuple[str, int], ...]
    reader: str
    service: str

    @property
    def names(self) -> str:
        """The authorized networks."""
        return " + ".join(name for name, _ in self.authorized)

    @property
    def cuts(self) -> str:
        """Their cuts."""
        return " + ".join(str(cut) for _, cut in self.authorized)


def party(system: str) -> Party:
    """``a@20 + b@21, read by a | JPEG 75`` -> who is authorized, who reads, after what; nobody for others."""
    who, _, service = system.partition(" | ")
    who, _, reader = who.partition(", read by ")
    ends = [CUT.fullmatch(part) for part in who.split(" + ")]
    authorized = tuple((end[1], int(end[2])) for end in ends if end)
    return Party(authorized, reader or (authorized[0][0] if len(authorized) == 1 else ""), service)


@dataclass(frozen=True)
class Found:
    """Rows by system, attack and metric. Where one was measured twice, on more and on fewer pairs, more pairs count."""

    rows: Iterable[Row]
    by: dict[tuple[str, str, str], Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.rows:
            key = row.system, row.attack, row.metric
            if key not in self.by or row.n > self.by[key].n:
                self.by[key] = row

    def get(self, system: str, attack: str, metric: str) -> Interval | None:
        """A measured number, None where there is none."""
        row = self.by.get((system, attack, metric))
        return None if row is None else interval(row)

    def facts(self, system: str) -> dict[str, object]:
        """What the study says of a system, in its rows' settings."""
        return next((row.settings for (name, _, _), row in self.by.items() if name == system), {})

    @property
    def quick(self) -> bool:
        """Whether these are the rows of a quick run, which is there to see it work and says nothing."""
        return any(row.settings.get("quick") for row in self.by.values())

    def systems(self) -> list[str]:
        """In the order in which they were measured."""
        return list(dict.fromkeys(system for system, _, _ in self.by))

    def attacks(self, system: str) -> list[str]:
        """Who looked at a system, in the order in which they were measured."""
        return list(dict.fromkeys(attack for s, attack, _ in self.by if s == system))

    def readers(self, system: str) -> list[str]:
        """The foreign recognizers that looked at a system."""
        found = [READER.fullmatch(attack) for attack in self.attacks(system)]
        return list(dict.fromkeys(match[1] for match in found if match))

    def raw(self, system: str, reader: str, metric: str) -> Interval | None:
        """What a foreign recognizer reaches on the pictures as they are."""
        return self.get(system, f"ForeignRecognizer({reader!r})", metric)

    def purified(self, system: str, reader: str, metric: str) -> tuple[str, Interval] | None:
        """The filter that helps a foreign recognizer most, and what it reaches."""
        matches = [match for a in self.attacks(system) if (match := READER.fullmatch(a)) and match[2]]
        reached = [(m[2], self.get(system, m[0], metric)) for m in matches if m[1] == reader]
        return most([(name, interval) for name, interval in reached if interval is not None])

    def holder(self, system: str, metric: str) -> Interval | None:
        """What the holder of the client's layers reaches."""
        attack = next((a for a in self.attacks(system) if a.startswith(HOLDER)), "")
        return self.get(system, attack, metric)

    def chosen(self) -> dict[str, str]:
        """Authorized network -> its main system: of its cuts the one on most pairs, the first of equals."""
        sizes: dict[str, dict[str, int]] = {}
        for system in self.systems():
            who, own = party(system), self.get(system, OWNER, EQ10)
            if len(who.authorized) == 1 and not who.service and own is not None:
                sizes.setdefault(who.names, {})[system] = own.n
        return {name: max(cuts, key=cuts.__getitem__) for name, cuts in sizes.items()}

    def several(self) -> list[str]:
        """The systems with more than one authorized network, as foreign recognizers see them."""
        shared = [system.split(", read by ")[0] for system in self.systems() if len(party(system).authorized) > 1]
        return list(dict.fromkeys(shared))


def interval(row: Row) -> Interval | None:
    """A row's number, None where it could not be measured."""
    if row.value is None:
        return None
    if row.metric.removesuffix(OF_PICTURES) in RATES and row.value in (0, 1) and row.n:
        # draws from equal rows are all equal: only the number of rows says how sure this is
        return wilson(round(row.value * row.n), row.n)
    low, high = (row.value if end is None else end for end in (row.low, row.high))
    return Interval(row.value, low, high, row.n)


def most(reached: Sequence[tuple[str, Interval]]) -> tuple[str, Interval] | None:
    """The name that reached most, None of none."""
    return max(reached, key=lambda pair: pair[1].value, default=None)
