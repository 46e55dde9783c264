"""Whose photos `chameleon` looks for, who is in the crowd, and whose photos an attacker has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import torch
from torch import Generator, Tensor

from bauta.faces import load_dataset
from bauta.protections import ImageProtection, ScatterMask
from bauta.protections.images.personal import PersonalMask
from bauta.study.presets.ownmasks import Attacker, tinted
from bauta.study.retrieval import Search, search
from bauta.types import Faces

LEAST, PHOTOS, CROWD, STRANGERS = 20, 21, 3000, 40
MOST = 10  # probes of a person
OWN, PAIRS = 6, 2000  # people of whom an attacker learns masks, and faces on whom he puts them


def opened(data: str, people: int, quick: bool, seed: int) -> tuple[Search, Faces]:
    """A search, and strangers: people who are neither looked for nor in the crowd, for methods that need targets."""
    lfw = load_dataset("lfw")
    faces = load_dataset(data) if data != "lfw" else lfw
    assert lfw.identity is not None
    _, place, count = torch.unique(lfw.identity, return_inverse=True, return_counts=True)
    few = (count < LEAST)[place].nonzero().flatten()
    few = few[torch.randperm(len(few), generator=torch.Generator().manual_seed(seed))]
    if data != "lfw":  # the same celebrity may be in both sets, and a stranger in neither
        known = set(folders(faces))
        names = folders(lfw[few])
        few = few[torch.tensor([name not in known for name in names])]
    strangers, rows = lfw[few[:STRANGERS]], few[STRANGERS : STRANGERS + (300 if quick else CROWD)]
    assert strangers.identity is not None
    crowd = lfw[rows[~torch.isin(lfw.identity[rows], strangers.identity)]]
    made = search(faces, people, LEAST, crowd, seed, most=MOST)
    return replace(made, learn=first_of_each(made.learn, PHOTOS)), strangers


def folders(faces: Faces) -> list[str]:
    """Each photo's folder, which is its person's name in both sets."""
    return [PurePosixPath(source.file).parent.name for source in faces.source]


def first_of_each(faces: Faces, number: int) -> Faces:
    """At most so many photos of each person."""
    assert faces.identity is not None
    rows = [(faces.identity == p).nonzero().flatten()[:number] for p in torch.unique(faces.identity)]
    return faces[torch.cat(rows)]


def attacker(data: str, quick: bool, seed: int) -> Attacker:
    """LFW people with many photos who are nobody that is looked for, under colored light; UTKFace's faces."""
    lfw, number = load_dataset("lfw"), 2 if quick else OWN
    assert lfw.identity is not None
    searched = set(folders(load_dataset(data)))
    who, count = torch.unique(lfw.identity, return_counts=True)
    many = who[count >= LEAST]
    many = many[torch.randperm(len(many), generator=Generator().manual_seed(seed))]
    own: list[Tensor] = []
    for person in many.tolist():
        rows = (lfw.identity == person).nonzero().flatten()[:PHOTOS]
        if folders(lfw[rows[:1]])[0] not in searched and len(own) < number:
            own.append(rows)
    anybody = load_dataset("utkface")
    some = torch.randperm(len(anybody), generator=Generator().manual_seed(seed))[: 64 if quick else PAIRS]
    people, faces = tinted(lfw[torch.cat(own)], seed), Faces(anybody.images[some])
    return Attacker(people, faces, steps=10, epochs=0) if quick else Attacker(people, faces)


def taught(learn: Faces, strangers: Faces, protection: ImageProtection) -> Faces:
    """What a protection learns from: masks of persons from their photos, cloaks with targets from strangers' too."""
    if isinstance(protection, PersonalMask) and not isinstance(protection, ScatterMask):
        return learn
    assert learn.identity is not None
    assert strangers.identity is not None
    apart = strangers.identity + int(learn.identity.max()) + 1  # two data sets count their people from zero
    return Faces(torch.cat([learn.images, strangers.images]), torch.cat([learn.identity, apart]))
