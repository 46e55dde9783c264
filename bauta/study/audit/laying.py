"""What an audit needs before it has a plan: people, the authorized recognizer, systems, readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from bauta import zoo
from bauta.attacks import ForeignRecognizer
from bauta.errors import BautaError
from bauta.estimators import ESTIMATORS, estimator
from bauta.faces import Pairs, load_dataset, load_pairs, split_by_identity
from bauta.recognizers import Recognizer, load
from bauta.study.audit.cast import Cast
from bauta.study.audit.request import Request
from bauta.study.audit.subjects import Stand, Subject
from bauta.study.presets.settings import public_faces
from bauta.study.run import refuse_overlap
from bauta.types import Faces

LABELLED = 20  # attacked people whose attribute is known, at least


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


def authorized(request: Request) -> Recognizer:
    """The recognizer, at the cut that was asked for."""
    asked = request.recognizer
    network = load(asked, cut=request.cut) if isinstance(asked, str) else asked
    return network if request.cut is None else network.at_cut(request.cut)


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
