"""`pmt-attributes`: age, gender, race and emotion out of protected pictures (Table VIII, Figure 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor

from bauta import zoo
from bauta.attacks import (
    Attack,
    ClientHolder,
    CNNProbe,
    ForeignEstimator,
    Knows,
    LogisticProbe,
    MLPProbe,
    RecFace,
    TransferProbe,
    Via,
)
from bauta.errors import MissingData
from bauta.estimators import BautaAttributes, estimator
from bauta.faces import load_dataset, split_by_identity
from bauta.pipeline import Pipeline, System
from bauta.protections import WhiteNoise
from bauta.recognizers import Recognizer
from bauta.study.presets.settings import Settings, stamped
from bauta.study.presets.variants import SHALLOW, minimizer, network, protected
from bauta.study.records import Row
from bauta.study.run import run
from bauta.types import Faces

# Data set -> what is known of its faces; attribute -> the third party that reads it.
LABELS = {"utkface": ("gender", "age", "race"), "lfw": ("gender", "emotion")}
READERS = {"gender": "age-gender", "age": "age-gender", "emotion": "emotion"}
QUICK_STEPS = 10  # of RecFace's training
VICTIMS, AWARE = 400, 600  # faces that are read, and that the aware attacker protects himself
BASELINE = 0.3  # standard deviation of the paper's "x + noise"


def pmt_attributes(settings: Settings, quick: bool) -> Iterator[Row]:
    """PMT's Table VIII: what attribute readers make of protected pictures, third-party ones and our own probes.

    UTKFace (age, gender, race) and LFW (gender, emotion), 400 victims of each; the CASIA network at the paper's shallow
    cut and at the embedding: bare, pictures with noise of 0.3 (the paper's rival), PMT. Readers: the third-party
    networks on the picture, and (gender) on RecFace's picture of shallow features; probes that an attacker trains on
    public faces: on pictures a small CNN (gender) and one that sees them through a public recognizer, on the features
    that the holder of the client's layers computes a linear and a nonlinear one; unaware (trained on clean faces) and
    aware (on 600 that he protects himself). The third parties may have seen these faces; the probes have not, and they
    are the judge.

    Expected: third-party networks and unaware probes fall to chance at both cuts; aware ones read the attributes at the
    shallow cut nearly as off clean pictures, and whoever holds a deep client reads as much as an embedding tells. Two
    to three quarters of an hour on two cores. Where the third parties' weights are not here, bauta's own network reads
    instead, of victims from whom it has not learned. quick: 40 victims, 150 public faces, gender alone.
    """
    for data, attributes in LABELS.items():
        try:
            public, victims = parts(settings, data, quick)
        except MissingData as error:
            yield Row(f"data {data}", data, "attack", "", "failed", None, note=str(error), seed=settings.seed)
            continue
        known = [name for name in attributes[: 1 if quick else None] if (victims.attributes[name] >= 0).any()]
        for cut in (SHALLOW,) if quick else (SHALLOW, None):
            recognizer = network(cut)
            for protection, system in systems_at(settings, recognizer, quick).items():
                name = f"{data}: {protection} {recognizer.name}@{recognizer.cut}"
                facts = {"cut": recognizer.cut, "protection": protection, "data": data}
                facts |= {"study": "pmt-attributes", "quick": quick}
                done = settings.done
                for attribute in known:
                    own = protection != "bare"
                    for faces, attacks in (
                        (public, unaware(attribute, cut, quick)),
                        (public[: 100 if quick else AWARE], aware(attribute, quick) if own else []),
                    ):
                        here = replace(settings, public=faces, done=done)
                        yield from stamped(seen(here, name, system, attacks, victims), **facts)
                        done |= {f"{name} / utility"}


def parts(settings: Settings, data: str, quick: bool) -> tuple[Faces, Faces]:
    """Public faces and victims, no person (UTKFace: no file) among both."""
    faces = load_dataset(data) if data == "utkface" else labelled(load_dataset(data))
    split = split_by_identity(faces, (0.7, 0.3), settings.seed)
    # data sets come in order, of age or of names; a part of them must not be the youngest
    public, victims = (part[order(len(part), settings.seed)] for part in split)
    if not borrowed():
        victims = victims[~estimator(BautaAttributes.name).learned(victims)]
    return (public[:150], victims[:40]) if quick else (public, victims[:VICTIMS])


def order(number: int, seed: int) -> Tensor:
    """A shuffle that depends on the seed alone."""
    return torch.randperm(number, generator=Generator().manual_seed(seed))


def labelled(faces: Faces) -> Faces:
    """Those whose gender somebody has written down."""
    return faces[faces.attributes["gender"] >= 0] if "gender" in faces.attributes else faces


def systems_at(settings: Settings, recognizer: Recognizer, quick: bool) -> dict[str, System]:
    """Nothing, the paper's noise, PMT."""
    pmt = protected(settings, recognizer, minimizer(settings, quick))
    plain = pmt.gallery  # one device for all, so that an unaware attacker is fitted once
    return {
        "bare": System(plain, plain),
        "noise": System(Pipeline(plain.recognizer, WhiteNoise(BASELINE, seed=settings.seed)), plain),
        "PMT": pmt,
    }


def third_party(attribute: str) -> list[Attack]:
    """Somebody else's reader, where the zoo has one; where its weights are not here, ours."""
    if not borrowed():
        return [ForeignEstimator(attribute, BautaAttributes.name)]
    return [ForeignEstimator(attribute, READERS[attribute])] if attribute in READERS else []


def borrowed() -> bool:
    """Whether the third parties' weights are here."""
    return all(zoo.find(file) is not None for name in READERS.values() for file in zoo.tool(name).files)


def unaware(attribute: str, cut: int | None, quick: bool) -> list[Attack]:
    """Readers that have never seen a protected picture; of RecFace's pictures gender alone, at the shallow cut."""
    restore = RecFace(steps=QUICK_STEPS) if quick else RecFace()
    drawn = [Via(restore, reader) for reader in third_party(attribute) if attribute == "gender" and cut == SHALLOW]
    return [*third_party(attribute), *drawn, *probes(attribute, quick)]


def probes(attribute: str, quick: bool) -> list[Attack]:
    """Readers of the attacker's own. The small CNN is the slowest and the weakest: it reads gender alone."""
    if quick:
        return [TransferProbe(attribute, epochs=2), ClientHolder(LogisticProbe(attribute))]
    small: list[Attack] = [CNNProbe(attribute)] if attribute == "gender" else []
    held = [ClientHolder(LogisticProbe(attribute)), ClientHolder(MLPProbe(attribute))]
    return [*small, TransferProbe(attribute), *held]


def aware(attribute: str, quick: bool) -> list[Attack]:
    """The probes, trained on pictures that the attacker has protected himself."""
    return [attack.knowing(knows=Knows.SCHEME) for attack in probes(attribute, quick)]


def seen(settings: Settings, name: str, system: System, attacks: Sequence[Attack], victims: Faces) -> Iterator[Row]:
    """One system under some readers, without the cells that are done."""
    public, seed, done = settings.public, settings.seed, settings.done
    yield from run({name: system}, attacks, public, victims, seed, skip=done, fits=settings.fits, show=settings.show)
