"""PMT's measure of utility and privacy at once, UP (Pu et al., IEEE TDSC 2025, Eq. 9), of a system under noise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.metrics.base import Metric
from bauta.metrics.image import cosine
from bauta.pipeline import Pipeline, System
from bauta.protections import GaussianNoise, WhiteNoise
from bauta.study.judge import Ledger
from bauta.study.records import Row, complete
from bauta.study.run import seed_everything
from bauta.types import Faces, Features, Images, Stage

BATCH = 64


def up_rows(
    name: str,
    system: System,
    faces: Faces,
    noises: Sequence[float],
    thresholds: Sequence[float],
    models: Sequence[Metric],
    seed: int,
    *,
    restore: Callable[[Features], Images] | None = None,
    skip: Collection[str] = (),
) -> Iterator[Row]:
    """Both terms of Eq. 9 and their sum, one cell a noise level; what was measured where stands in the rows' settings::

        UP(noise, kappa) = E[ 1(cos(f(x~), f(x)) > kappa)  +  mean over i of Dist(m_i(x), m_i(x~)) ]

    x~ passes the probe's pipeline and x the gallery's, each with a draw of its own. f: the authorized recognizer.
    models: each Dist(m_i, m_i) as a metric of two pictures that is high where they say different things of the face.
    noises: standard deviations of white noise on the pictures, in units of [0, 1]; with `restore`, which turns features
    into the pictures that the models read (Figure 9), of noise on the features, relative to their own deviation.
    thresholds: kappa. Beside the first term stands how often x~ is accepted as somebody else's x: noise drives all
    templates together, and a recognizer that accepts everybody counts as useful in Eq. 9. Intervals come from
    resampling people. Raises `UsageError` without a model.
    """
    if not models:
        raise UsageError("UP needs at least one privacy-infringing model, for its second term; got none.")
    stage = Stage.IMAGES if restore is None else Stage.FEATURES
    for noise in noises:
        cell = f"{name} / UP / {stage.value} / noise {noise:g}"
        if cell in skip:
            continue
        seed_everything(seed, cell)
        names = " and ".join(model.name for model in models)
        facts: dict[str, object] = {"noise": noise, "noise on": stage.value}
        blank = Row(cell, name, "trade-off", names, "", None, private_when="high", seed=seed, settings=facts)
        yield from complete(up_at(blank, noise, system, faces, thresholds, models, restore))


def up_at(
    blank: Row,
    noise: float,
    system: System,
    faces: Faces,
    thresholds: Sequence[float],
    models: Sequence[Metric],
    restore: Callable[[Features], Images] | None,
) -> Iterator[Row]:
    """The rows of one noise level."""
    stage = Stage.IMAGES if restore is None else Stage.FEATURES
    ours, theirs = disturbed(system, stage, noise, blank.seed)
    probes, references = (_seen(pipeline, Stage.TEMPLATES, faces) for pipeline in (ours, theirs))
    own, other = cosine(probes, references), cosine(probes, references[strangers(faces)])
    shown = [_seen(pipeline, stage, faces) for pipeline in (ours, theirs)]
    pictures = shown if restore is None else [_in_batches(restore, leak) for leak in shown]
    distances = [_distances(model, *pictures) for model in models]
    privacy = torch.stack(distances).mean(0)
    ledger = Ledger(blank, faces.identity)
    yield ledger.mean(term("cosine", stage, noise), own, "high")
    yield ledger.mean(term("privacy", stage, noise), privacy, "high")
    if len(models) > 1:
        for model, distance in zip(models, distances, strict=True):
            alone = Ledger(replace(blank, attack=model.name), faces.identity)
            yield alone.mean(term("privacy", stage, noise), distance, "high")
    for kappa in thresholds:
        accepted = (own > kappa).float()
        yield ledger.mean(term("utility", stage, noise, kappa), accepted, "high")
        yield ledger.mean(term("strangers", stage, noise, kappa), (other > kappa).float(), "low")
        yield ledger.mean(term("UP", stage, noise, kappa), accepted + privacy, "high")


def strangers(faces: Faces) -> Tensor:
    """(B,) for each face the next one of somebody else, round the end; itself where there is nobody else."""
    number = len(faces)
    who = torch.arange(number) if faces.identity is None else faces.identity
    after = (torch.arange(number)[:, None] + torch.arange(1, number + 1)) % number
    first = (who[after] != who[:, None]).float().argmax(1)
    return after[torch.arange(number), torch.where((who[after] != who[:, None]).any(1), first, number - 1)]


def term(what: str, stage: Stage, *at: float) -> str:
    """The name of a measure: ``UP(0.1, 0.5)``, by noise and kappa; of features where the noise is on them."""
    return f"{what}({', '.join(f'{number:g}' for number in at)}){' of features' * (stage is Stage.FEATURES)}"


def disturbed(system: System, stage: Stage, noise: float, seed: int) -> tuple[Pipeline, Pipeline]:
    """The probe's and the gallery's pipeline with noise at a stage. They draw apart: a face's digest is the same."""
    kind = {Stage.IMAGES: WhiteNoise, Stage.FEATURES: GaussianNoise}[stage]
    sides = (system.probe, 2 * seed), (system.gallery, 2 * seed + 1)
    made = [Pipeline(side.recognizer, *side.protections, kind(noise, seed=own)) for side, own in sides]
    return made[0], made[1]


def _seen(pipeline: Pipeline, stage: Stage, faces: Faces) -> Tensor:
    with torch.no_grad():
        return torch.cat([pipeline.at(stage, batch) for batch in faces.batches(BATCH)])


def _in_batches(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([function(batch) for batch in torch.split(x, BATCH)])


def _distances(model: Metric, guess: Images, truth: Images) -> Tensor:
    pairs = zip(torch.split(guess, BATCH), torch.split(truth, BATCH), strict=True)
    with torch.no_grad():
        return torch.cat([model(*pair) for pair in pairs])
