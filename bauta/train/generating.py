"""Train a face prior from its settings to the file that `AutoencoderPrior` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.faces import load_dataset
from bauta.faces.align import continued
from bauta.faces.datasets import open_data
from bauta.faces.datasets.base import Verification
from bauta.generators.autoencoder import AutoencoderPrior, LatentDecoder, written
from bauta.metrics import kernel_distance, perceptual
from bauta.ops.noise import generators
from bauta.ops.seeds import seeded
from bauta.recognizers import Recognizer, load
from bauta.recognizers.compact import compact_residual
from bauta.recognizers.embedding import embed, embed_batches
from bauta.recognizers.trainable import WEIGHTS, recipe_of
from bauta.train.checkpoints import Row
from bauta.train.drawing import Drawing, gray
from bauta.train.engine import engine
from bauta.train.examples import held_out
from bauta.train.folders import open_folder, stated, write_recipe
from bauta.train.loop import fit
from bauta.train.plans import OneCycle
from bauta.train.pool import Joined, Nameless
from bauta.train.presets import Recipe
from bauta.train.recognizing import Told, agreed, by_epoch
from bauta.types import Faces
from bauta.zoo.cache import write_whole

__all__ = ["Generating", "generator_recipe", "learnable", "train_generator"]

HELD_OUT, DRAWN, BATCH = 1000, 1000, 64
ARCHITECTURE = "latent_decoder"


def generator_recipe(*, epochs: int = 12) -> Recipe:
    """AdamW with one cycle of the rate up to 0.001, in batches of 64, with mirror images.

    Cost: 23 ms of one core a picture in bfloat16, by its own clock; 12 epochs of 18,000 pictures take an hour and a
    half.
    """
    return Recipe(epochs, BATCH, OneCycle(rate=1e-3))


@dataclass(frozen=True)
class Generating:
    """All that decides a generator's training, by names.

    data: sets of faces, whoever they show; what is gray teaches the network, and is no part of the prior's distribution
    where others have color. folds: the people of so many last folds of LFW's protocol are left out, so that a prior and
    recognizers can be judged by the same people. layers: the recognizer in whose layers pictures are compared, or None.
    judge: the one in whose space draws are compared with `HELD_OUT` faces that are not learned from; not `layers`,
    which was trained against.
    """

    data: Sequence[str] = ("utkface", "lfw")
    folds: int = 0
    layers: str | None = None
    judge: str | None = None
    latent: int = 256
    widths: Sequence[int] = (160, 160, 96, 48)
    weights: tuple[float, float] = (1.0, 0.03)
    recipe: Recipe = field(default_factory=generator_recipe)
    limit: int | None = None
    seed: int = 0

    def written(self) -> dict[str, Any]:
        """As recipe.json has it."""
        options = {"latent": self.latent, "widths": list(self.widths)}
        return stated(self) | {"architecture": ARCHITECTURE, "options": options}


def train_generator(
    generating: Generating,
    out: str | Path,
    *,
    resume: bool = False,
    kind: str = "cpu",
    devices: int = 1,
    bfloat16: bool | None = None,
    workers: int = 0,
    every: int | None = None,
    told: Told | None = None,
    given: Sequence[Faces] | None = None,
) -> tuple[AutoencoderPrior, list[Row]]:
    """Train, judge after each epoch, and write the folder `out`; the prior and its curve.

    As `train_recognizer`: the folder gets log.csv, recipe.json, checkpoints, weights.safetensors; a stopped training
    goes on to the same curve. A row has the means of the losses, and with a judge the kernel distance of `DRAWN` draws
    to the faces held out (`kernel_distance`, low, high). given: faces instead of the names'. Raises `BautaError`.
    """
    folder, fabric = Path(out), engine(kind, devices=devices, bfloat16=bfloat16)
    resumed = agreed(fabric, lambda: open_folder(folder, generating.written(), resume))
    parts = (
        [learnable(name, generating.folds, generating.limit) for name in generating.data]
        if given is None
        else list(given)
    )
    faces, held = divided(parts)
    if sum(map(len, faces)) < 2:
        raise UsageError("A generator learns from at least two faces beside those that judge; give more.")
    examples = Joined(*(Nameless(part) for part in faces))
    (draw,) = generators(generating.seed, ["generator"], "first weights")
    with seeded(draw.initial_seed(), torch.device("cpu")):
        encoder = compact_residual(embedding=generating.latent)
        decoder = LatentDecoder(latent=generating.latent, widths=generating.widths)
        layers = None if generating.layers is None else perceptual(generating.layers)
        drawing = Drawing(encoder, decoder, layers, weights=generating.weights)
    judge = None if generating.judge is None else Judge(load(generating.judge), held)

    def judged() -> Row:
        if judge is None:
            return {}
        write_whole(folder / WEIGHTS, written(decoder, *encoded(drawing, faces), half=False))
        return judge(AutoencoderPrior(folder), generating.seed)

    rows = fit(
        fabric, drawing, examples, generating.recipe, seed=generating.seed, folder=folder, resume=resumed, every=every,
        workers=workers, judged=judged, told=by_epoch(fabric, told),
    )  # fmt: skip
    if fabric.is_global_zero:
        write_whole(folder / WEIGHTS, written(decoder, *encoded(drawing, faces)))
        write_recipe(folder, recipe_of(folder) | {"reached": rows[-1]})
    fabric.barrier()
    return AutoencoderPrior(folder), rows


def divided(parts: Sequence[Faces]) -> tuple[list[Faces], Faces]:
    """What is learned from, and what judges: of the first set those of the lowest digests, at most a quarter of it."""
    first = parts[0]
    digests = first.digests()
    order = sorted(range(len(first)), key=digests.__getitem__)
    count = min(HELD_OUT, len(first) // 4)
    return [first[sorted(order[count:])], *parts[1:]], first[sorted(order[:count])]


def learnable(name: str, folds: int, limit: int | None = None) -> Faces:
    """The faces of a set that a prior may learn from: without the people of LFW's last `folds` folds. A prior shall
    not learn where photos end: crops that are too narrow are continued."""
    found = open_data(name) if folds else None
    if isinstance(found, Verification):
        examples, _ = held_out(name, folds, limit=limit)
        faces = examples.read(range(len(examples)))[0]
    else:
        faces = load_dataset(name, limit)
    if bool(gray(faces.images[:BATCH]).all()):  # LFW, seen three times in the memory of one channel
        return faces
    return replace(faces, images=torch.stack([continued(face) for face in faces.images]))


@torch.no_grad()
def encoded(drawing: Drawing, parts: Sequence[Faces]) -> tuple[Tensor, Tensor]:
    """Latents (N, latent) of the faces with color, or of all where there are none; and how latents lie `around` the
    means of those people of whom there are several pictures (M, latent)."""
    found: list[Tensor] = []
    color: list[Tensor] = []
    near: list[Tensor] = []
    mode = drawing.training
    drawing.eval()
    for faces in parts:
        latents = []
        for batch in faces.batches(BATCH):
            images = batch.images.to(next(drawing.parameters()).device)
            latents.append(drawing.encoded(images).float().cpu())
            color.append(~gray(images).cpu())
        found.append(torch.cat(latents))
        near.append(found[-1][:0] if faces.identity is None else around(found[-1], faces.identity))
    drawing.train(mode)
    whole, colored = torch.cat(found), torch.cat(color)
    return whole[colored] if int(colored.sum()) > 1 else whole, torch.cat(near)


def around(latents: Tensor, identity: Tensor) -> Tensor:
    """(M, latent) deviations from each person's mean, of those with n > 1 pictures, times sqrt(n / (n - 1)): their
    second moment is then the covariance of a person's latents, without bias."""
    _, who, count = torch.unique(identity, return_inverse=True, return_counts=True)
    means = torch.zeros(len(count), latents.shape[1]).index_add_(0, who, latents) / count[:, None]
    number = count[who, None].float()
    longer: Tensor = (latents - means[who]) * (number / (number - 1)).sqrt()
    return longer[count[who] > 1]


class Judge:
    """How far draws lie from faces that were not learned from, to a recognizer."""

    def __init__(self, recognizer: Recognizer, faces: Faces) -> None:
        self.recognizer = recognizer
        self.real = embed(recognizer, faces)

    def __call__(self, prior: AutoencoderPrior, seed: int) -> Row:
        """The kernel distance of `DRAWN` draws, with its interval."""
        (draw,) = generators(seed, ["judged"], "draws of a prior")
        latents = prior.sample(DRAWN, draw)
        found = kernel_distance(
            embed_batches(self.recognizer, (prior.render(part) for part in torch.split(latents, BATCH))), self.real
        )
        return {"kernel_distance": found.value, "low": found.low, "high": found.high}
