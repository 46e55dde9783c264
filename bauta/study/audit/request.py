"""What somebody asks to be audited, and how it is opened: data, readers, systems, and a plan that is kept."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bauta import __version__, zoo
from bauta.attacks import Attack, ForeignRecognizer
from bauta.errors import BadFile, BautaError, UsageError
from bauta.estimators import ESTIMATORS, estimator
from bauta.faces import Pairs, load_dataset, load_pairs, split_by_identity
from bauta.faces.images import write_bytes
from bauta.recognizers import Recognizer, load
from bauta.recognizers.trainable import training_folder
from bauta.study import records
from bauta.study.audit.auditing import Auditing, Told
from bauta.study.audit.budget import Clock
from bauta.study.audit.cast import LEAST, MOST, STANDARD, Cast, level
from bauta.study.audit.plan import PAIRS, REPORT, Plan, cuts, first_pairs, planned
from bauta.study.audit.prices import measured
from bauta.study.audit.subjects import Asked, Stand, Subject, names_of
from bauta.study.gallery import Gallery, common_faces
from bauta.study.presets.settings import public_faces
from bauta.study.run import refuse_overlap
from bauta.types import Faces
from bauta.zoo.digests import remembered

ROWS, SETTINGS = "rows.jsonl", "settings.json"
# what decides the numbers; a machine and a budget decide the time, and the plan that was made at first
DECISIVE = ("audit", "versions")
LABELLED = 20  # attacked people whose attribute is known, at least
PUBLIC = MOST.faces * 3 // 2  # a third of them is the provider's
READ_A_SECOND = 5  # public faces for each second of the budget


@dataclass(frozen=True)
class Request:
    """An audit as it was asked for.

    recognizer: a name, a folder of a training, or a network. data: a name or a place. public: whose faces attackers and
    provider have, None for other people of the data. attackers: one of `LEVELS`; attacks: those to be run instead.
    readers: foreign recognizers, None for all that are here. budget: seconds. pairs: None for as many as there is time
    for. faces: whether pictures are kept. code: what else decides, such as the digests of classes of one's own.
    """

    protections: Sequence[Asked]
    recognizer: str | Recognizer
    data: str | Path
    out: Path
    cut: int | None = None
    public: str | None = None
    attackers: str = STANDARD
    attacks: Sequence[Attack] = ()
    readers: Sequence[str | Recognizer] | None = None
    budget: float = 600.0
    pairs: int | None = None
    seed: int = 0
    faces: bool = True
    code: Mapping[str, str] = field(default_factory=dict)

    def networks(self) -> dict[str, str]:
        """The files of trained networks, "FOLDER, FILE" -> SHA-256: a folder's name does not say what it learned."""
        own = training_folder(self.recognizer) if isinstance(self.recognizer, str) else None
        folders = [own, *(one.folder for one in self.protections)]
        files = [path for folder in folders if folder is not None for path in sorted(folder.glob("*.safetensors"))]
        return {f"{path.parent.name}, {path.name}": remembered(path) for path in files}

    def stated(self, readers: Sequence[ForeignRecognizer]) -> dict[str, Any]:
        """What decides the numbers, as settings.json has it."""
        place = Path(self.data).expanduser()
        name = self.recognizer if isinstance(self.recognizer, str) else self.recognizer.name
        return {
            "audit": {
                "protections": [one.name for one in self.protections],
                "recognizer": name,
                "cut": self.cut,
                "data": str(place.resolve()) if place.exists() else str(self.data),
                "public": self.public,
                "attackers": self.attackers if not self.attacks else [repr(attack) for attack in self.attacks],
                "readers": [reader.recognizer.name for reader in readers],
                "pairs": self.pairs,
                "seed": self.seed,
                "networks": self.networks(),
                "code": dict(self.code),
            },
            "versions": {"bauta": __version__, "torch": torch.__version__, "python": platform.python_version()},
            "machine": {
                "processor": platform.machine(),
                "cores": os.cpu_count(),
                "threads": torch.get_num_threads(),
            },
        }


@dataclass(frozen=True)
class Opened:
    """An audit that can be run. settings: as they are written down."""

    request: Request
    auditing: Auditing
    settings: Mapping[str, Any]

    @property
    def cuts(self) -> list[str]:
        """What the budget made smaller."""
        return list(self.settings["cuts"])


@dataclass(frozen=True)
class Laid:
    """What an audit needs before it has a plan: people, systems that are not fitted, and who attacks them.

    bare: those of the systems that protect nothing. public: the attackers' faces, provider: how many the provider has.
    """

    victims: Pairs
    public: Faces | None
    provider: int
    stand: Stand
    bare: Sequence[Subject]
    outlines: Sequence[Subject]
    cast: Cast


def opened(request: Request, told: Told | None = None) -> Opened:
    """Load what is needed; make a plan and write it down, or take the one that is there.

    Raises `UsageError` for another audit's folder, `MissingData`, `MissingWeights`, `BadFile`.
    """
    level(request.attackers)
    names_of(request.protections)
    clock = Clock((1 - REPORT) * request.budget)
    network = authorized(request)
    readers = foreign(request.readers, network.name)
    stated = request.stated(readers)
    earlier = kept(request.out, stated)
    number = earlier["loaded"] if earlier else request.pairs or first_pairs(request.budget)
    most = earlier["read"] if earlier else min(PUBLIC, max(LEAST.faces * 6, round(READ_A_SECOND * request.budget)))
    laid = laid_out(request, network, readers, number, most)
    fitted: dict[str, Subject] = {}
    if earlier:
        settings, plan = earlier, Plan.read(earlier["plan"])
    else:
        fitted = prepared(laid.stand, laid.outlines, laid.victims)
        subjects = [fitted.get(one.name, one) for one in laid.outlines]
        prices = measured(laid.bare[0], subjects, laid.cast, laid.public, laid.victims)
        plan = planned(laid.outlines, laid.cast, prices, laid.victims, clock.left)
        said = cuts(plan, PAIRS[0], request.pairs is not None, laid.outlines, laid.cast)
        if most < PUBLIC and len(laid.public or ()) + laid.provider >= most:
            said.append(f"{most} public faces are read, for attackers and provider, instead of {PUBLIC}.")
        settings = stated | {"loaded": number, "read": most, "plan": plan.written(), "cuts": said}
        write_bytes(request.out / SETTINGS, (json.dumps(settings, indent=1) + "\n").encode())
    done = records.resume(request.out / ROWS)
    return Opened(request, auditing_of(request, laid, plan, clock, done, told, fitted), settings)


def joined(request: Request, done: frozenset[str], left: float) -> Auditing:
    """An audit that another process has opened, for one that helps it: the plan is read and nothing is written.

    done: cells that the other has. left: seconds. Raises as `opened`.
    """
    try:
        earlier = json.loads((request.out / SETTINGS).read_text(encoding="utf-8"))
        plan, number, most = Plan.read(earlier["plan"]), earlier["loaded"], earlier["read"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadFile(
            f"{request.out / SETTINGS} is not there for a worker ({error!r}); every worker must reach --out under the "
            "same path."
        ) from error
    network = authorized(request)
    laid = laid_out(request, network, foreign(request.readers, network.name), number, most)
    return auditing_of(request, laid, plan, Clock(left), done)


def auditing_of(
    request: Request,
    laid: Laid,
    plan: Plan,
    clock: Clock,
    done: frozenset[str],
    told: Told | None = None,
    fitted: dict[str, Subject] | None = None,
) -> Auditing:
    """What runs the plan."""
    return Auditing(
        laid.outlines,
        laid.stand,
        laid.cast,
        laid.public,
        laid.victims,
        plan,
        request.seed,
        clock,
        request.out,
        done,
        Gallery(request.out, common_faces(laid.victims)) if request.faces else None,
        told,
        fitted or {},
    )


def authorized(request: Request) -> Recognizer:
    """The recognizer, at the cut that was asked for."""
    asked = request.recognizer
    network = load(asked, cut=request.cut) if isinstance(asked, str) else asked
    return network if request.cut is None else network.at_cut(request.cut)


def laid_out(
    request: Request, network: Recognizer, readers: Sequence[ForeignRecognizer], pairs: int, most: int
) -> Laid:
    """People, systems and attackers. most: public faces that are read."""
    victims = load_pairs(request.data, pairs)
    provider, public = held(request, victims, most)
    stand = Stand(network, provider)
    bare_cuts = list(dict.fromkeys([one.cut or network.cut for one in request.protections])) or [network.cut]
    bare = [stand.bare(cut, alone=len(bare_cuts) == 1) for cut in bare_cuts]
    attributes = labelled(victims, public)
    cast = Cast(
        readers,
        attributes,
        estimating(attributes, victims.faces),
        request.attackers,
        0 if public is None else len(public),
        len(torch.unique(victims.first)),
        request.attacks,
    )
    outlines = [*bare, *(stand.outline(one) for one in request.protections)]
    return Laid(victims, public, len(provider or ()), stand, bare, outlines, cast)


def prepared(stand: Stand, outlines: Sequence[Subject], victims: Pairs) -> dict[str, Subject]:
    """The systems, fitted; one that cannot be is left to the audit's cells, which will say why, and personal masks to
    the plan, which says for how many people there is time."""
    made = {}
    for one in outlines:
        if one.bare or one.personal:
            continue
        try:
            made[one.name] = stand.subject(one.asked, victims)
        except BautaError:
            continue
    return made


def kept(folder: Path, stated: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings of an audit that was begun, None of a new one. Raises `UsageError`, `BadFile`."""
    path = folder / SETTINGS
    if not path.exists():
        if (folder / ROWS).exists():
            raise UsageError(f"{folder} holds rows, but no {SETTINGS} that says whose they are; give another --out.")
        return None
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        other = [key for key in DECISIVE if earlier[key] != json.loads(json.dumps(stated[key]))]
        known = {"loaded", "read", "plan", "cuts"} <= set(earlier)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadFile(f"{path} holds no settings of an audit ({error!r}); give another --out.") from error
    if other or not known:
        changed = [
            name
            for key in other
            for name in stated[key]
            if earlier[key].get(name) != json.loads(json.dumps(stated[key][name]))
        ]
        raise UsageError(
            f"{folder} holds an audit with another {', '.join(changed) or 'purpose'}; give another --out, or ask for "
            "the same."
        )
    return dict(earlier)


def foreign(names: Sequence[str | Recognizer] | None, but: str) -> list[ForeignRecognizer]:
    """The readers: those named, or all that are here and were not authorized; the most accurate first."""
    if names is None:
        every = (*zoo.WEIGHTS, *zoo.registered_weights())
        there = [record for record in every if record.name != but and zoo.place(record.files[0])]
        names = [record.name for record in sorted(there, key=lambda record: -(record.accuracy or 0.0))]
    return [ForeignRecognizer(name) for name in names]


def held(request: Request, victims: Pairs, most: int) -> tuple[Faces | None, Faces | None]:
    """What the provider learns from, and what attackers have: people who are no victims, and none of them in both."""
    if request.public is None or request.public == str(request.data):
        public = public_faces(request.data, victims, most)
    else:  # two sets count their people from zero: only files can be compared
        others = load_dataset(request.public, most)
        public = Faces(others.images, None, others.attributes, others.source)
    if public is None:
        return None, None
    refuse_overlap(public, victims.faces)
    provider, attackers = split_by_identity(public, (1 / 3, 2 / 3), request.seed)
    return (provider if len(provider) > 1 else None), (attackers if len(attackers) > 1 else None)


def labelled(victims: Pairs, public: Faces | None) -> list[str]:
    """Attributes that attackers can learn and that can be judged: known of enough attacked people, of two values."""
    if public is None:
        return []
    attacked = victims.faces[torch.unique(victims.first)].attributes
    found = []
    for name, labels in attacked.items():
        known, theirs = labels[labels >= 0], public.attributes.get(name, torch.empty(0))
        there = len(known) >= LABELLED and len(torch.unique(known)) > 1
        if there and len(torch.unique(theirs[theirs >= 0])) > 1:
            found.append(name)
    return found


def estimating(attributes: Sequence[str], attacked: Faces) -> dict[str, str]:
    """Attribute -> an estimator that is here: somebody else's, or ours where it has learned from no attacked face."""
    made: dict[str, str] = {}
    for name in ESTIMATORS if attributes else ():
        try:
            found = estimator(name)
        except BautaError:
            continue
        if not found.learned(attacked).any():
            made = {attribute: name for attribute in attributes if attribute in found.attributes} | made
    return made
