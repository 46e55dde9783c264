"""A database of features in, a protected one out: row by row, in memory that does not grow, resumed after any stop."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from bauta.errors import BadFile, BautaError, ShapeError, UsageError
from bauta.faces.align import SIZE
from bauta.job.engine import Engine, Here
from bauta.job.featurestore import Database
from bauta.protections import FeatureProtection
from bauta.recognizers.base import Recognizer
from bauta.zoo.cache import write_whole


class Told(Protocol):
    """Told how many of how many rows are done, of "checking" first and then of "protecting"."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


@dataclass
class Progress:
    """Which rows are done. rows: from the first on. ahead: where batches begin that are done beyond those, since
    workers are not equally quick."""

    rows: int = 0
    ahead: set[int] = field(default_factory=set)

    def add(self, first: int, batch: int, of: int) -> None:
        """The batch that begins there is done."""
        self.ahead.add(first)
        while self.rows in self.ahead:
            self.ahead.remove(self.rows)
            self.rows = min(self.rows + batch, of)

    def missing(self, batch: int, of: int) -> list[int]:
        """Where the batches begin that are not done."""
        return [first for first in range(self.rows, of, batch) if first not in self.ahead]

    def number(self, batch: int, of: int) -> int:
        """How many rows are done."""
        return self.rows + sum(min(batch, of - first) for first in self.ahead)


@dataclass(frozen=True)
class RowProtector:
    """A worker: protects the rows from one on, and writes them where they belong. part: the output so far; the rest as
    in `FeatureJob`."""

    source: Database
    part: Path
    protection: FeatureProtection
    batch: int
    device: torch.device

    def __call__(self, first: int) -> Iterator[int]:
        """Protect and write one batch, and say where it began.

        Raises `UsageError` or `BautaError` where the protection gives what the file cannot hold, `OSError`.
        """
        self.protection.to(self.device)  # a protection comes to a worker as it was fitted
        rows = self.source.read(first, min(first + self.batch, len(self.source)))
        protected = self.protection(rows.to(self.device))
        name = type(self.protection).__name__
        if protected.shape != rows.shape:
            raise UsageError(
                f"{name} turns features {tuple(rows.shape[1:])} into {tuple(protected.shape[1:])}, and a protected "
                "database has the shape of its original; choose another protection."
            )
        if unsound := self.source.unsound(protected):
            raise BautaError(
                f"{name} gives numbers for row {first + unsound[0]} of {self.source.path} that "
                f"{self.source.dtype} cannot hold; protect it as float32, or look at that row."
            )
        replace(self.source, path=self.part).write(first, protected)
        yield first


@dataclass(frozen=True)
class FeatureJob:
    """protection: fitted. settings: what decides the rows beside source and batch; a job goes on only under the same
    ones. overwrite: whether `out` may be replaced. engine: where the work is done; its workers must reach the database
    and the folder of `out` under these very paths.

    The rows so far lie in `part`, which of them are done in `journal`, both beside `out`, which appears when it is
    whole. A batch is protected as a whole, and rounding may depend on who is in it: so the batches are the same for
    every engine and for a job that goes on, and its file is, on the same machine, that of a job that was never stopped.
    """

    source: Database
    out: Path
    protection: FeatureProtection
    settings: Mapping[str, Any]
    batch: int = 32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    overwrite: bool = False
    engine: Engine = field(default_factory=Here)

    @property
    def part(self) -> Path:
        """The output of a run that is not over."""
        return self.out.with_name(f".{self.out.name}.part")

    @property
    def journal(self) -> Path:
        """Settings, and which rows are done, of a run that is not over."""
        return self.out.with_name(f".{self.out.name}.json")

    def run(self, told: Told) -> int:
        """Protect the rows that are not yet, and say how many those were.

        Raises `UsageError` (a wrong place, other settings than before), `BadFile` (rows that are not finite),
        `BautaError` where the protection gives what the file cannot hold or nothing can be written.
        """
        asked = self._asked()
        try:
            done = self._done(asked)
            if done is None or self.part.exists():
                check_place(self.source, self.out, self.overwrite)
            if done is None:
                self.out.parent.mkdir(parents=True, exist_ok=True)
                self._check(told)
                self.source.emptied(self.part)
                done = Progress()
                self._write_down(asked, done)
            of = len(self.source)
            before = done.number(self.batch, of)
            worker = RowProtector(self.source, self.part, self.protection, self.batch, self.device)
            for first in self.engine.run(worker, done.missing(self.batch, of)):
                done.add(first, self.batch, of)
                self._write_down(asked, done)
                told("protecting", done.number(self.batch, of), of)
            if self.part.exists():
                os.replace(self.part, self.out)
            self.journal.unlink()
        except OSError as error:
            raise BautaError(
                f"{error.filename or self.out} cannot be read or written ({error.strerror or error}); make room or "
                "choose another place, and run it again to go on."
            ) from error
        return of - before

    def _check(self, told: Told) -> None:
        """Read all of the source once, so that a bad row is said now and not after hours. Raises `BadFile`."""
        bad: list[int] = []
        for first in range(0, len(self.source), self.batch):
            last = min(first + self.batch, len(self.source))
            bad += [first + row for row in self.source.unsound(self.source.read(first, last))]
            told("checking", last, len(self.source))
        if bad:
            named = ", ".join(map(str, bad[:10])) + (" and others" if len(bad) > 10 else "")
            raise BadFile(
                f"{len(bad)} of {len(self.source)} rows of {self.source.path} are not finite (from 0: {named}); "
                "compute those features again, or take them out."
            )

    def _asked(self) -> dict[str, Any]:
        """What decides the output, as the journal holds it."""
        file = self.source.path.stat()
        source = [str(self.source.path.resolve()), file.st_size, file.st_mtime_ns, self.source.begin]
        return json.loads(json.dumps({"database": source, "batch": self.batch, **self.settings}))  # type: ignore[no-any-return]

    def _write_down(self, asked: Mapping[str, Any], done: Progress) -> None:
        noted = {"settings": asked, "rows": done.rows, "ahead": sorted(done.ahead)}
        write_whole(self.journal, json.dumps(noted).encode())

    def _done(self, asked: Mapping[str, Any]) -> Progress | None:
        """Which rows a run before has written; None where there was none. Raises `UsageError`, `BadFile`."""
        if not self.journal.exists():
            return None
        anew = f"delete {self.journal} to begin anew."
        try:
            noted = json.loads(self.journal.read_bytes())
            before, done = dict(noted["settings"]), Progress(int(noted["rows"]), set(map(int, noted.get("ahead", ()))))
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            raise BadFile(f"{self.journal} cannot be read; {anew}") from error
        if changed := [name for name in asked if before.get(name) != asked[name]]:
            raise UsageError(
                f"{self.out} was begun with another {', '.join(changed)}; run it again as it was, or {anew}"
            )
        of = len(self.source)
        sound = 0 <= done.rows <= of and all(one in range(done.rows, of, self.batch) for one in done.ahead)
        renamed = done.rows == of and self.out.exists() and not self.part.exists()
        file = self.out if renamed else self.part
        if not sound or not file.exists() or file.stat().st_size != asked["database"][1]:
            raise BadFile(f"{self.part} is not what {self.journal} says; {anew}")
        return done


def check_place(source: Database, out: Path, overwrite: bool) -> None:
    """Raise `UsageError` unless a protected copy of `source` can be written to `out`."""
    if out.suffix != source.path.suffix:
        raise UsageError(
            f"The protected database is of the same kind as {source.path}; call it something{source.path.suffix}."
        )
    if out.resolve() == source.path.resolve():
        raise UsageError(f"{out} is the database itself, which is left as it is; choose another --out.")
    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already; choose another --out, or say --overwrite.")


@torch.no_grad()
def check_cut(source: Database, recognizer: Recognizer) -> None:
    """Raise `ShapeError` unless the rows have the shape of the recognizer's features at its cut."""
    device = next(recognizer.parameters()).device
    maps = recognizer.at_cut(len(recognizer.layers)).feature_maps(torch.zeros(1, 3, SIZE, SIZE, device=device))
    shapes = [tuple(m.shape[1:]) for m in maps]
    if shapes[recognizer.cut - 1] != source.row:
        others = [str(cut) for cut, shape in enumerate(shapes, 1) if shape == source.row]
        hint = f"--cut {' or '.join(others)} does" if others else "no cut of it does: choose another --recognizer"
        raise ShapeError(
            f"{source.path} holds features {source.row}, but {recognizer.name} at cut {recognizer.cut} gives "
            f"{shapes[recognizer.cut - 1]}; {hint}."
        )
