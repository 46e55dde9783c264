"""An attack declares what it sees, may do and knows; a victim hands out that and nothing else."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import BeyondKnowledge
from bauta.ops.seeds import seeded
from bauta.pipeline import Pipeline
from bauta.protections.features.frequency import places_of
from bauta.types import Faces, Images, Stage, Templates


class Access(IntEnum):
    """How an attack may use the victim's system."""

    NONE = 0
    QUERY = 1
    GRADIENT = 2


class Knows(IntEnum):
    """What an attack knows of the protection: nothing (unaware), the method, its keys, this very image's draw."""

    NOTHING = 0
    SCHEME = 1
    KEYS = 2
    DRAW = 3


class Guess(Enum):
    """What an attack answers, and so how it is judged."""

    IMAGES = "pictures"
    TEMPLATES = "templates whose cosine says who is who"
    ATTRIBUTES = "logits (B, K) of an attribute, or years (B, 1)"


@dataclass(frozen=True)
class Knowledge:
    """A threat model as data.

    sees: the stage whose leak the attack is given. access, knows: see `Access`, `Knows`. holds: what else is in the
    attacker's hands: "client layers", "client architecture" (the same layers with weights of its own), "reference
    photos", "mask", "draw" (of each row that leaked; see `Victim.drawn`).
    """

    sees: Stage
    access: Access = Access.NONE
    knows: Knows = Knows.NOTHING
    holds: frozenset[str] = frozenset()


class Victim:
    """The attacker's only handle. It refuses what was not declared (`BeyondKnowledge`) and counts every query.

    pipeline: the protected system. knowledge: what the attack declared. held: things by name, handed out if declared.
    enrolled: templates (N, D) in the matcher, for `score`. asked: what pictures pass that the matcher is asked about,
    the pipeline itself by default; another where enrolled and live pictures are not protected alike. attacker_seed: the
    keys of an attacker who knows the scheme. own: the device as he has prepared it for himself, with what he has
    learned; by default he runs the pipeline with those keys and has learned nothing.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        knowledge: Knowledge,
        *,
        held: Mapping[str, object] | None = None,
        enrolled: Templates | None = None,
        asked: Pipeline | None = None,
        attacker_seed: int = 1,
        own: Pipeline | None = None,
    ) -> None:
        self.knowledge = knowledge
        self.queries = 0
        self._pipeline = pipeline
        client = pipeline.recognizer.layers[: pipeline.recognizer.cut]
        self._held: dict[str, object] = {
            "client layers": client,
            "client architecture": _Untrained(client, attacker_seed),
            **(held or {}),
        }
        self._enrolled, self._asked = enrolled, pipeline if asked is None else asked
        self._attacker_seed = attacker_seed
        self._own = own

    def observe(self, pictures: Images | Faces) -> Tensor:
        """The leak of the attacker's own pictures, at the stage that he sees.

        An unaware attacker has the bare device; one who knows the scheme runs it with keys and draws of his own; one
        who has the keys runs it with the victim's. As `Faces`, whose identity a personal protection asks for; draws
        follow the pixels in either case.
        """
        self.queries += len(pictures)
        faces = Faces(pictures.images, pictures.identity) if isinstance(pictures, Faces) else Faces(pictures)
        with torch.no_grad():
            return self._device().at(self._stage(), faces)

    def drawn(self, pictures: Images | Faces) -> Tensor:
        """(B, n) what his device draws for his own pictures, as ``held("draw")`` says it of the leak's rows: which of
        the 192 channels of a block DCT the columns are."""
        faces = Faces(pictures.images, pictures.identity) if isinstance(pictures, Faces) else Faces(pictures)
        return places_of(self._device().protections, faces)

    def differentiable(self, images: Images) -> Tensor:
        """`observe` with a gradient to the pictures; needs `Access.GRADIENT`."""
        if self.knowledge.access < Access.GRADIENT:
            raise BeyondKnowledge(f"The attack declared access {self.knowledge.access.name}; gradients need GRADIENT.")
        self.queries += len(images)
        return self._device().at(self._stage(), Faces(images))

    def held(self, name: str) -> Any:
        """Something that the attacker holds, if he declared it."""
        if name not in self.knowledge.holds:
            declared = ", ".join(sorted(self.knowledge.holds)) or "nothing"
            raise BeyondKnowledge(f"The attack reached for {name!r} but declared that it holds {declared}.")
        if name not in self._held:
            raise BeyondKnowledge(f"This victim has no {name!r} to be held; it has {', '.join(self._held)}.")
        thing = self._held[name]
        return thing() if isinstance(thing, _Untrained) else thing

    def score(self, images: Images, target: Tensor) -> Tensor:
        """(B,) cosine of each picture, sent through the complete system (`asked`), to enrolment number `target`."""
        if self.knowledge.access < Access.QUERY:
            raise BeyondKnowledge(f"The attack declared access {self.knowledge.access.name}; the matcher needs QUERY.")
        if self._enrolled is None:
            raise BeyondKnowledge("Nobody is enrolled with this victim, so its matcher has nothing to answer.")
        self.queries += len(images)
        with torch.no_grad():
            probes = self._asked.templates(Faces(images))
        return F.cosine_similarity(probes, self._enrolled[target])

    def _device(self) -> Pipeline:
        if self.knowledge.knows is Knows.NOTHING:
            return self._pipeline.bare()
        if self.knowledge.knows is Knows.SCHEME:
            return self._pipeline.rekeyed(self._attacker_seed) if self._own is None else self._own
        return self._pipeline

    def _stage(self) -> Stage:
        if self.knowledge.sees is Stage.SCORES:
            raise BeyondKnowledge("The attack sees scores only; ask score(images, target).")
        return self.knowledge.sees


@dataclass(frozen=True)
class _Untrained:
    """Makes a network of the same layers with fresh weights, on demand."""

    layers: nn.Module
    seed: int

    def __call__(self) -> nn.Module:
        fresh = copy.deepcopy(self.layers)
        with seeded(self.seed):
            for module in fresh.modules():
                reset = getattr(module, "reset_parameters", None)
                if callable(reset):
                    reset()
        return fresh.requires_grad_(True)


class Relayed(Victim):
    """A victim whose leak passes `step`, something that the attacker himself does to it, before anybody sees it.

    What may be asked is decided by the victim behind it, and it counts the queries.
    """

    def __init__(self, victim: Victim, step: Callable[[Tensor], Tensor]) -> None:
        self.knowledge = victim.knowledge
        self._victim, self._step = victim, step

    @property
    def queries(self) -> int:  # type: ignore[override]
        """Of the victim behind it."""
        return self._victim.queries

    def observe(self, pictures: Images | Faces) -> Tensor:
        """The victim's leak, after the step."""
        with torch.no_grad():
            return self._step(self._victim.observe(pictures))

    def drawn(self, pictures: Images | Faces) -> Tensor:
        """What the device of the victim behind it draws."""
        return self._victim.drawn(pictures)

    def differentiable(self, images: Images) -> Tensor:
        """The same with a gradient to the pictures; needs `Access.GRADIENT` and a step that has one."""
        return self._step(self._victim.differentiable(images))

    def held(self, name: str) -> Any:
        """What the victim behind it hands out."""
        return self._victim.held(name)

    def score(self, images: Images, target: Tensor) -> Tensor:
        """The matcher's answer to the pictures themselves."""
        return self._victim.score(images, target)


class Attack(ABC):
    """Base of all attacks: `fit` prepares on public faces, a call guesses from a leak."""

    default_knowledge: ClassVar[Knowledge]
    guesses: Guess

    @property
    def knowledge(self) -> Knowledge:
        """The declared threat model."""
        return getattr(self, "_knowledge", self.default_knowledge)

    def knowing(self, **changes: Any) -> Self:
        """The same attack under a changed threat model, for example ``knowing(knows=Knows.SCHEME)``."""
        other = copy.copy(self)
        other._knowledge = replace(self.knowledge, **changes)  # type: ignore[attr-defined]
        return other

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        """Prepare on faces that are not the victims'; most attacks have nothing to prepare."""
        return self

    @abstractmethod
    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        """A guess for every row of the leak."""


class Reconstruction(Attack):
    """leak -> Images."""

    guesses = Guess.IMAGES


class Reidentification(Attack):
    """leak -> Templates whose cosine says who is who.

    threshold: the cosine above which the attacker says "same person", or None: then it is the best one on clean pairs.
    """

    guesses = Guess.TEMPLATES
    threshold: float | None = None

    @property
    def reference(self) -> Reidentification:
        """The attack as it reads the clean pictures that the attacker compares with."""
        return self


class AttributeInference(Attack):
    """leak -> logits (B, K) over the values 0 to K - 1 of `attribute`, or (B, 1) years for "age".

    attribute: a name in `Faces.attributes`, where a negative label means unlabelled.
    """

    guesses = Guess.ATTRIBUTES
    attribute: str


class Wrapper(Attack):
    """An attack that does something to the leak and leaves the guess to another attack."""

    attack: Attack

    @property
    def guesses(self) -> Guess:  # type: ignore[override]
        """What the wrapped attack guesses."""
        return self.attack.guesses

    @property
    def attribute(self) -> str:
        """The attribute that the wrapped attack infers."""
        return str(getattr(self.attack, "attribute", ""))

    @property
    def threshold(self) -> float | None:
        """The wrapped attack's."""
        return getattr(self.attack, "threshold", None)

    @property
    def reference(self) -> Attack:
        """How the wrapped attack reads the clean pictures that the attacker compares with."""
        return getattr(self.attack, "reference", self.attack)

    def knowing(self, **changes: Any) -> Self:
        """The wrapped attack under a changed threat model, wrapped as here; what it sees is the wrapper's affair."""
        other = copy.copy(self)
        other.attack = self.attack.knowing(**changes)
        return other
