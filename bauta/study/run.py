"""Systems x attacks -> rows. The only file that seeds the global generators, once a cell."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bauta import zoo
from bauta.attacks.base import Access, Attack, Guess, Knows, Reidentification, Victim
from bauta.errors import BautaError, UsageError
from bauta.faces import Pairs
from bauta.metrics import PSNR, SSIM, srra
from bauta.metrics.base import Metric
from bauta.metrics.image import cosine
from bauta.pipeline import Pipeline, System
from bauta.protections.features.frequency import places_of
from bauta.recognizers.embedding import embed
from bauta.study.attributes import judge_attributes
from bauta.study.judge import FAR, Ledger, judge_pictures, judge_templates, srra_lines
from bauta.study.records import Row, complete
from bauta.study.views import BATCH, Views
from bauta.types import Faces, Stage

__all__ = ["FAR", "refuse_overlap", "run", "seed_everything"]

OF_PICTURES = " of the reconstructions"
QUERIES = "queries"  # of all victims together

# (attack, what it may know, whose device it was fitted to) -> the fitted attack
Fits = MutableMapping[tuple[object, ...], Attack]


def run(
    systems: Mapping[str, System],
    attacks: Sequence[Attack],
    public: Faces | None,
    victims: Pairs | Faces,
    seed: int,
    *,
    skip: Collection[str] = (),
    judge: Reidentification | None = None,
    measures: Sequence[Metric] = (SSIM, PSNR),
    fits: Fits | None = None,
    show: Callable[[str, Tensor, Faces], None] | None = None,
) -> Iterator[Row]:
    """Every system under every attack: first the system's own utility, then the attacks, each judged by its guess.

    victims: a verification protocol, whose first pictures pass the probe's pipeline and all of them the gallery's; or
    faces alone, for attributes and reconstruction. Attacked are the first pictures on the side that is exposed (see
    `System`); an attack that sees scores asks about pictures of its own, which pass the other side and meet the
    enrolled rows of this one, and its queries are a row. public: the attacker's faces; they may share no identity with
    the victims. skip: cells that are not to be run again. judge: the independent recognizer that reads reconstructions.
    measures: how near a reconstruction is to the original. fits: where fitted attacks are kept; an unaware attack is
    fitted once for all protections of one device. show is told each cell that gave pictures, with them and the
    originals. A cell that fails is a row that says why. Raises `UsageError` for shared identities.
    """
    refuse_overlap(public, victims.faces if isinstance(victims, Pairs) else victims)
    galleries: dict[Pipeline, dict[Stage, Tensor]] = {}  # systems often share one
    fits = {} if fits is None else fits
    for name, system in systems.items():
        views = Views(system, victims, galleries.setdefault(system.gallery, {}))
        cell = f"{name} / utility"
        if cell not in skip:
            seed_everything(seed, cell)
            blank = Row(cell, name, "utility", "the authorized recognizer", "", None, private_when="", seed=seed)
            rows = list(utility(blank, views))
            viewer = Row(cell, name, "attack", "a viewer", "", None, seed=seed)
            pictures, originals = views.leak(Stage.IMAGES), views.protected.images
            rows.append(Ledger(viewer, views.groups).mean("SSIM", SSIM(pictures, originals)))
            if show is not None:
                show(cell, pictures, views.protected)
            yield from complete(rows)
        for attack in attacks:
            cell = cell_of(name, attack)
            if cell in skip:
                continue
            seed_everything(seed, cell)
            knows = attack.knowledge.knows.name
            blank = Row(cell, name, "attack", repr(attack), "", None, knows=knows, seed=seed)
            try:
                held = {}
                if "draw" in attack.knowledge.holds:
                    held["draw"] = places_of(system.exposed.protections, views.protected)
                scored = attack.knowledge.sees is Stage.SCORES
                enrolled = views.leak(Stage.TEMPLATES) if scored else None
                victim = Victim(system.exposed, attack.knowledge, held=held, enrolled=enrolled, asked=system.opposite)
                key = fit_key(attack, system.exposed, public)
                fitted = fits[key] = fits[key] if key in fits else attack.fit(public, victim)
                guess = fitted(views.leak(attack.knowledge.sees), victim)
                asked = replace(blank, metric=QUERIES, value=float(victim.queries), n=len(guess), private_when="high")
                if show is not None and attack.guesses is Guess.IMAGES:
                    show(cell, guess, views.protected)
                found = [*judged(blank, fitted, guess, victim, views, judge, measures)]
                yield from complete([*found, asked] if scored else found)
            except BautaError as error:
                yield from complete([replace(blank, metric="failed", note=str(error))])


def cell_of(system: str, attack: Attack) -> str:
    """The key of what one attack does to one system."""
    sees = attack.knowledge.sees
    elsewhere = "" if sees is type(attack).default_knowledge.sees else f" at {sees.value}"
    return f"{system} / {attack!r}{elsewhere} / {attack.knowledge.knows.name}"


def fit_key(attack: Attack, pipeline: Pipeline, public: Faces | None) -> tuple[object, ...]:
    """What fitting depends on: an unaware attacker has the bare device alone, whatever protects it later.

    Of that device, one who sees pictures or scores and holds nothing has not even the network.
    """
    known = attack.knowledge
    device: object = None
    if known.knows is not Knows.NOTHING:
        device = pipeline
    elif known.holds or not (
        known.sees is Stage.SCORES or (known.sees is Stage.IMAGES and known.access is Access.NONE)
    ):
        device = pipeline.bare().recognizer
    faces = () if public is None else (len(public), *public[:1].digests(), *public[-1:].digests())
    return repr(attack), known, device, faces


def utility(blank: Row, views: Views) -> Iterator[Row]:
    """What the authorized recognizer makes of the system's templates."""
    probes, gallery = views.probe(Stage.TEMPLATES), views.gallery(Stage.TEMPLATES)
    threshold = zoo.threshold(views.system.gallery.recognizer.name)
    if views.pairs is not None:
        yield from judge_templates(blank, probes, gallery, views.pairs, threshold)
        return
    own, ledger = cosine(probes, gallery), Ledger(blank, views.groups)
    yield ledger.mean("cosine to itself", own)
    if threshold is not None:
        yield ledger.mean("accepted as itself", srra(own, threshold), note=f"threshold {threshold:.3f}")


def judged(
    blank: Row,
    attack: Attack,
    guess: Tensor,
    victim: Victim,
    views: Views,
    judge: Reidentification | None,
    measures: Sequence[Metric],
) -> Iterator[Row]:
    """A guess against the truth, by what it is."""
    if attack.guesses is Guess.ATTRIBUTES:
        name = str(getattr(attack, "attribute", ""))
        labels = views.protected.attributes.get(name)
        if labels is None:
            known = ", ".join(views.faces.attributes) or "none"
            raise UsageError(f"{attack!r} infers {name!r}, but the victims' known attributes are {known}.")
        clean = attack(views.bare(attack.knowledge.sees), victim)
        yield from judge_attributes(blank, name, guess, clean, labels, views.groups)
        return
    if attack.guesses is Guess.TEMPLATES:
        if views.pairs is None:
            raise UsageError(f"{attack!r} links pictures, so it is judged on pairs; these victims are faces alone.")
        references = views.references(attack, victim)
        yield from judge_templates(blank, guess, references, views.pairs, getattr(attack, "threshold", None))
        return
    gallery = views.system.gallery
    recognizer = gallery.recognizer
    lines = srra_lines(zoo.threshold(recognizer.name), views.opposite(Stage.TEMPLATES), views.faces.identity)

    def read(images: Tensor) -> Tensor:
        if gallery.widened:  # a server that was built for what its protection sends reads nothing else
            with torch.no_grad():
                return torch.cat([gallery.templates(batch) for batch in Faces(images).batches(BATCH)])
        return embed(recognizer, Faces(images), BATCH)

    truth = views.protected.images
    yield from judge_pictures(blank, guess, truth, views.groups, measures, read, lines, recognizer.columns)
    if judge is not None and views.pairs is not None:
        references = judge(views.opposite(Stage.IMAGES), victim)
        yield from judge_templates(
            blank, judge(guess, victim), references, views.pairs, judge.threshold, suffix=OF_PICTURES
        )


def refuse_overlap(public: Faces | None, victims: Faces) -> None:
    """The attacker's faces and the victims share no identity, and no file where identities are unknown."""
    if public is None:
        return
    if public.identity is not None and victims.identity is not None:
        shared = len(set(public.identity.tolist()) & set(victims.identity.tolist()))
        what = "people"
    else:
        shared, what = len(set(public.digests()) & set(victims.digests())), "files"
    if shared:
        raise UsageError(f"The attacker's faces and the victims share {shared} {what}; split them by identity first.")


def seed_everything(seed: int, cell: str) -> None:
    """Seed the global generators from the seed and the cell's name, so that the order of cells changes nothing."""
    number = int.from_bytes(hashlib.sha256(f"{seed}:{cell}".encode()).digest()[:4], "big")
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - attacks of others may draw from it
    torch.manual_seed(number)
