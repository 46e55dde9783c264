"""What is audited: one recognizer, bare and behind each protection, at each cut that is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.faces import Pairs
from bauta.ops.dct import CHANNELS
from bauta.pipeline import Pipeline, System
from bauta.protections import AdvFace, Protection, ScatterMask
from bauta.protections.base import FeatureProtection, ImageProtection
from bauta.protections.images.cloak import Cloak
from bauta.protections.images.personal import PersonalMask
from bauta.recognizers import Recognizer
from bauta.recognizers.folding import folded
from bauta.study.audit.threats import DATABASE, INSIDER, THREATS, WIRE
from bauta.study.records import Row
from bauta.types import Faces, Images, Stage

BARE = "bare"
AT_CUT = re.compile(r"(.*\S)\s*@\s*(\d+)", re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """A protection as it was asked for.

    name: in rows and tables. protection: not fitted; None for the bare recognizer. cut: None for the recognizer's own.
    trained: a network of its own behind protections of its own, as `bauta train` leaves it, instead of a protection;
    folder: where it lies.
    """

    name: str
    protection: Protection | None = None
    cut: int | None = None
    trained: Pipeline | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Subject:
    """One system of an audit.

    pipeline: protected, plain: the same without. system: what attackers see and compare with. owned: what recognition
    is measured on. cut: of the bare system that it is compared with.
    """

    name: str
    pipeline: Pipeline
    plain: Pipeline
    system: System
    owned: System
    cut: int
    asked: Asked

    @property
    def bare(self) -> bool:
        """Whether nothing is protected."""
        return not self.pipeline.protections

    @property
    def stage(self) -> Stage:
        """Where the first protection is; the picture where there is none."""
        order = [Stage.IMAGES, Stage.FEATURES, Stage.TEMPLATES]
        return min((p.stage for p in self.pipeline.protections), key=order.index, default=Stage.IMAGES)

    @property
    def exposed(self) -> tuple[str, ...]:
        """The threats that arise: a picture that does not leave the device has no viewer."""
        return THREATS if self.stage is Stage.IMAGES else (WIRE, DATABASE, INSIDER)

    @property
    def keyed(self) -> bool:
        """Whether somebody holds keys that others do not."""
        return any(hasattr(p, "seed") for p in self.pipeline.protections)

    @property
    def authorizes(self) -> bool:
        """Whether somebody shall recognize the picture: a cloak is made against everybody."""
        return not any(isinstance(once(p), Cloak | PersonalMask) for p in self.pipeline.protections)

    @property
    def personal(self) -> bool:
        """Whether something is learned for each person, which takes its time."""
        return any(isinstance(once(p), PersonalMask) for p in self.pipeline.protections)

    @property
    def behind_dct(self) -> bool:
        """Whether the wire carries channels of a block DCT."""
        return self.pipeline.widened and any(
            getattr(p, "channels", CHANNELS + 1) <= CHANNELS for p in self.pipeline.protections
        )

    def facts(self) -> dict[str, object]:
        """What every row of this system says."""
        return {
            "study": "audit",
            "protection": "none" if self.bare else self.asked.name,
            "cut": self.cut,
            "stage": self.stage.value,
            "exposed": ", ".join(self.exposed),
        }

    def stamped(self, row: Row, **more: object) -> Row:
        """A row with what it is of."""
        return replace(row, settings={**row.settings, **self.facts(), **more})


class Once(ImageProtection):
    """An image protection that remembers its answers as 8-bit pictures, by the face's digest and person.

    Several attackers look at the same pictures, and several stages pass through them. The size of a batch may decide
    last digits: whoever needs the same pictures after a stop lets the same batches pass first (`warmed`).
    """

    def __init__(self, protection: ImageProtection) -> None:
        super().__init__()
        self.protection = protection
        self._known: dict[tuple[str, int], Tensor] = {}
        self._rekeyed: dict[int, Once] = {}

    def rekeyed(self, seed: int) -> Once:
        """The rekeyed protection, with one memory for each seed."""
        if seed not in self._rekeyed:
            self._rekeyed[seed] = Once(self.protection.rekeyed(seed))
        return self._rekeyed[seed]

    def forward(self, x: Images, faces: Faces | None = None) -> Images:
        faces = Faces(x) if faces is None else faces
        if x.requires_grad:
            found: Images = self.protection(x, faces)
            return found
        who = [-1] * len(x) if faces.identity is None else faces.identity.tolist()
        keys = list(zip(faces.digests(), who, strict=True))
        absent = [row for row, key in enumerate(keys) if key not in self._known]
        if absent:
            made: Images = self.protection(x[absent], faces[absent]).detach()
            for row, picture in zip(absent, made.clamp(0, 1).mul(255).round().byte(), strict=True):
                self._known[keys[row]] = picture
        answer: Images = torch.stack([self._known[key] for key in keys]).to(x) / 255
        return answer


def warmed(pipeline: Pipeline, faces: Faces, batch: int = 64) -> None:
    """Let all faces pass the protections on pictures, in whole batches, and be remembered."""
    if any(isinstance(part, Once) for part in pipeline.protections):
        with torch.no_grad():
            for some in faces.batches(batch):
                pipeline.images(some)


def once(protection: Protection) -> Protection:
    """The protection itself, behind the memory of `Once`."""
    return protection.protection if isinstance(protection, Once) else protection


@dataclass
class Stand:
    """The recognizer and the faces that all subjects of an audit share.

    recognizer: authorized. provider: faces that protections learn from; nobody's victims, and not the attackers'.
    """

    recognizer: Recognizer
    provider: Faces | None
    _plain: dict[int, Pipeline] = field(default_factory=dict)

    def plain(self, cut: int | None = None) -> Pipeline:
        """The bare recognizer at a cut, one object for each cut, so that unaware attackers are fitted once."""
        number = self.recognizer.cut if cut is None else cut
        if number not in self._plain:
            self._plain[number] = Pipeline(folded(self.recognizer.at_cut(number)))
        return self._plain[number]

    def bare(self, cut: int, alone: bool) -> Subject:
        """Nothing protected at a cut. alone: whether this is the audit's only cut."""
        plain = self.plain(cut)
        system = System(plain, plain)
        name = BARE if alone else f"{BARE}, cut {cut}"
        return Subject(name, plain, plain, system, system, cut, Asked(name, cut=cut))

    def outline(self, asked: Asked) -> Subject:
        """A system whose protection is not fitted: what it is, before anything is learned."""
        if asked.trained is not None:
            return self._trained(asked, asked.trained)
        assert asked.protection is not None
        return self._behind(asked, asked.protection)

    def subject(self, asked: Asked, victims: Pairs | Faces) -> Subject:
        """A protected system, fitted. Raises `UsageError`, and whatever fitting may raise."""
        if asked.protection is None:
            return self.outline(asked)
        network = self.recognizer.at_cut(self.plain(asked.cut).recognizer.cut)
        fitted = asked.protection.fit(self.taught(asked.protection, victims), network)
        return self._behind(asked, fitted)

    def _trained(self, asked: Asked, inside: Pipeline) -> Subject:
        plain = self.plain(asked.cut)
        pipeline = Pipeline(inside.recognizer, *inside.protections, twin=plain.recognizer)
        # templates of another network tell nothing about these: who compares has photos embedded by the system itself
        both, cut = System(pipeline, pipeline), plain.recognizer.cut
        return Subject(asked.name, pipeline, plain, both, both, cut, asked)

    def _behind(self, asked: Asked, protection: Protection) -> Subject:
        plain = self.plain(asked.cut)
        if isinstance(protection, FeatureProtection) and protection.changes_channels:
            raise UsageError(
                f"{asked.name} needs a server that was trained behind it: give the folder of `bauta train` as a "
                "protection."
            )
        made = Once(protection) if isinstance(protection, ImageProtection) else protection
        pipeline = Pipeline(plain.recognizer, made)
        # AdvFace's is a database: the stored side is adversarial and the live one clean
        system = System(plain, pipeline) if isinstance(protection, AdvFace) else System(pipeline, plain)
        return Subject(asked.name, pipeline, plain, system, system, plain.recognizer.cut, asked)

    def taught(self, protection: Protection, victims: Pairs | Faces) -> Faces | None:
        """What a protection learns from: the provider's faces; its owners' photos where it is made for persons."""
        if not isinstance(protection, Cloak | PersonalMask):
            return self.provider
        own = portraits(victims)
        if own.identity is None:
            raise UsageError(f"{protection!r} is made for persons, and nobody says who is who here; give a named set.")
        alone = isinstance(protection, PersonalMask) and not isinstance(protection, ScatterMask)
        if alone or self.provider is None or self.provider.identity is None:
            return Faces(own.images, own.identity)
        return Faces(torch.cat([own.images, self.provider.images]), torch.cat([own.identity, self.provider.identity]))


def portraits(victims: Pairs | Faces) -> Faces:
    """The owners' photos to learn from: of each attacked person those that are not attacked, else the attacked ones."""
    if not isinstance(victims, Pairs) or victims.faces.identity is None:
        return victims.faces if isinstance(victims, Pairs) else victims
    faces, who = victims.faces, victims.faces.identity
    assert who is not None
    attacked = torch.zeros(len(faces), dtype=torch.bool)
    attacked[victims.first] = True
    people = torch.unique(who[attacked])
    spared = torch.unique(who[~attacked])
    rows = torch.isin(who, people) & (~attacked | ~torch.isin(who, spared))
    return faces[rows]


def separated(text: str) -> tuple[str, int | None]:
    """``PMT(steps=100) @ 5`` -> the spec, and the cut that it asks for."""
    found = AT_CUT.fullmatch(text.strip())
    return (found[1], int(found[2])) if found else (text.strip(), None)


def names_of(asked: Sequence[Asked]) -> Mapping[str, Asked]:
    """Name -> what was asked. Raises `UsageError` where two have one name."""
    made: dict[str, Asked] = {}
    for one in asked:
        if one.name in made or one.name.startswith(BARE):
            raise UsageError(f"Two systems would be called {one.name!r}; leave one out, or change an option.")
        made[one.name] = one
    return made
