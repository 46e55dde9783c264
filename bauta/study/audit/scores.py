"""Cosines of genuine and impostor pairs, kept as a small file a system, and the curves that they draw."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from bauta import zoo
from bauta.attacks.base import Reidentification, Victim
from bauta.errors import BadFile
from bauta.faces import Pairs
from bauta.faces.images import write_bytes
from bauta.metrics import roc
from bauta.study.audit.document import Curve, Histogram, Line
from bauta.study.audit.subjects import Subject
from bauta.study.audit.threats import FOREIGN
from bauta.study.gallery import safe
from bauta.study.views import Views
from bauta.types import Stage

SCORES = "scores"
AUTHORIZED = "authorized"
BINS = 40
POINTS = 200  # of a ROC, at most


@dataclass(frozen=True)
class Scores:
    """One system's. same: (N,) bool. by: who reads -> (N,) cosines. thresholds: who reads -> its own, if it has one."""

    system: str
    same: Tensor
    by: Mapping[str, Tensor]
    thresholds: Mapping[str, float]


def measured(subject: Subject, victims: Pairs, reader: Reidentification | None) -> Scores:
    """What the authorized recognizer says of each pair, and a foreign one where pictures leave the device."""
    owned = Views(subject.owned, victims, {})
    place = torch.unique(victims.first, return_inverse=True)[1]
    gallery = owned.gallery(Stage.TEMPLATES)[victims.second]
    by = {AUTHORIZED: (owned.probe(Stage.TEMPLATES)[place] * gallery).sum(1)}
    own = zoo.threshold(subject.plain.recognizer.name)
    thresholds = {} if own is None else {AUTHORIZED: own}
    if reader is not None and FOREIGN in subject.exposed:
        nobody, views = Victim(subject.system.exposed, reader.knowledge), Views(subject.system, victims, {})
        name = repr(reader)
        probes = reader(views.leak(Stage.IMAGES), nobody)[place]
        by[name] = (probes * reader(victims.faces.images, nobody)[victims.second]).sum(1)
        if reader.threshold is not None:
            thresholds[name] = reader.threshold
    return Scores(subject.name, victims.same, by, thresholds)


def keep(folder: Path, scores: Scores) -> None:
    """Write them below an audit's folder."""
    names = list(scores.by)
    facts = {"system": scores.system, "by": names, "thresholds": dict(scores.thresholds)}
    tensors = {"same": scores.same.byte(), "cosines": torch.stack([scores.by[name].float() for name in names])}
    write_bytes(file(folder, scores.system), save(tensors, {"scores": json.dumps(facts)}))


def file(folder: Path, system: str) -> Path:
    """Where a system's are."""
    return folder / SCORES / f"{safe(system)}.safetensors"


def read(path: Path) -> Scores:
    """What `keep` wrote. Raises `BadFile`."""
    try:
        with safe_open(path, "pt") as opened:
            facts = json.loads(opened.metadata()["scores"])
            same, cosines = opened.get_tensor("same").bool(), opened.get_tensor("cosines")
            by = dict(zip(facts["by"], cosines, strict=True))
            limits = [limit for limit in facts["thresholds"].values() if limit is not None]
            if not all(type(name) is str for name in (facts["system"], *by)) or cosines.shape[1:] != same.shape:
                raise ValueError("names that are no text, or other numbers of pairs")
            if not all(type(limit) in (int, float) for limit in limits):
                raise TypeError("thresholds that are no numbers")
            return Scores(facts["system"], same, by, facts["thresholds"])
    except (SafetensorError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadFile(f"{path} holds no scores of an audit ({error}); delete it and run the audit again.") from error


def every(folder: Path, systems: list[str]) -> list[Scores]:
    """The scores of those systems that have some, in their order."""
    return [read(path) for path in (file(folder, name) for name in systems) if path.exists()]


def curves(found: list[Scores]) -> list[Curve]:
    """ROC curves, all systems over one pair of axes for each reader."""
    readers = list(dict.fromkeys(name for scores in found for name in scores.by))
    made = []
    for reader in readers:
        lines = [rocked(scores.system, scores.by[reader], scores.same) for scores in found if reader in scores.by]
        who = "the authorized recognizer" if reader == AUTHORIZED else reader
        note = (
            "" if reader == AUTHORIZED else "Pictures as they are; purifiers and trained attackers are in the tables."
        )
        made.append(
            Curve(
                f"roc-{safe(reader)}",
                f"ROC of {who}",
                "false accept rate",
                "true accept rate",
                lines,
                diagonal=True,
                note=note,
            )
        )
    return made


def rocked(label: str, cosines: Tensor, same: Tensor) -> Line:
    """One ROC, thinned to at most `POINTS` points."""
    whole = roc(cosines, same)
    rows = torch.linspace(0, len(whole.fpr) - 1, min(POINTS, len(whole.fpr))).round().long()
    return Line(label, whole.fpr[rows].tolist(), whole.tpr[rows].tolist())


def histograms(found: list[Scores]) -> list[Histogram]:
    """Genuine and impostor cosines of each system and reader, in bins of the same width."""
    edges = torch.linspace(-1, 1, BINS + 1, dtype=torch.float64)
    made = []
    for scores in found:
        for reader, cosines in scores.by.items():
            who = "the authorized recognizer" if reader == AUTHORIZED else reader
            counts = [
                torch.histogram(cosines[rows].double().clamp(-1, 1), edges).hist.long().tolist()
                for rows in (scores.same, ~scores.same)
            ]
            name = f"scores-{safe(f'{scores.system} {reader}')}"
            line = scores.thresholds.get(reader)
            made.append(Histogram(name, f"{scores.system}, {who}", edges.tolist(), counts[0], counts[1], line))
    return made
