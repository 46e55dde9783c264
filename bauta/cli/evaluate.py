"""`bauta evaluate`: a recognizer on a verification protocol, beside what its record states."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bauta import zoo
from bauta.cli.protect import Device, chosen_device
from bauta.errors import BautaError

if TYPE_CHECKING:
    from bauta.metrics import Interval
    from bauta.study.evaluate import Evaluation

FOLDS = 10
TOLERANCE = 0.1


def evaluate(
    recognizer: Annotated[str, typer.Option("--recognizer", help="A name from `bauta models list`, or a folder.")],
    data: Annotated[str, typer.Option("--data", help="A name from `bauta datasets list`, or a folder.")] = "lfw",
    limit: Annotated[
        int | None, typer.Option("--limit", min=2, help="About so many pairs, as many of each kind.")
    ] = None,
    device: Device = "auto",
    batch: Annotated[int, typer.Option("--batch", min=1, help="Pictures at a time.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Measure a recognizer on clean pairs: 10-fold accuracy, EER, AUC, TAR@FAR, threshold.

    Accuracy and its deviation over the folds are percent, other rates lie in [0, 1]. Of LFW, a network that bauta
    trained is judged by the folds alone whose people it has not seen. Ends with 1 when all of LFW's pairs ran and the
    accuracy is not the one that the record states.
    """
    from rich.console import Console
    from rich.progress import Progress

    from bauta.faces import load_pairs
    from bauta.recognizers import load
    from bauta.study.evaluate import evaluate as measure
    from bauta.train.examples import unseen

    network = load(recognizer).to(chosen_device(device))
    record = None if Path(recognizer).is_dir() else zoo.weights(recognizer)  # a folder: trained here
    if data == "lfw" and record is not None and record.folds < FOLDS:
        pairs = unseen(data, record.folds)
        pairs = pairs if limit is None else pairs.take(limit)
    else:
        pairs = load_pairs(data, limit)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("pictures", total=len(pairs.faces))
        found = measure(network, pairs, batch_size=batch, progress=lambda n: bar.advance(task, n))
    entry = document(recognizer, data, found)
    typer.echo(json.dumps(entry, indent=1) if as_json else text(entry))
    if data == "lfw" and limit is None and record is not None and record.accuracy is not None:
        compare(recognizer, entry["accuracy"], record.accuracy, len(pairs))


def document(recognizer: str, data: str, found: Evaluation) -> dict[str, Any]:
    """The figures as JSON has them."""

    def ends(interval: Interval, scale: float = 1) -> list[float]:
        return [round(scale * interval.low, 6), round(scale * interval.high, 6)]

    return {
        "recognizer": recognizer,
        "data": data,
        "pairs": found.accuracy.n,
        "accuracy": round(100 * found.accuracy.value, 4),
        "deviation": round(100 * found.deviation, 4),
        "threshold": round(found.threshold, 4),
        "eer": round(found.eer.value, 6),
        "auc": round(found.auc.value, 6),
        "tar": {f"{far:g}": round(tar.value, 6) for far, tar in found.tar.items()},
        "interval": {
            "accuracy": ends(found.accuracy, 100),
            "eer": ends(found.eer),
            "auc": ends(found.auc),
            "tar": {f"{far:g}": ends(tar) for far, tar in found.tar.items()},
        },
        "seconds": round(found.seconds, 2),
    }


def text(entry: dict[str, Any]) -> str:
    """The figures for a reader: one a line, with 95 % intervals."""
    ends = entry["interval"]
    low, high = ends["accuracy"]
    lines = [
        f"{entry['recognizer']} on {entry['data']}, {entry['pairs']} pairs, {entry['seconds']:.0f} s",
        f"accuracy      {entry['accuracy']:.2f} % ± {entry['deviation']:.2f} over the folds [{low:.2f}, {high:.2f}]",
        f"threshold     {entry['threshold']:.3f}",
        *(
            f"{name:<13} {value:.4f} [{low:.4f}, {high:.4f}]"
            for name, value, (low, high) in (
                ("EER", entry["eer"], ends["eer"]),
                ("AUC", entry["auc"], ends["auc"]),
                *((f"TAR@FAR={far}", entry["tar"][far], ends["tar"][far]) for far in entry["tar"]),
            )
        ),
    ]
    return "\n".join(lines)


def compare(name: str, accuracy: float, stated: float, pairs: int) -> None:
    """Raise `BautaError` unless the accuracy (percent) is the one stated."""
    if round(abs(accuracy - stated), 4) > TOLERANCE:
        raise BautaError(
            f"{name} reached {accuracy:.2f} % on all {pairs:,} pairs, but its record states {stated:.2f} %; check the "
            "weights, the preprocessing in the record, and which copy of the pictures this is."
        )
