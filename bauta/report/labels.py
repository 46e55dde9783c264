"""Where the number of a point stands, so that it covers no other point and no other number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

Place = tuple[float, float]

NEAR = (15.0, 21.0, 28.0, 36.0, 46.0, 58.0, 72.0, 88.0)  # pixels from its point
ANGLES = (-45, 45, -135, 135, 0, 180, -90, 90, -22, 22, -157, 157, -67, 67, -112, 112)  # degrees, clockwise
HALF = (8.0, 7.0)  # of the box around a number
ROOM = 6.0  # about the middle of a point


def placed(named: Sequence[Place], points: Sequence[Place], box: tuple[float, float, float, float]) -> list[Place]:
    """The middle of each label of `named`, within `box` (left, top, right, bottom): the nearest place that is free.

    points: what no label may cover. Where no place is free, the furthest one that was tried.
    """
    found: list[Place] = []
    for own in named:
        tried = [at for at in around(own) if inside(at, box)] or [own]
        free = (at for at in tried if not any(covers(at, p) for p in points) and not any(meets(at, o) for o in found))
        found.append(next(free, tried[-1]))
    return found


def around(point: Place) -> Iterator[Place]:
    """Places about a point, the nearest first."""
    for distance in NEAR:
        for angle in ANGLES:
            turn = math.radians(angle)
            yield point[0] + distance * math.cos(turn), point[1] + distance * math.sin(turn)


def inside(at: Place, box: tuple[float, float, float, float]) -> bool:
    """Whether a label lies in the box as a whole."""
    left, top, right, bottom = box
    return left + HALF[0] <= at[0] <= right - HALF[0] and top + HALF[1] <= at[1] <= bottom - HALF[1]


def covers(at: Place, point: Place) -> bool:
    """Whether a label lies over a point."""
    return abs(at[0] - point[0]) < HALF[0] + ROOM / 2 and abs(at[1] - point[1]) < HALF[1] + ROOM / 2


def meets(one: Place, other: Place) -> bool:
    """Whether two labels overlap."""
    return abs(one[0] - other[0]) < 2 * HALF[0] and abs(one[1] - other[1]) < 2 * HALF[1]
