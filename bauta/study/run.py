"""Systems x attacks -> rows. The only file that seeds the global generators, once a cell."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from bauta import zoo
from bauta.attacks.base import Reidentification, Victim
from bauta.errors import BautaError, UsageError
from bauta.faces import Pairs
from bauta.metrics import SSIM, auc, best_threshold, bootstrap, pmt_accuracy, rank1, srra, tar_at_far
from bauta.metrics.base import Interval
from bauta.pipeline import Pipeline, System
from bauta.study.records import Row
from bauta.types import Faces, Stage, Templates

RANKED = 200
FAR = 0.01


def run(
    systems: Mapping[str, System],
    attacks: Sequence[Reidentification],
    public: Faces | None,
    victims: Pairs,
    seed: int,
    *,
    skip: Collection[str] = (),
) -> Iterator[Row]:
    """Every system under every attack, on a verification protocol: first the system's own utility, then the attacks.

    The first picture of a pair passes the probe's pipeline, both pass the gallery's. public: the attacker's faces; they
    may share no identity with the victims. skip: cells that are not to be run again. A cell that fails is a row that
    says why. Raises `UsageError` for shared identities.
    """
    refuse_overlap(public, victims.faces)
    galleries: dict[Pipeline, dict[Stage, Tensor]] = {}  # systems often share one
    for name, system in systems.items():
        views = Views(system, victims, galleries.setdefault(system.gallery, {}))
        cell = f"{name} / utility"
        if cell not in skip:
            seed_everything(seed, cell)
            yield from _judge(
                Row(cell, name, "utility", "the authorized recognizer", "", None, private_when="", seed=seed),
                views.probe(Stage.TEMPLATES),
                views.gallery(Stage.TEMPLATES),
                victims,
                zoo.threshold(system.gallery.recognizer.name),
            )
            pictures, originals = views.probe(Stage.IMAGES), victims.faces[views.probes].images
            alike = bootstrap(_mean, SSIM(pictures, originals))
            yield _filled(Row(cell, name, "attack", "a viewer", "SSIM", None, seed=seed), alike)
        for attack in attacks:
            cell = f"{name} / {attack!r} / {attack.knowledge.knows.name}"
            if cell in skip:
                continue
            seed_everything(seed, cell)
            blank = Row(cell, name, "attack", repr(attack), "", None, knows=attack.knowledge.knows.name, seed=seed)
            try:
                victim = Victim(system.probe, attack.knowledge)
                fitted = attack.fit(public, victim)
                stage = attack.knowledge.sees
                probes = fitted(views.probe(stage), victim)
                gallery = views.references(fitted, victim)
                yield from _judge(blank, probes, gallery, victims, fitted.threshold)
            except BautaError as error:
                yield Row(**{**blank.__dict__, "metric": "failed", "note": str(error)})


class Views:
    """What a system shows of the victims at each stage, computed once; gallery holds what is known of that side."""

    def __init__(self, system: System, victims: Pairs, gallery: dict[Stage, Tensor]) -> None:
        self.system, self.faces = system, victims.faces
        self.probes = torch.unique(victims.first)
        self._probe: dict[Stage, Tensor] = {}
        self._gallery = gallery
        self._reader: Reidentification | None = None
        self._references = torch.empty(0)

    def probe(self, stage: Stage) -> Tensor:
        """Rows for the distinct first pictures (`probes`)."""
        return _view(self._probe, self.system.probe, stage, self.faces[self.probes])

    def gallery(self, stage: Stage) -> Tensor:
        """Rows for all pictures of the protocol."""
        return _view(self._gallery, self.system.gallery, stage, self.faces)

    def references(self, attack: Reidentification, victim: Victim) -> Templates:
        """The attacker's templates of the gallery; purifiers in front of one attack share them."""
        reader = attack.reference
        if self._reader is not reader:
            self._reader, self._references = reader, reader(self.gallery(attack.knowledge.sees), victim)
        return self._references


def _view(seen: dict[Stage, Tensor], pipeline: Pipeline, stage: Stage, faces: Faces) -> Tensor:
    if stage not in seen:
        with torch.no_grad():
            seen[stage] = torch.cat([pipeline.at(stage, batch) for batch in faces.batches(64)])
    return seen[stage]


def _judge(blank: Row, probes: Templates, gallery: Templates, victims: Pairs, threshold: float | None) -> Iterator[Row]:
    _, place = torch.unique(victims.first, return_inverse=True)
    first, second, same = victims.first, victims.second, victims.same
    probe = probes[place]
    own, pair = (probe * gallery[first]).sum(1), (probe * gallery[second]).sum(1)
    clean = (gallery[first] * gallery[second]).sum(1)
    line = best_threshold(clean, same) if threshold is None else threshold
    who = victims.faces.identity
    groups = None if who is None else who[first]

    def row(metric: str, interval: Interval, private_when: str = "low", note: str = "") -> Row:
        good = "" if blank.role == "utility" else private_when
        return _filled(Row(**{**blank.__dict__, "metric": metric, "private_when": good, "note": note}), interval)

    def rate(name: str, hits: Tensor, chosen: Tensor | None = None) -> Row:
        rows = slice(None) if chosen is None else chosen
        picked = None if groups is None else groups[rows]
        return row(name, bootstrap(_mean, hits[rows].float(), groups=picked), note=f"threshold {line:.3f}")

    yield rate("accuracy (Eq. 10)", pmt_accuracy(own, pair, same, line))
    yield rate("accuracy on the clean pairs", pmt_accuracy(torch.ones_like(own), clean, same, line))
    yield rate("accepted as itself", srra(own, line))
    yield rate("accepted as the same person", pair > line, same)
    yield rate("accepted as a stranger", pair > line, ~same)
    yield row("cosine to itself", bootstrap(_mean, own, groups=groups))
    yield row("AUC", bootstrap(auc, pair, same, groups=groups))
    yield row(f"TAR@FAR={FAR:g} recalibrated", bootstrap(_tar, pair, same, groups=groups))
    yield from _ranks(row, probe, gallery, victims)


def _ranks(row: Callable[..., Row], probe: Templates, gallery: Templates, victims: Pairs) -> Iterator[Row]:
    """Rank-1 among the first `RANKED` people with a genuine pair: probe its first picture, enroll its second."""
    who = victims.faces.identity
    if who is None:
        return
    chosen: dict[int, int] = {}
    for index in victims.same.nonzero().flatten().tolist():
        chosen.setdefault(int(who[victims.first[index]]), index)
    rows = torch.tensor(list(chosen.values())[:RANKED])
    people = who[victims.first[rows]]
    hits = rank1(probe[rows], gallery[victims.second[rows]], people, people).float()
    yield row("rank-1", bootstrap(_mean, hits), note=f"among {len(rows)} people, chance {1 / len(rows):.4f}")


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


def _filled(row: Row, interval: Interval) -> Row:
    values = {"value": interval.value, "low": interval.low, "high": interval.high, "n": interval.n}
    return Row(**{**row.__dict__, **values})


def _mean(values: Tensor) -> float:
    return float(values.mean())


def _tar(scores: Tensor, same: Tensor) -> float:
    return tar_at_far(scores, same, FAR)
