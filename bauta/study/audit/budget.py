"""How much time there is, and how it is spent: ``"20m"``, a clock, and who gets how much of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bauta.errors import UsageError

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")
DRAG = 0.3  # the share of a new cell in how much slower than planned things are


def seconds(text: str) -> float:
    """``90``, ``"90s"``, ``"20m"`` or ``"2h"`` as seconds. Raises `UsageError`."""
    found = LENGTH.fullmatch(str(text).strip())
    if found is None or not float(found[1]):
        raise UsageError(f"A budget is a time like 90s, 20m or 2h; got {text!r}.")
    return float(found[1]) * UNITS[found[2]]


@dataclass
class Clock:
    """Counts what is left of a budget, and how much slower than planned things go.

    budget: seconds. spent before: of the time that was needed before this clock was made.
    """

    budget: float
    now: Callable[[], float] = time.monotonic
    drag: float = 1.0
    begun: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.now()

    @property
    def spent(self) -> float:
        """Seconds since it was made."""
        return self.now() - self.begun

    @property
    def left(self) -> float:
        """Seconds that are left, below zero where there are none."""
        return self.budget - self.spent

    def fits(self, planned: float) -> bool:
        """Whether what was planned to take so long still ends in time, at the pace of what was done."""
        return planned * max(1.0, self.drag) <= self.left

    def took(self, planned: float, actual: float) -> None:
        """Learn from a cell how much slower than planned things go; what takes next to no time teaches nothing."""
        if max(planned, actual) > 0.5:
            self.drag = (1 - DRAG) * self.drag + DRAG * min(5.0, actual / max(planned, 0.1))


def shared(total: float, costs: Sequence[Callable[[float], float]]) -> list[float]:
    """A share in [0, 1] for each of some groups whose costs grow with it, so that together they cost at most `total`.

    All get the same time; what somebody cannot use is divided among the others. Where even a share of 0 costs more
    than there is, it is 0.
    """
    shares = [0.0] * len(costs)
    open_ = list(range(len(costs)))
    left = total
    while open_:
        each = left / len(open_)
        full = [i for i in open_ if costs[i](1.0) <= each]
        if not full:
            for i in open_:
                shares[i] = largest(costs[i], each)
            return shares
        for i in full:
            shares[i] = 1.0
            left -= costs[i](1.0)
            open_.remove(i)
    return shares


def largest(cost: Callable[[float], float], most: float) -> float:
    """The largest share in [0, 1] that costs at most so much, by halving."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if cost(middle) <= most else (low, middle)
    return low
