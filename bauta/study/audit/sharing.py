"""An audit shared out among the workers of an engine: a system and a tier each. The rows are written here alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from bauta.job.asked import reached
from bauta.job.engine import Engine
from bauta.study import records
from bauta.study.audit.auditing import Auditing, Share
from bauta.study.audit.opening import Opened, joined
from bauta.study.audit.request import ROWS, Request
from bauta.study.records import Row


@dataclass(frozen=True)
class Sharing:
    """A worker: measures shares of an audit that another process has opened, by the plan in its folder.

    done: cells that were measured before. until: when the time is over, in seconds since the epoch.
    """

    request: Request
    done: frozenset[str]
    until: float

    @cached_property
    def auditing(self) -> Auditing:
        """What runs the plan, loaded once a process."""
        return joined(self.request, self.done, self.until - time.time())

    def __call__(self, share: Share) -> Iterator[tuple[str, list[Row]]]:
        """Cell after cell with its rows, each complete."""
        yield from records.cells(self.auditing.share(share))


def shared(audit: Opened, engine: Engine) -> Iterator[tuple[str, list[Row]]]:
    """The cells of an audit, as workers measure them, each once; and at the end the rows on disk in their order.

    Whoever takes a cell must write it down before the next is asked for. A protection that cannot be fitted fails in
    every share of its system, and is told once.
    """
    auditing = audit.auditing
    worker = Sharing(elsewhere(audit.request, auditing, engine), auditing.done, time.time() + auditing.clock.left)
    shares, told = auditing.shares(), set[str]()
    place = {cell: number for number, share in enumerate(shares) for cell in auditing.cells_of(share)}
    for cell, rows in engine.run(worker, shares):
        if cell in told:
            continue
        told.add(cell)
        if auditing.told is not None:
            behind = told | auditing.done & place.keys()
            ahead = sum(auditing.plan.seconds.get(name, 0.0) for name in place.keys() - behind)
            auditing.told(cell, len(behind), max(len(behind), len(place)), ahead)
        yield cell, rows
    records.arrange(audit.request.out / ROWS, place)


def elsewhere(request: Request, auditing: Auditing, engine: Engine) -> Request:
    """The request as a worker needs it: with the readers that are here, and paths that do not depend on a folder."""
    moved = replace(request, out=Path(reached(engine, request.out)))
    if request.readers is None:
        moved = replace(moved, readers=[reader.recognizer.name for reader in auditing.cast.readers])
    if Path(request.data).expanduser().exists():
        moved = replace(moved, data=reached(engine, Path(request.data).expanduser()))
    if isinstance(request.recognizer, str) and Path(request.recognizer).is_dir():
        moved = replace(moved, recognizer=str(reached(engine, request.recognizer)))
    return moved
