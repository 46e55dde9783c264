"""One training from names: data, network, protections, teacher; its folder, and the pipeline that comes out of it.

The folder holds recipe.json (all settings, and at the end what was reached), log.csv, the last checkpoint,
protections.safetensors (what they learned) and at the end weights.safetensors: `bauta.recognizers.load(folder)` is then
the network, and `load_pipeline(folder)` the network behind its protections.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from bauta.errors import BadCheckpoint, UsageError
from bauta.ops.noise import generators
from bauta.ops.seeds import seeded
from bauta.pipeline import Pipeline
from bauta.protections import ALL, FeatureProtection, Protection
from bauta.recognizers import Recognizer, load
from bauta.recognizers.trainable import WEIGHTS, begin, new, recipe_of, training_folder
from bauta.spec import parse
from bauta.train.examples import Examples, sample
from bauta.train.folders import stated, write_recipe
from bauta.train.objective import Identity, Objective
from bauta.train.presets import Recipe, small
from bauta.train.teaching import Teaching
from bauta.types import Templates
from bauta.zoo.cache import write_whole

__all__ = ["Training", "build", "export", "load_pipeline", "objective", "wanted"]

LEARNED = "protections.safetensors"
FITTED_ON = 10_000


@dataclass(frozen=True)
class Training:
    """All that decides a training, by names and specs.

    architecture, options: of `bauta.recognizers.trainable.TRAINABLE`. protections: specs, in their order. data: what to
    learn from. pairs: what judges, or None for the last `folds` folds of the data itself. limit: at most so many
    pictures. teacher: a recognizer's name, or None. cast: the strength of a `ColorCast`, 0 for none. also: further sets
    without names; blends: so many faces between two faces (`bauta.train.pool`). A teacher alone can teach these. start:
    a recognizer whose weights are begun with, wherever a layer's name and shape agree.
    """

    architecture: str = "mobilefacenet"
    options: Mapping[str, object] = field(default_factory=dict)
    protections: Sequence[str] = ()
    data: str = "lfw"
    pairs: str | None = None
    folds: int = 2
    limit: int | None = None
    teacher: str | None = None
    cast: float = 0.0
    also: Sequence[str] = ()
    blends: int = 0
    start: str | None = None
    recipe: Recipe = field(default_factory=small)
    seed: int = 0

    def written(self) -> dict[str, Any]:
        """As recipe.json has it."""
        return stated(self)


def build(training: Training, known: Iterable[type] = ()) -> Pipeline:
    """The network with its first weights behind its protections, which have learned nothing yet.

    A protection that changes the channels gets a server of its `channels`. known: classes beside bauta's own that specs
    may name. Raises `UsageError`.
    """
    protections = [protection(spec, known) for spec in training.protections]
    options = options_of(training, protections)
    (draw,) = generators(training.seed, [training.architecture], "first weights")
    with seeded(draw.initial_seed(), torch.device("cpu")):
        network = new(training.architecture, options)
    if training.start is not None:
        begin(network, load(training.start))
    return Pipeline(network, *protections)


def options_of(training: Training, protections: Iterable[Protection]) -> dict[str, object]:
    """The network's options, with the channels that its protections leave it."""
    options = dict(training.options)
    for one in protections:
        if isinstance(one, FeatureProtection) and one.changes_channels:
            options["channels"] = int(one.channels)  # type: ignore[arg-type]
    return options


def wanted(training: Training, protections: Iterable[Protection]) -> dict[str, Any]:
    """All settings of a training as its recipe.json has them, the server's channels among them."""
    return training.written() | {"options": json.loads(json.dumps(options_of(training, protections)))}


def protection(spec: str, known: Iterable[type]) -> Protection:
    """The protection that a spec describes. Raises `UsageError`."""
    found = parse(spec, (*ALL, *known))
    if not isinstance(found, Protection):
        raise UsageError(f"{spec} is no protection.")
    return found


def fitted(pipeline: Pipeline, examples: Examples) -> Pipeline:
    """The same network behind its protections, fitted on at most 10,000 of the training pictures."""
    if not pipeline.protections:
        return pipeline
    faces = sample(examples, FITTED_ON)
    network = copy.deepcopy(pipeline.recognizer).frozen()
    return Pipeline(pipeline.recognizer, *(one.fit(faces, network) for one in pipeline.protections))


def objective(
    pipeline: Pipeline, recipe: Recipe, examples: Examples, lessons: Templates | None, *, seed: int = 0
) -> Objective:
    """The recipe's head over the training people, and the teacher's lessons where there are some.

    Raises `UsageError` where there is neither.
    """
    with torch.no_grad():
        pipeline.eval()
        faces, _ = examples.read([0])
        width = pipeline.recognizer.embedding(pipeline.features(faces)).shape[1]
    terms: dict[str, nn.Module] = {}
    (draw,) = generators(seed, ["terms"], "first weights")
    if recipe.head is not None:
        people = int(examples.identity.max()) + 1
        terms["identity"] = Identity(copy.deepcopy(recipe.head).sized(width, people, draw), recipe.people)
    if lessons is not None:
        with seeded(draw.initial_seed(), torch.device("cpu")):
            terms["teacher"] = Teaching(lessons, width, pairs=recipe.pairs)
    if not terms:
        raise UsageError("There is nothing to learn: give a teacher, or a head, as --head CosFace.")
    return Objective(pipeline, terms)


def write_learned(folder: Path, pipeline: Pipeline) -> None:
    """protections.safetensors, whole: what each protection learned, under its place."""
    tensors = {f"{i}.{k}": v.cpu() for i, one in enumerate(pipeline.protections) for k, v in one.learned().items()}
    write_whole(folder / LEARNED, save(tensors))


def restored(folder: Path, recognizer: Recognizer, protections: Sequence[Protection]) -> Pipeline:
    """The recognizer behind these protections with what they learned. Raises `BadCheckpoint`, `UsageError`."""
    parts: list[dict[str, Tensor]] = [{} for _ in protections]
    try:
        for name, tensor in load_file(folder / LEARNED).items():
            place, _, rest = name.partition(".")
            parts[int(place)][rest] = tensor
    except Exception as error:  # a file that is damaged can raise anything
        raise BadCheckpoint(f"{folder / LEARNED} cannot be read ({error}); train again, or copy it again.") from error
    return Pipeline(recognizer, *(one.restored(t, recognizer) for one, t in zip(protections, parts, strict=True)))


def export(folder: Path, pipeline: Pipeline, reached: Mapping[str, float]) -> None:
    """The trained network and protections, and what was reached, into a training's folder."""
    state = {k: v.detach().cpu().contiguous() for k, v in pipeline.recognizer.state_dict().items()}
    write_learned(folder, pipeline)
    write_whole(folder / WEIGHTS, save(state))
    write_recipe(folder, recipe_of(folder) | {"reached": dict(reached)})


def load_pipeline(folder: str | Path, *, twin: Recognizer | None = None, known: Iterable[type] = ()) -> Pipeline:
    """A trained network behind its protections, frozen and in evaluation mode.

    folder: of a training, or the name of one that comes with bauta, as "bauta-partialface".
    twin: the plain recognizer, for `Pipeline.bare`. known: as for `build`. Raises `MissingWeights`, `BadCheckpoint`.
    """
    folder = training_folder(folder) or Path(folder)
    specs = recipe_of(folder).get("protections", ())
    recognizer = load(str(folder))
    protections = [protection(spec, known) for spec in specs]
    made = restored(folder, recognizer, protections)
    return Pipeline(recognizer, *made.protections, twin=twin).eval().requires_grad_(False)
