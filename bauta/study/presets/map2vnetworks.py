"""The frequency family in `map2v`: networks that were trained elsewhere, and schemes with their randomness off."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from bauta.errors import MissingWeights
from bauta.pipeline import Pipeline
from bauta.protections import DCTDP, FeatureProtection, PartialFace
from bauta.recognizers.trainable import RECIPE
from bauta.study.presets.frequencynetworks import MORE
from bauta.train.run import load_pipeline
from bauta.types import Faces, Features

OFF = {"DCTDP, no noise": "DCTDP", "PartialFace, no draws": "PartialFace"}
FREQUENCY = ("DuetFace", "PPFR-FD", "DCTDP", MORE, "PartialFace", "MinusFace", *OFF)


class SameChannels(FeatureProtection):
    """Coefficients (B, 192, h, w) -> those of the same `channels` for every picture, and nothing added.

    MAP2V's authors attacked DCTDP without its noise, which their copy never adds, and PartialFace with one subset in
    one order for all pictures.
    """

    changes_channels = True

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.channels_kept = tuple(channels)

    @property
    def channels(self) -> int:
        """How many there are."""
        return len(self.channels_kept)

    def __repr__(self) -> str:
        return f"SameChannels({len(self.channels_kept)} channels)"

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        return x[:, list(self.channels_kept)]


def trained(networks: Path, name: str) -> tuple[Path, Pipeline]:
    """The folder and the pipeline of a scheme below `networks`. Raises `MissingWeights`, `BadCheckpoint`."""
    folder = networks / OFF.get(name, name)
    if not (folder / RECIPE).is_file():
        raise MissingWeights(
            f"{name} needs a server that was trained behind it, and there is none in {folder}: run `bauta study run "
            "frequency` and link its folder networks here, or `bauta train recognizer` into that folder."
        )
    pipeline = load_pipeline(folder)
    if name not in OFF:
        return folder, pipeline
    (one,) = pipeline.protections
    if isinstance(one, DCTDP):
        kept = one.kept
    elif isinstance(one, PartialFace):
        kept = one.indices(torch.zeros(1, 2, dtype=torch.long))[0].tolist()
    else:
        raise MissingWeights(f"{folder} holds {one!r}, which has no randomness that {name} leaves out.")
    return folder, Pipeline(pipeline.recognizer, SameChannels(kept)).eval()
