"""DuetFace's two networks (Mi et al., ACM MM 2022): a client of 30 DCT channels, a server of the 162 others with masks.

What crosses the wire is one tensor, the server's channels with four attention masks behind them. So the server's layers
carry the masks along beside their maps, at the maps' size, until the interactive block of each stage has used its own;
every layer keeps its one input and one output, and the network can be cut as any other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.ops.dct import BLOCK, CHANNELS, PLANES
from bauta.recognizers.base import Recognizer, sequence
from bauta.recognizers.frequency import TFACE_EMBEDDING, BlockDCT, frequency_compact, frequency_irse, frequency_small
from bauta.recognizers.mobilefacenet import conv, named, trunk
from bauta.types import Features

CRUCIAL = (0, 1, 2, 3, 4, 5, 8, 9, 16, 24)  # 8 u + v of the ten channels a plane that the client keeps
CLIENT = tuple(BLOCK**2 * plane + index for plane in range(len(PLANES)) for index in CRUCIAL)
SERVER = tuple(index for index in range(CHANNELS) if index not in CLIENT)
STAGES = 4
WIRE = len(SERVER) + STAGES


class Chosen(nn.Module):
    """(B, C, h, w) -> the channels of these numbers."""

    def __init__(self, indices: Sequence[int]) -> None:
        super().__init__()
        self.indices = list(indices)

    def forward(self, x: Features) -> Features:
        return x[:, self.indices]


def duet_client(*, embedding: int = TFACE_EMBEDDING, side: int = 112, name: str = "duet-client") -> Recognizer:
    """The client's MobileFaceNet on the 30 channels that it keeps, a recognizer of its own: it is trained alone first.

    Layers: ``dct``, ``stem`` (the channels, a batch norm without weights, which is ours, and a 3 x 3 convolution of
    stride 2), ``depthwise``, ``block1`` .. ``block15``, ``widen``, ``pool``, ``embedding``. side: of the pictures.
    """
    stem = {
        "input": Chosen(CLIENT),
        "scale": nn.BatchNorm2d(len(CLIENT), affine=False),
        **named(conv(len(CLIENT), 64, 3, stride=2, padding=1, act=nn.PReLU)),
    }
    layers = {
        "dct": BlockDCT(),
        "stem": sequence(stem),
        "depthwise": conv(64, 64, 3, padding=1, groups=64, act=nn.PReLU),
        **trunk(nn.PReLU),
        "widen": conv(128, 512, act=nn.PReLU),
        "pool": conv(512, 512, -(-side // 16), groups=512),
        "embedding": conv(512, embedding),
    }
    return Recognizer(layers, cut=1, name=name)


class Carrying(nn.Module):
    """A layer beside which the last `masks` channels of its input pass, averaged down to the size of its output."""

    def __init__(self, layer: nn.Module, masks: int) -> None:
        super().__init__()
        self.layer, self.masks = layer, masks

    def forward(self, x: Features) -> Features:
        y: Tensor = self.layer(x[:, : -self.masks])
        return torch.cat([y, self.carried(x[:, -self.masks :], y)], 1)

    @staticmethod
    def carried(masks: Tensor, y: Tensor) -> Tensor:
        """The masks at the size of `y`."""
        return F.adaptive_avg_pool2d(masks, (y.shape[-2], y.shape[-1]))


class Interactive(Carrying):
    """The last layer of a stage, with the block that uses the first of the masks, and passes the others on.

    With y the layer's output and m its mask, brought to 0..1 in each picture, at y's size: ``s + weight * s * m`` for
    s = sigmoid(y). The weight is learned and 0 at first.
    """

    def __init__(self, layer: nn.Module, masks: int) -> None:
        super().__init__(layer, masks)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Features) -> Features:
        y: Tensor = self.layer(x[:, : -self.masks])
        masks = self.carried(x[:, -self.masks :], y)
        s = y.sigmoid()
        return torch.cat([s + self.weight * s * stretched(masks[:, :1]), masks[:, 1:]], 1)


def stretched(masks: Tensor) -> Tensor:
    """(B, 1, h, w) -> the same, each brought to 0..1; a constant one becomes 0."""
    low, high = masks.amin((2, 3), keepdim=True), masks.amax((2, 3), keepdim=True)
    return (masks - low) / (high - low).clamp_min(1e-6)


def duet(server: Recognizer, ends: Sequence[str], *, name: str | None = None) -> Recognizer:
    """A server of 162 channels, its first layer a DCT, as one that takes DuetFace's 162 + 4: the layers stay its own.

    ends: names of the four layers that each end in an interactive block, in order. Raises `UsageError`.
    """
    names = server.layer_names()
    if len(ends) != STAGES or [name for name in names[1:] if name in ends] != list(ends):
        raise UsageError(
            f"DuetFace's server needs the last layers of {STAGES} stages in order, out of {', '.join(names[1:])}; "
            f"got {', '.join(ends) or 'none'}."
        )
    layers: dict[str, nn.Module] = {}
    left = STAGES
    for name, layer in server.layers.named_children():
        if not layers or not left:
            layers[name] = layer
        elif name in ends:
            layers[name], left = Interactive(layer, left), left - 1
        else:
            layers[name] = Carrying(layer, left)
    return Recognizer(layers, cut=1, name=name or f"duet-{server.name}")


def duet_irse(
    depth: int = 18,
    channels: int = WIRE,
    *,
    embedding: int = TFACE_EMBEDDING,
    dropout: float = 0.4,
    name: str | None = None,
) -> Recognizer:
    """DuetFace's server as published: IR-18 or IR-50, an interactive block at the last unit of each stage.

    channels: what crosses the wire, 162 and the masks; no other number has a meaning.
    """
    _check(channels)
    server = frequency_irse(depth, len(SERVER), embedding=embedding, dropout=dropout)
    return duet(server, last_units(server), name=name)


def duet_small(channels: int = WIRE, *, embedding: int = 512, name: str | None = None) -> Recognizer:
    """DuetFace's server for two cores: `frequency_small`, a block at the last layer of each size, 56 to 7."""
    _check(channels)
    ends = ("depthwise", "block5", "block12", "block15")
    return duet(frequency_small(len(SERVER), embedding=embedding), ends, name=name)


def duet_compact(channels: int = WIRE, *, embedding: int = 128, name: str | None = None) -> Recognizer:
    """DuetFace's smallest server: `frequency_compact`, a block at the last unit of each stage, 28 to 4 places wide."""
    _check(channels)
    server = frequency_compact(len(SERVER), embedding=embedding)
    return duet(server, last_units(server), name=name)


def last_units(server: Recognizer) -> list[str]:
    """The last unit of each stage, where a stage's units have names that begin alike, up to a ``_``."""
    ends = {unit.split("_")[0]: unit for unit in server.layer_names() if "_" in unit}
    return list(ends.values())


def _check(channels: int) -> None:
    if channels != WIRE:
        raise UsageError(
            f"DuetFace's server reads {len(SERVER)} channels and {STAGES} masks, so {WIRE}; got {channels}."
        )
