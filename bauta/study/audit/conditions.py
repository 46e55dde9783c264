"""``worst linkage > 0.1``: what must not be, as a line of a build script, read by a small strict grammar.

::

    condition = quantity comparison number ["for" system]
    quantity  = "utility" | ["worst"] ("identity" | "linkage" | "picture" | "attributes" | "replay" | "leak")
    comparison = ">" | ">=" | "<" | "<="

"linkage" is "identity", "leak" the highest of identity, picture and attributes. All numbers lie in [0, 1], as
`bauta.study.tradeoff` scales them: 0 is chance.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bauta.errors import UsageError
from bauta.metrics.base import Interval
from bauta.study.records import Row
from bauta.study.sanity import is_bare
from bauta.study.tradeoff import INFRINGING, KINDS, utilities, worst_case

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
LINKAGE, LEAK, UTILITY = "linkage", "leak", "utility"
QUANTITIES = (UTILITY, *KINDS, LINKAGE, LEAK)
GRAMMAR = re.compile(
    r"\s*(?:(?P<use>utility)|(?:worst\s+)?(?P<kind>identity|linkage|picture|attributes|replay|leak))"
    r"\s*(?P<comparison>>=|<=|>|<)\s*(?P<number>\d+(?:\.\d*)?|\.\d+)(?:\s+for\s+(?P<system>\S(?:.*\S)?))?\s*"
)


@dataclass(frozen=True)
class Condition:
    """One condition. system: of which alone it speaks, by name, whole or up to its cut; "" for every protected one."""

    text: str
    quantity: str
    comparison: str
    number: float
    system: str = ""

    def concerns(self, names: Iterable[str]) -> list[str]:
        """The systems of `names` that it speaks of."""
        return [name for name in names if not self.system or name == self.system or name.startswith(f"{self.system},")]


@dataclass(frozen=True)
class Finding:
    """A condition that is met, or that cannot be answered, on one system."""

    condition: Condition
    system: str
    value: Interval | None

    def __str__(self) -> str:
        asked = f'"{self.condition.text.strip()}"'
        if self.value is None:
            return f"{asked} cannot be answered for {self.system}: {self.condition.quantity} was not measured."
        found = f"{self.value.value:.3f} [{self.value.low:.3f}, {self.value.high:.3f}]"
        return f"{asked} is true of {self.system}: {self.condition.quantity} is {found}."


def condition(text: str) -> Condition:
    """Read a condition. Raises `UsageError`."""
    found = GRAMMAR.fullmatch(text)
    if found is None:
        raise UsageError(
            f"{text!r} is no condition; write one like 'worst linkage > 0.1' or 'utility < 0.9 for PMT()', of "
            f"{', '.join(QUANTITIES)}."
        )
    quantity = found["use"] or {LINKAGE: KINDS[0]}.get(found["kind"], found["kind"])
    number = float(found["number"])
    if number > 1:
        raise UsageError(f"{text!r} compares with {number:g}, but utility and leaks lie in 0..1.")
    return Condition(text, quantity, found["comparison"], number, found["system"] or "")


def conditions(texts: Sequence[str], names: Sequence[str]) -> list[Condition]:
    """Read conditions about the systems that there will be. Raises `UsageError` for one that speaks of no system."""
    made = [condition(text) for text in texts]
    for one in made:
        if not one.concerns(names):
            known = ", ".join(names) or "none but the bare one"
            raise UsageError(f"{one.text!r} speaks of {one.system or 'protections'}; the systems are {known}.")
    return made


def findings(asked: Iterable[Condition], rows: Iterable[Row], names: Sequence[str]) -> list[Finding]:
    """What is true, or cannot be answered, of the protected systems called `names`: either fails a build.

    The value itself is compared, not an end of its interval.
    """
    rows = [row for row in rows if not is_bare(row)]
    uses, worst = utilities(rows), worst_case(rows)
    found = []
    for one in asked:
        for name in one.concerns(names):
            if one.quantity == UTILITY:
                value = uses.get(name)
            else:
                kinds = INFRINGING if one.quantity == LEAK else (one.quantity,)
                leaks = [worst[name][kind].leak for kind in kinds if kind in worst.get(name, {})]
                value = max(leaks, key=lambda leak: leak.value, default=None)
            if value is None or COMPARISONS[one.comparison](value.value, one.number):
                found.append(Finding(one, name, value))
    return found
