"""What a system shows of the victims, computed once and looked at by many attacks."""

from __future__ import annotations

import torch
from torch import Tensor

from bauta.attacks.base import Attack, Victim
from bauta.faces import Pairs
from bauta.pipeline import Pipeline, System
from bauta.types import Faces, Stage, Templates

BATCH = 32  # 192 maps of twice as many are more than a process keeps between batches (bauta/memory.py)


class Views:
    """Leaks of a system at each stage.

    victims: a verification protocol, or faces alone. The distinct first pictures of a protocol (`probes`), or all
    faces where there is none, pass the probe's pipeline; all pass the gallery's. gallery holds what is known of that
    side. What an attacker has are the same first pictures, on the side that is exposed: `leak`.
    """

    def __init__(self, system: System, victims: Pairs | Faces, gallery: dict[Stage, Tensor]) -> None:
        self.system = system
        self.pairs = victims if isinstance(victims, Pairs) else None
        self.faces = victims.faces if isinstance(victims, Pairs) else victims
        self.probes = torch.arange(len(self.faces)) if self.pairs is None else torch.unique(self.pairs.first)
        self._probe: dict[Stage, Tensor] = {}
        self._leak = self._probe if system.exposed is system.probe else {}
        self._opposite = gallery if system.opposite is system.gallery else {}
        self._bare: dict[Stage, Tensor] = {}
        self._gallery = gallery
        self._reader: Attack | None = None
        self._references = torch.empty(0)

    @property
    def protected(self) -> Faces:
        """The victims whose pictures are attacked, one for each row of `leak`."""
        return self.faces[self.probes]

    @property
    def groups(self) -> Tensor | None:
        """Whose row each row of `leak` is, None where nobody knows."""
        return None if self.faces.identity is None else self.faces.identity[self.probes]

    def probe(self, stage: Stage) -> Tensor:
        """Rows for the first pictures (`probes`) as the matcher is asked for them."""
        return _view(self._probe, self.system.probe, stage, self.protected)

    def leak(self, stage: Stage) -> Tensor:
        """Rows for the first pictures as an attacker has them; of scores, the numbers under which they are enrolled."""
        if stage is Stage.SCORES:
            return torch.arange(len(self.probes))
        return _view(self._leak, self.system.exposed, stage, self.protected)

    def bare(self, stage: Stage) -> Tensor:
        """The same rows without protections."""
        return _view(self._bare, self.system.exposed.bare(), stage, self.protected)

    def gallery(self, stage: Stage) -> Tensor:
        """Rows for all pictures of the protocol."""
        return _view(self._gallery, self.system.gallery, stage, self.faces)

    def opposite(self, stage: Stage) -> Tensor:
        """Rows for all pictures of the protocol, on the side that what leaked is compared with."""
        return _view(self._opposite, self.system.opposite, stage, self.faces)

    def references(self, attack: Attack, victim: Victim) -> Templates:
        """The attacker's templates of the opposite side; purifiers in front of one attack share them.

        Where that side is protected too, it is read as the leak is.
        """
        reader = attack if self.system.opposite.protections else getattr(attack, "reference", attack)
        if self._reader is not reader:
            self._reader, self._references = reader, reader(self.opposite(reader.knowledge.sees), victim)
        return self._references


def _view(seen: dict[Stage, Tensor], pipeline: Pipeline, stage: Stage, faces: Faces) -> Tensor:
    if stage not in seen:
        with torch.no_grad():
            seen[stage] = torch.cat([pipeline.at(stage, batch) for batch in faces.batches(BATCH)])
    return seen[stage]
