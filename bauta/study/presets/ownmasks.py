"""Attackers on personal masks who learn masks of their own, on people of their own, and train on what these do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Generator, Tensor

from bauta.attacks import ClientHolder, Denoiser, Linkage, Victim
from bauta.attacks.base import Attack
from bauta.metrics import SSIM
from bauta.pipeline import Pipeline
from bauta.protections.images.personal import PersonalMask
from bauta.recognizers import Recognizer
from bauta.study.judge import Ledger
from bauta.study.presets.settings import stamped
from bauta.study.records import Row
from bauta.study.retrieval import BORROWED, CROWD, OTHERS_MASK, Reader, Search, searched
from bauta.types import Faces, Images, Stage, Templates

ATTACKER_SEED = 1  # another than whoever protects has


@dataclass(frozen=True)
class Attacker:
    """What he has: photos of some people, of whom he learns masks; faces of anybody, on whom he puts them; and time.

    people: with identity. faces: without. steps: of a denoiser. epochs: of a student.
    """

    people: Faces
    faces: Faces
    steps: int = 600
    epochs: int = 3


def tinted(faces: Faces, seed: int) -> Faces:
    """Gray photos under warm light, another one for each photo: a mask of gray photos is gray, and told by it."""
    light = torch.rand((len(faces), 3, 1, 1), generator=Generator().manual_seed(seed))
    cast = torch.tensor([1.0, 0.75, 0.6])[:, None, None] + 0.1 * (light - 0.5)
    return replace(faces, images=((faces.images * cast.clamp(0, 1)) * 255).round() / 255, source=())


def prepared(fitted: PersonalMask, attacker: Attacker, team: list[Recognizer], seed: int) -> tuple[PersonalMask, Faces]:
    """The method with masks of the attacker's own, and his faces, each as if it were of one of his people."""
    mine = fitted.rekeyed(ATTACKER_SEED).fit(attacker.people, *team)
    people = torch.tensor(mine.people())
    who = people[torch.randint(len(people), (len(attacker.faces),), generator=Generator().manual_seed(seed))]
    return mine, Faces(attacker.faces.images, who)


def trained(
    blank: Row,
    photos: Search,
    read: Mapping[str, Reader],
    fitted: PersonalMask,
    team: list[Recognizer],
    judges: Mapping[str, Recognizer],
    probe: Images,
    attacker: Attacker,
) -> Iterator[Row]:
    """Who finds the protected probes after training on pairs of his own.

    A denoiser, whose pictures the judges read; a new head for each judge, from its template of a masked face to the
    clean one; and each judge trained anew on masked faces. The gallery stays as the untouched judge reads it.
    """
    mine, public = prepared(fitted, attacker, team, blank.seed)

    def victim(attack: Attack, recognizer: Recognizer) -> Victim:
        return Victim(Pipeline(recognizer, fitted), attack.knowledge, own=Pipeline(recognizer, mine))

    def after(attack: Attack, recognizer: Recognizer) -> Tensor:
        here = victim(attack, recognizer)
        return attack.fit(public, here)(probe, here)

    denoiser = Denoiser(steps=attacker.steps, seed=blank.seed)
    pictures = after(denoiser, team[0])
    yield from looked_for_again(blank, photos, read, "Denoiser, masks of his own", pictures)
    for judge, network in judges.items():
        whole = network.at_cut(len(network.layers))
        head = ClientHolder(Linkage(network, epochs=0, seed=blank.seed).knowing(sees=Stage.TEMPLATES))
        student = Linkage(network, epochs=attacker.epochs, seed=blank.seed).knowing(sees=Stage.IMAGES)
        for name, attack in (("a new head, masks of his own", head), ("trained anew, masks of his own", student)):
            templates = after(attack, whole)
            reader = replace(read[judge], embed=partial(answered, templates))
            rows = searched(replace(blank, attack=judge), photos, reader, "probe", probe, None)
            yield from stamped(rows, side="probe", cleaned=name)


def looked_for_again(
    blank: Row, photos: Search, read: Mapping[str, Reader], name: str, pictures: Images
) -> Iterator[Row]:
    """Who finds the probes after somebody made `pictures` of them, and how near these are to the originals."""
    for judge, reader in read.items():
        rows = searched(replace(blank, attack=judge), photos, reader, "probe", pictures, None)
        yield from stamped(rows, side="probe", cleaned=name)
    viewer = Ledger(replace(blank, attack="a viewer"), photos.probe.identity)
    yield from stamped([viewer.mean("SSIM", SSIM(pictures, photos.probe.images), "low")], cleaned=name)


def answered(templates: Templates, images: Images) -> Templates:
    """What somebody else has made of the pictures already."""
    return templates


def next_person(who: Tensor) -> Tensor:
    """(B,) the person after each, by number; after the last the first."""
    people, place = torch.unique(who, return_inverse=True)
    after: Tensor = people[(place + 1) % len(people)]
    return after


def borrowed(
    blank: Row, photos: Search, read: Mapping[str, Reader], fitted: PersonalMask, gallery: Images
) -> Iterator[Row]:
    """Each person's probes under the next person's mask: how often they are taken for the mask's owner, whose gallery
    photos carry it, among everybody's clean photos and a crowd. gallery: the protected gallery."""
    who, theirs = photos.probe.identity, photos.gallery.identity
    assert who is not None
    assert theirs is not None
    carried = next_person(who)
    owner = dict(zip(who.tolist(), carried.tolist(), strict=True))
    people = sorted(owner)
    probe = fitted(photos.probe.images, replace(photos.probe, identity=carried, source=()))
    for judge, reader in read.items():
        asked, masked = reader.embed((probe * 255).round() / 255), reader.embed(gallery)
        taken, himself = [], []
        for person in people:
            own = (theirs == owner[person])[:, None]
            there = torch.cat([torch.where(own, masked, reader.gallery), reader.crowd])
            names = torch.cat([theirs, torch.full((len(reader.crowd),), -1)])
            nearest = names[(asked[who == person] @ there.T).argmax(1)]
            taken.append(float((nearest == owner[person]).float().mean()))
            himself.append(float((nearest == person).float().mean()))
        ledger = Ledger(replace(blank, attack=judge), None)
        note = f"mean over {len(people)} people"
        asked_of = zip(BORROWED, (taken, himself), strict=True)
        rows = [ledger.mean(f"{metric}{CROWD}", torch.tensor(rates), note=note) for metric, rates in asked_of]
        yield from stamped(rows, side=OTHERS_MASK)
