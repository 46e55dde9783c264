"""A study in parts that do not depend on each other, for the workers of an engine.

A study asks of every cell, before it measures it, whether it is done. So it is gone through once with everything done,
which tells the names of its cells; and a part is the study with all other cells done, as after a stop. Whatever is
protected with the same pictures stays in one part: no picture is made twice, and the batches are those of one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from bauta.errors import UsageError
from bauta.faces import load_pairs
from bauta.study import records
from bauta.study.gallery import Gallery, common_faces
from bauta.study.presets.settings import Settings, public_faces
from bauta.study.records import Row

Study = Callable[[Settings, bool], Iterator[Row]]

SPLIT = ("pmt-abuse", "pmt-parameters", "pmt-scalability", "pmt-ablation", "pmt-embedded")
"""Studies whose cells share nothing but data and networks beyond the pictures of one system."""

SHARED = (" / ", " | ", ", read by ")  # before these stands whose pictures a cell is about


class Roll(frozenset[str]):
    """Says of every cell that it is done, and writes its name down, once, in the order in which a study asks."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def __contains__(self, cell: object) -> bool:
        self.names[str(cell)] = None
        return True

    def __or__(self, other: object) -> Roll:
        return self


def roll(study: Study, settings: Settings, quick: bool) -> list[str]:
    """The names of all cells, in order; nothing is measured. Raises `UsageError` for a study that measures anyway."""
    asked = Roll()
    for row in study(replace(settings, done=asked, progress=None, show=None, device="cpu"), quick):
        raise UsageError(f"{row.cell} is measured whatever is done; run this study without --engine and --workers.")
    return list(asked.names)


def check_split(name: str) -> None:
    """Raise `UsageError` for a study whose cells share more than pictures, such as trained networks."""
    if name not in SPLIT:
        raise UsageError(
            f"The cells of {name} share what they train, so it runs in one process: leave --engine and --workers out. "
            f"Those that run in several are {', '.join(SPLIT)}."
        )


def parts(cells: Sequence[str], done: frozenset[str]) -> list[list[str]]:
    """The cells that are not done, those about the same pictures together."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        whose = cell
        for mark in SHARED:
            whose = whose.partition(mark)[0]
        if cell not in done:
            found.setdefault(whose, []).append(cell)
    return list(found.values())


@dataclass(frozen=True)
class Measuring:
    """A worker: measures the cells of a part. It loads data and networks where it is, under the same names.

    cells: of the whole study. pairs: of the protocol. The rest as in `Settings`.
    """

    study: Study
    quick: bool
    cells: Sequence[str]
    data: str | Path
    pairs: int
    out: Path
    seed: int
    device: torch.device

    @cached_property
    def settings(self) -> Settings:
        """What the study takes, loaded once a process."""
        victims = load_pairs(self.data, self.pairs)
        public, show = public_faces(self.data, victims), Gallery(self.out, common_faces(victims))
        return Settings(victims, self.out, self.seed, public=public, show=show, device=self.device, data=self.data)

    def __call__(self, part: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
        """Cell after cell with its rows, each complete."""
        others = frozenset(self.cells) - set(part)
        yield from records.cells(self.study(replace(self.settings, done=others), self.quick))
