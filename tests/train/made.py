"""People for tests of training: every picture a noisy view of its person's own."""

from __future__ import annotations

import copy
from pathlib import Path

import tiny
import torch
from torch import nn

from bauta.faces import write_image
from bauta.pipeline import Pipeline
from bauta.recognizers import Recognizer
from bauta.recognizers.heads import CosFace
from bauta.train import Held, Identity, Objective, Recipe
from bauta.train.plans import OneCycle
from bauta.types import Faces, Source

PEOPLE, EACH, BATCH = 6, 8, 12
RECIPE = Recipe(epochs=3, batch_size=BATCH, plan=OneCycle(rate=5e-3))


def faces(number: int = PEOPLE, each: int = EACH, *, seed: int = 2) -> Faces:
    base = tiny.pictures(number, seed=seed).repeat_interleave(each, 0)
    noise = 0.1 * torch.randn(base.shape, generator=torch.Generator().manual_seed(seed))
    sources = [Source(f"{i}.png", f"{seed:032x}{i:032x}") for i in range(len(base))]
    return Faces((base + noise).clamp(0, 1), torch.arange(len(base)) // each, source=sources)


def student(seed: int = 0) -> Recognizer:
    """A tiny network that can be trained, with a layer whose draws are global."""
    network = copy.deepcopy(tiny.recognizer(seed=seed)).train().requires_grad_(True)
    network.layers.middle.add_module("dropout", nn.Dropout2d(0.1))
    return network


def objective(pipeline: Pipeline, people: int = PEOPLE) -> Objective:
    head = CosFace(scale=16).sized(16, people, torch.Generator().manual_seed(4))
    return Objective(pipeline, {"identity": Identity(head)})


def examples() -> Held:
    return Held(faces())


def folder(path: Path, people: int = 24, each: int = 3) -> Path:
    """A folder a person, of pictures of 112 x 112 that are taken for aligned."""
    shown = faces(people, each, seed=5)
    large = nn.functional.interpolate(shown.images, (112, 112), mode="bilinear")
    for i, image in enumerate(large):
        place = path / f"person{i // each:03}" / f"{i:04}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_image(place, image)
    return path
