"""The proof after a job: who accepts the pictures that were just written, raw, cleaned, and after what services do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from bauta import zoo
from bauta.attacks.purify import FILTERS
from bauta.metrics import SSIM, wilson
from bauta.metrics.draws import mean_interval
from bauta.protections.images.service import SERVICES
from bauta.recognizers import Recognizer, load
from bauta.types import Faces, Images

# column -> service: those that move nothing in the picture
COLUMNS = {"JPEG 95": "JPEG 95", "JPEG 75": "JPEG 75", "noise 0.1": "noise 0.1", "resized": "resized to 96 and back"}
WRITTEN, CLEANED = "as written", "best cleaned"


class Proof:
    """Compares pictures with the faces they were made from, by authorized and by foreign recognizers.

    A recognizer accepts when the cosine of the two templates exceeds its own LFW threshold. Foreign recognizers also
    try every purifier, and the highest cosine of each picture counts.
    """

    def __init__(self, authorized: Sequence[Recognizer], foreign: Sequence[Recognizer]) -> None:
        self.authorized, self.foreign = tuple(authorized), tuple(foreign)

    def measure(self, originals: Faces, pictures: Images) -> list[dict[str, Any]]:
        """One entry a face: {"ssim": s, "cosines": {recognizer: {condition: cosine}}}."""
        served = {column: SERVICES[name](pictures, originals) for column, name in COLUMNS.items()}
        variants = {WRITTEN: pictures, **served}
        cleaned = {name: clean(pictures) for name, clean in FILTERS.items()} if self.foreign else {}
        result: list[dict[str, Any]] = [{"ssim": s, "cosines": {}} for s in SSIM(pictures, originals.images).tolist()]
        for recognizer in (*self.authorized, *self.foreign):
            with torch.no_grad():
                truth = recognizer.embed(originals.images)
                found = {name: (recognizer.embed(x) * truth).sum(1) for name, x in variants.items()}
                if recognizer in self.foreign:
                    best = [(recognizer.embed(x) * truth).sum(1) for x in cleaned.values()]
                    found[CLEANED] = torch.stack(best).amax(0)
            for row, entry in enumerate(result):
                entry["cosines"][recognizer.name] = {name: float(values[row]) for name, values in found.items()}
        return result


def proof_table(entries: Sequence[Mapping[str, Any]], authorized: Sequence[str]) -> list[dict[str, object]]:
    """Rows for a report from `Proof.measure`'s entries, one a recognizer.

    cosine and accepted: the pictures as written, with 95 % intervals over pictures; then the share that it accepts
    after each service and, for a foreign one, behind the best purifier of each picture.
    """
    rows: list[dict[str, object]] = []
    for name in dict.fromkeys(name for entry in entries for name in entry["cosines"]):
        measured = [entry["cosines"][name] for entry in entries if name in entry["cosines"]]
        line = zoo.threshold(name)
        found = {c: torch.tensor([m[c] for m in measured]) for c in measured[0]}
        shares = {c: None if line is None else int((values > line).sum()) for c, values in found.items()}
        written = shares.pop(WRITTEN)
        rows.append(
            {
                "recognizer": name,
                "role": "authorized" if name in authorized else "foreign",
                "n": len(measured),
                "cosine": _mean(found[WRITTEN]),
                "accepted": None if written is None else wilson(written, len(measured)),
                **{c: None if k is None else k / len(measured) for c, k in shares.items()},
            }
        )
    return rows


def refused(entries: Sequence[Mapping[str, Any]], authorized: Sequence[str]) -> dict[str, int]:
    """How many of the pictures, as written, each authorized recognizer does not accept; those with a threshold."""
    lines = {name: line for name in authorized if (line := zoo.threshold(name)) is not None}
    return {name: sum(entry["cosines"][name][WRITTEN] <= line for entry in entries) for name, line in lines.items()}


def prove(originals: Faces, pictures: Images, authorized: Sequence[Recognizer]) -> list[dict[str, object]]:
    """The proof table for pictures in memory, against every foreign recognizer whose weights are on this machine."""
    names = [r.name for r in authorized]
    proof = Proof(authorized, foreign_recognizers(names, pictures.device))
    entries = [
        entry
        for start in range(0, len(originals), 64)
        for entry in proof.measure(originals[start : start + 64], pictures[start : start + 64])
    ]
    return proof_table(entries, names)


def foreign_recognizers(but: Sequence[str], device: torch.device | str = "cpu") -> list[Recognizer]:
    """Every published recognizer with a threshold whose weights are on this machine, except those called `but`."""
    known = [record for record in zoo.WEIGHTS if record.name not in but and record.threshold is not None]
    return [load(record.name).to(device) for record in known if zoo.place(record.files[0])]


def _mean(values: Tensor) -> object:
    """With an interval over the pictures, where there are at least two."""
    return mean_interval(values) if len(values) > 1 else float(values.mean())
