"""Train a small network to read age, gender, race and emotion, from its settings to the file that an audit uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.estimators.embedded import BautaAttributes, marks, owner, read_attributes, written_attributes
from bauta.faces.datasets import DataSet, Verification, open_data
from bauta.faces.datasets.base import DRAWN
from bauta.faces.datasets.pairs import draw
from bauta.metrics.attribute import balanced_accuracy, years_apart
from bauta.ops.noise import generators
from bauta.ops.seeds import seeded
from bauta.recognizers.trainable import WEIGHTS, recipe_of
from bauta.train.augment import Augment
from bauta.train.checkpoints import Row
from bauta.train.engine import engine
from bauta.train.examples import last_folds
from bauta.train.folders import open_folder, stated, write_recipe
from bauta.train.loop import fit
from bauta.train.plans import OneCycle
from bauta.train.pool import Joined, Nameless
from bauta.train.presets import Recipe
from bauta.train.reading import Reading
from bauta.train.recognizing import Told, agreed, by_epoch
from bauta.types import Faces
from bauta.zoo.cache import write_whole

__all__ = ["Attributing", "attributes_recipe", "divided", "guesses", "train_attributes"]

ARCHITECTURE = "attributes"
HELD = 5  # of so many files without a name, one is held out
BATCH = 64


def attributes_recipe(*, epochs: int = 20) -> Recipe:
    """AdamW with one cycle of the rate up to 0.004 and much decay, in batches of 64, turned, shifted and mirrored.

    Cost: 2.3 ms of one core a picture in bfloat16; 20 epochs of UTKFace's subset and LFW take a quarter of an hour.
    """
    return Recipe(epochs, BATCH, OneCycle(rate=4e-3, decay=0.05), augment=Augment(turn=8))


@dataclass(frozen=True)
class Attributing:
    """All that decides a training, by names.

    data: sets of faces, each with some of the attributes; between them they know all four. folds: of a set that says
    who is who, so many of its ten folds of people are held out; of another, a fifth of the files. widths: of the
    network. limit: at most so many faces of each set.
    """

    data: Sequence[str] = ("utkface", "lfw")
    folds: int = 2
    widths: Sequence[int] = (16, 32, 64, 112)
    recipe: Recipe = field(default_factory=attributes_recipe)
    limit: int | None = None
    seed: int = 0

    def written(self) -> dict[str, Any]:
        """As recipe.json has it."""
        return stated(self) | {"architecture": ARCHITECTURE, "options": {"widths": list(self.widths)}}


def train_attributes(
    attributing: Attributing,
    out: str | Path,
    *,
    resume: bool = False,
    kind: str = "cpu",
    devices: int = 1,
    bfloat16: bool | None = None,
    workers: int = 0,
    every: int | None = None,
    told: Told | None = None,
) -> tuple[BautaAttributes, list[Row]]:
    """Train, measure after each epoch on faces held out, and write the folder `out`; the network and its curve.

    As `train_recognizer`: the folder gets log.csv, recipe.json, checkpoints, weights.safetensors; a stopped training
    goes on to the same curve. A row has the means of the losses and, of the faces held out, the mean error of the age
    in years and each class's balanced accuracy. Nothing is chosen by these. Raises `BautaError`.
    """
    folder, fabric = Path(out), engine(kind, devices=devices, bfloat16=bfloat16)
    resumed = agreed(fabric, lambda: open_folder(folder, attributing.written(), resume))
    parts = [divided(name, attributing.folds, attributing.limit) for name in attributing.data]
    (draw,) = generators(attributing.seed, ["attributes"], "first weights")
    with seeded(draw.initial_seed(), torch.device("cpu")):
        network = BautaAttributes(widths=attributing.widths)
    network.learned_ = learned_from([learned for learned, _ in parts])
    reading = Reading(network, [learned.attributes for learned, _ in parts])
    examples = Joined(*(Nameless(learned) for learned, _ in parts))

    rows = fit(
        fabric, reading, examples, attributing.recipe, seed=attributing.seed, folder=folder, resume=resumed,
        every=every, workers=workers, judged=lambda: measured(network, [held for _, held in parts]),
        told=by_epoch(fabric, told),
    )  # fmt: skip
    if fabric.is_global_zero:
        write_whole(folder / WEIGHTS, written_attributes(network))
        write_recipe(folder, recipe_of(folder) | {"reached": rows[-1]})
    fabric.barrier()
    return read_attributes(folder), rows


def divided(name: str, folds: int = 2, limit: int | None = None) -> tuple[Faces, Faces]:
    """What is learned from, and what is held out, of a set.

    Where it says who is who: the people in the pairs of its last `folds` folds, as `bauta.train.held_out` has them.
    Else every file whose SHA-256 begins with 32 bits that five divides, the same in every copy of the set.
    Raises `UsageError` for a set without pictures of its own (.bin, .rec).
    """
    found = open_data(name)
    if not isinstance(found, DataSet):
        raise UsageError(
            f"{name} has no labels of age, gender, race or emotion; give sets that have, as utkface and lfw."
        )
    names = found.names if limit is None else found.chosen(limit)
    faces, kept = found.read(names)
    if faces.identity is None:
        held = torch.tensor([int(digest[:8], 16) % HELD == 0 for digest in faces.digests()])
    else:
        people = {one: str(found.person(one)) for one in found.names}
        pairs = found.protocol() if isinstance(found, Verification) else draw(list(people), [*people.values()], DRAWN)
        judging = {people[one] for pair in last_folds(pairs, folds) for one in (pair.first, pair.second)}
        held = torch.tensor([people[one] in judging for one in kept])
    if held.all() or not held.any():
        raise UsageError(f"Of {len(faces)} faces of {name}, {int(held.sum())} would be held out; give more of them.")
    return faces[~held], faces[held]


def learned_from(parts: Sequence[Faces]) -> Tensor:
    """(N,) marks of every picture, and of everybody who is named."""
    named = [one for part in parts if part.identity is not None for one in part.source]
    words = {digest for part in parts for digest in part.digests()} | {owner(one.file) for one in named}
    return marks(sorted(words))


@torch.no_grad()
def guesses(network: torch.nn.Module, faces: Faces) -> dict[str, Tensor]:
    """What an estimator says of faces: attribute -> (N, K). Its mode is put back."""
    mode, device = network.training, next(network.parameters()).device
    network.eval()
    found = [network(batch.images.to(device)) for batch in faces.batches(BATCH)]
    network.train(mode)
    return {name: torch.cat([one[name] for one in found]).float().cpu() for name in found[0]}


def measured(network: BautaAttributes, held: Sequence[Faces]) -> Row:
    """Of the faces held out: the mean error of the age in years, and the balanced accuracy of each class."""
    found: Row = {}
    said = [guesses(network, faces) for faces in held]
    for name, values in network.classes.items():
        sets = [
            (one[name], faces.attributes[name])
            for one, faces in zip(said, held, strict=True)
            if name in faces.attributes
        ]
        guess, truth = torch.cat([g for g, _ in sets]), torch.cat([t for _, t in sets])
        known = truth >= 0
        if known.any():
            score = balanced_accuracy if values else (lambda g, t: float(years_apart(g, t).mean()))
            found[f"held {name}"] = score(guess[known], truth[known])
    return found
