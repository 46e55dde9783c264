"""One scheme of `map2v` under its searches and attacks, in rows."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bauta.attacks import AnySystem, Attack
from bauta.attacks.reconstruction.search import LatentSearch
from bauta.errors import BautaError
from bauta.generators import FacePrior
from bauta.ops.quantize import through_8bit
from bauta.pipeline import System
from bauta.study.presets.map2vnatives import beside_cell, drawn_by
from bauta.study.presets.settings import Settings
from bauta.study.records import Row, complete
from bauta.study.run import seed_everything
from bauta.study.validation import (
    ANOTHER,
    BLIND,
    OWN,
    Attacked,
    Reader,
    Targets,
    blind,
    reading,
    recover,
    scored,
)
from bauta.train import ColorCast
from bauta.types import Faces, Images


@dataclass(frozen=True)
class Size:
    """How much is asked. victims: people; queries: pictures about each; marks: where what is known is scored;
    priors: draws that the published search ranks."""

    victims: int
    queries: int
    marks: tuple[int, ...]
    priors: int


class Ground:
    """What all schemes under one light share: the people, the prior, fitted here, and what validators make of them.

    cast: how strong the light is. attacker: whose faces the prior and other attackers learn from.
    """

    def __init__(
        self, settings: Settings, attacker: Faces, found: Targets, cast: float, size: Size, prior: FacePrior
    ) -> None:
        self.size = size
        light = ColorCast(cast, seed=settings.seed) if cast else None
        self.targets = found if light is None else replace(found, real=light(found.real))
        self.public = attacker if light is None else light(attacker)
        self.prior = prior.fit(self.public)
        self.device = settings.device
        self._readers: dict[str, Reader] = {}

    def reader(self, name: str) -> Reader:
        """A recognizer that takes no part, with what it makes of the real pictures."""
        if name not in self._readers:
            self._readers[name] = Reader(name, reading(name, self.device), self.targets)
        return self._readers[name]


class Judge:
    """Everything about one scheme, in rows, without the cells that are done. validators: those that take no part."""

    def __init__(
        self, settings: Settings, name: str, system: System, ground: Ground, validators: Sequence[str]
    ) -> None:
        self.settings, self.name, self.system, self.ground = settings, name, system, ground
        self.attacked = Attacked.of(name, system, settings.device)
        self.enrolled = self.attacked.enroll(ground.targets.faces)
        apart = [ground.reader(validator) for validator in validators]
        self.readers = [Reader(OWN, self.attacked.asked, ground.targets), *apart]

    def unasked(self) -> Iterator[Row]:
        """What nobody searched for: a draw of the prior, and the person's other photo, whom the system should know."""
        found, numbers = self.ground.targets, torch.arange(len(self.enrolled))
        drawn = blind(self.ground.prior, numbers, self.settings.seed)
        for what, pictures in ((BLIND, drawn), (ANOTHER, found.real.images[found.other])):
            blank = self.blank(unasked_cell(self.name, what), what)
            if blank.cell not in self.settings.done:
                yield from complete(self.scored(blank, pictures))

    def searched(self, search: LatentSearch, limits: Sequence[str]) -> Iterator[Row]:
        """One search: its rows at the marks, each a cell, and at the end."""
        cell, size = cell_of(self.name, search, limits), self.ground.size
        if cell in self.settings.done:
            return
        blank = self.blank(cell, repr(search), limit=", ".join(limits))
        seed_everything(self.settings.seed, cell)
        fitted = copy.copy(search)
        if not search.prior.ready:
            fitted.prior = self.ground.prior
        try:
            made = recover(
                fitted,
                AnySystem(self.attacked.score(self.enrolled)),
                torch.arange(len(self.enrolled)),
                enrolled=len(self.enrolled),
                queries=size.queries,
                limits=limits,
                marks=size.marks,
            )
        except BautaError as error:  # CMA-ES needs a package
            yield from complete([replace(blank, metric="failed", note=str(error))])
            return
        self.show(replace(blank, cell=f"{cell} / {blank.knows}"), made.pictures)
        if not limits:
            for mark, pictures in [*made.after.items(), (size.queries, made.pictures)]:
                own = replace(blank, cell=f"{cell} after {mark}", settings={**blank.settings, "after": mark})
                yield from complete(self.scored(own, pictures))
        yield from complete(self.scored(blank, made.pictures, made.queries))

    def beside(self, attack: Attack) -> Iterator[Row]:
        """An attack that is not MAP2V's."""
        cell = beside_cell(self.name, attack)
        if cell in self.settings.done:
            return
        blank = self.blank(cell, repr(attack), beside=True)
        blank = replace(blank, knows=attack.knowledge.knows.name)
        seed_everything(self.settings.seed, cell)
        try:
            pictures = through_8bit(drawn_by(attack, self.system, self.ground.public, self.ground.targets.faces))
        except BautaError as error:
            yield from complete([replace(blank, metric="failed", note=str(error))])
            return
        self.show(blank, pictures)
        yield from complete(self.scored(blank, pictures))

    def blank(self, cell: str, attack: str, **facts: object) -> Row:
        """A row of this scheme without a number."""
        knows, seed = "NOTHING", self.settings.seed
        return Row(cell, self.name, "attack", attack, "", None, knows=knows, seed=seed, settings=facts)

    def scored(self, blank: Row, pictures: Images, queries: Tensor | None = None) -> Iterator[Row]:
        """Pictures for the targets, in all scores."""
        ground = self.ground
        return scored(blank, pictures, ground.targets, self.attacked, self.enrolled, self.readers, queries)

    def show(self, blank: Row, pictures: Images) -> None:
        """Tell who looks."""
        if self.settings.show is not None:
            self.settings.show(blank.cell, pictures, self.ground.targets.faces)


def cell_of(name: str, search: LatentSearch, limits: Sequence[str]) -> str:
    """The key of one search at one scheme."""
    return f"{name} / {search!r}" + "".join(f" | {limit}" for limit in limits)


def unasked_cell(name: str, what: str) -> str:
    """The key of pictures that nobody searched for."""
    return f"{name} / {what}"
