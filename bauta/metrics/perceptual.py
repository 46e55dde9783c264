"""How different two pictures look to a network: distances between its layers' outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.metrics.base import Metric
from bauta.recognizers import Recognizer, load
from bauta.recognizers.folding import folded
from bauta.types import Images

FLAT = 1e-10  # added to a position's length, as LPIPS does


def apart(guess: Sequence[Tensor], truth: Sequence[Tensor], heads: Sequence[Tensor] | None = None) -> Tensor:
    """(B,) sum over layers of the mean over positions of sum over channels of w (a / |a| - b / |b|)^2.

    guess, truth: one (B, C, h, w) a layer; lengths are over channels, position by position (Zhang et al., CVPR 2018,
    Eq. 1). heads: w, one (1, C, 1, 1) a layer; None weighs all alike.
    """
    distances = []
    for layer, (a, b) in enumerate(zip(guess, truth, strict=True)):
        squares = (_directions(a) - _directions(b)).square()
        weighed = squares if heads is None else squares * heads[layer]
        distances.append(weighed.sum(1).mean((1, 2)))
    return torch.stack(distances).sum(0)


def _directions(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True).sqrt() + FLAT)


def perceptual(recognizer: str | Recognizer, layers: Sequence[int] | None = None) -> Metric:
    """LPIPS's form over a face recognizer, without learned heads: what it sees differ, layer by layer.

    (B, 3, H, W) in [0, 1] twice -> (B,) in [0, 4]: 0 for equal pictures, 2 where no position of any layer has anything
    in common, about 1 between two people and 1.4 from a face to white noise; the mean over `layers`. These count from
    1; by default the last of each size, as LPIPS takes its layers, without the embedding, which has no positions.
    Raises `UsageError`, `MissingWeights`.
    """
    network = load(recognizer) if isinstance(recognizer, str) else recognizer
    whole = folded(network.at_cut(len(network.layers)))
    wrong = [layer for layer in layers or () if not 1 <= layer <= len(network.layers)]
    if wrong or (layers is not None and not layers):
        raise UsageError(f"{network.name} has layers 1 to {len(network.layers)}; got {list(layers or ())}.")

    def looked_at(images: Images) -> list[Tensor]:
        maps = whole.to(images.device).feature_maps(images)
        if layers is not None:
            return [maps[layer - 1] for layer in layers]
        sizes = [m.shape[-2:] for m in maps]
        ends = [m for m, here, after in zip(maps, sizes, sizes[1:], strict=False) if here != after and here.numel() > 1]
        return ends or maps[:-1] or maps

    def distance(guess: Images, truth: Images) -> Tensor:
        ours = looked_at(guess)
        return apart(ours, looked_at(truth)) / len(ours)

    return Metric(f"perceptual distance ({network.name})", distance, private_when="high")
