"""Validating a system into a folder, batch of victims after batch, so that a stopped job goes on where it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from bauta.attacks import AnySystem
from bauta.attacks.reconstruction.search import LatentSearch
from bauta.errors import BadFile
from bauta.faces import read_image, write_image
from bauta.faces.images import write_bytes
from bauta.study.records import Row
from bauta.study.validation import BLIND, Attacked, Reader, Targets, blind, recover, scored
from bauta.types import Images, Templates

PICTURES, SEARCHED = "reconstructions", "searched"
ATOMS = re.compile(r"[^A-Za-z0-9.@+-]+")


@dataclass(frozen=True)
class Sum:
    """Tells a number on top of what was before."""

    before: int
    told: Callable[[int], None]

    def __call__(self, now: int) -> None:
        """Pass the sum on."""
        self.told(self.before + now)


@dataclass(frozen=True)
class ValidationJob:
    """One system under one search.

    folder: reconstructions/NUMBER-NAME.png, one a target, and searched/BATCH.json with the queries that each took,
    written when a batch is done; a batch that was stopped is searched anew, with the same draws. attack: fitted.
    queries: at most so many for each target. limits: specs, see `limited`. batch: targets that are searched at once,
    each with draws of its own.
    """

    folder: Path
    system: Attacked
    targets: Targets
    attack: LatentSearch
    queries: int
    limits: Sequence[str] = ()
    batch: int = 5
    seed: int = 0

    def search(self, told: Callable[[int], None]) -> Results:
        """Search for all targets. told hears how many queries were made so far, those of earlier runs among them.

        Raises `BadFile`.
        """
        faces = self.targets.faces
        enrolled, spent = self.system.enroll(faces), torch.zeros(len(faces), dtype=torch.long)
        for number, rows in enumerate(torch.split(torch.arange(len(faces)), self.batch)):
            path = self.folder / SEARCHED / f"{number:03d}.json"
            before, known = int(spent.sum()), self.known(path, rows)
            if known is None:
                known = self.batched(path, rows, enrolled, Sum(before, told))
            spent[rows] = known
            told(int(spent.sum()))
        pictures = torch.stack([read_image(self.picture(row)) for row in range(len(faces))])
        drawn = blind(self.attack.prior, torch.arange(len(faces)), self.seed)
        return Results(self, pictures, drawn, spent, enrolled)

    def batched(self, path: Path, rows: Tensor, enrolled: Templates, told: Callable[[int], None]) -> Tensor:
        """Search for one batch and write it down; its queries."""
        found = recover(
            self.attack,
            AnySystem(self.system.score(enrolled)),
            rows,
            enrolled=len(enrolled),
            queries=self.queries,
            limits=self.limits,
            told=told,
        )
        for row, picture in zip(rows.tolist(), found.pictures, strict=True):
            write_image(self.picture(row), picture)
        taken = dict(zip(self.digests(rows), found.queries.tolist(), strict=True))
        write_bytes(path, (json.dumps(taken, indent=1) + "\n").encode())
        return found.queries

    def known(self, path: Path, rows: Tensor) -> Tensor | None:
        """The queries of a batch that was searched before, None of one that was not. Raises `BadFile`."""
        if not path.exists():
            return None
        try:
            taken = json.loads(path.read_bytes())
            spent = [int(taken[digest]) for digest in self.digests(rows)]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise BadFile(f"{path} is not of these victims ({error}); delete it to search again.") from error
        return torch.tensor(spent) if all(self.picture(row).is_file() for row in rows.tolist()) else None

    def digests(self, rows: Tensor) -> list[str]:
        """Which pictures are enrolled under these numbers."""
        return self.targets.faces[rows].digests()

    def picture(self, row: int) -> Path:
        """Where the reconstruction of a target lies: under its number and its file's name."""
        source = self.targets.faces.source
        stem = ATOMS.sub("_", PurePosixPath(source[row].file).stem)[:60] if source else "face"
        return self.folder / PICTURES / f"{row:03d}-{stem}.png"


@dataclass(frozen=True)
class Results:
    """What a job found. pictures: (T, 3, H, W). blind: draws of the prior that nobody searched for. queries: (T,).
    enrolled: (T, D), the templates in the system."""

    job: ValidationJob
    pictures: Images
    blind: Images
    queries: Tensor
    enrolled: Templates

    def rows(self, readers: Sequence[Reader]) -> Iterator[Row]:
        """What was found and what nobody searched for, scored. readers: the validating recognizers."""
        job = self.job
        facts: dict[str, object] = {"limit": ", ".join(job.limits), "budget": job.queries}
        for name, images, queries in ((repr(job.attack), self.pictures, self.queries), (BLIND, self.blind, None)):
            cell = f"{job.system.name} / {name}"
            blank = Row(cell, job.system.name, "attack", name, "", None, seed=job.seed, settings=facts)
            yield from scored(blank, images, job.targets, job.system, self.enrolled, readers, queries)
