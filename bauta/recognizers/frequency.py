"""Recognizers of the frequency family: the client holds a block DCT, the server reads its 192 maps or some of them.

Layer ``dct`` has no weights, so cut 1 leaves the device nothing but the transform, and a feature protection stands
right behind it. `channels` is what it lets through: 192 without one, 189 for DCTDP, 162 for DuetFace, 27 for
PartialFace, 3 for MinusFace. Pictures are 112 x 112.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import BadCheckpoint, UsageError
from bauta.ops.dct import CHANNELS, block_dct
from bauta.recognizers import compact, irse, mobilefacenet
from bauta.recognizers.base import Preprocess, Recognizer, sequence
from bauta.recognizers.checkpoints import State, load_state, read_state
from bauta.types import Features, Images

TFACE_EMBEDDING = 512
# The backbone's place in the files of MinusFace; those of DCTDP and PartialFace hold nothing else.
_PREFIX = "recognizer."
_EVERY = 4  # places apart, of those that a channel's variance is taken at


class BlockDCT(nn.Module):
    """The client's layer: images (B, 3, H, W) in [0, 1] -> coefficients (B, 192, H, W), see `bauta.ops.dct.block_dct`.

    It has no weights. Coefficients stay in their natural units: normalizing them is the server's first step.
    """

    def forward(self, images: Images) -> Features:
        return block_dct(images)


def frequency_irse(
    depth: int = 18, channels: int = CHANNELS, *, embedding: int = TFACE_EMBEDDING, dropout: float = 0.4
) -> Recognizer:
    """TFace's IR network of the family: 3 x 3 stem of stride 1 on `channels` maps, then its units and head.

    depth: 18 or 50 in the papers, also 34 and 100. dropout: before the last linear map, while it trains. Layers:
    ``dct``, ``stem``, the units, ``norm``, ``dropout``, ``linear``, ``embedding``. At 192 channels a picture costs
    4.0 (IR-18) or 7.7 (IR-50) billion multiplications. Raises `UsageError`.
    """
    if depth not in irse.TFACE_UNITS:
        raise UsageError(f"depth is one of {', '.join(map(str, irse.TFACE_UNITS))}; got {depth!r}.")
    plain = irse.TFaceIR(Preprocess(), units=irse.TFACE_UNITS[depth], embedding=embedding)
    layers: dict[str, nn.Module] = {"dct": BlockDCT()}
    for name, layer in plain.layers.named_children():
        if name == "linear":
            layers["dropout"] = nn.Dropout(dropout)
        layers[name] = layer
    layers["stem"] = mobilefacenet.conv(_positive(channels), 64, 3, padding=1, act=nn.PReLU)
    return Recognizer(layers, cut=1, name=f"frequency-ir{depth}-{channels}")


def from_tface(state: State, units: Sequence[int]) -> State:
    """Keys of TFace's `model_irse`, alone or under MinusFace's ``recognizer.``, whose other parts are left out."""
    under = {key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)}
    return irse.from_irse(under or state, units)


def load_frequency_irse(path: Path) -> Recognizer:
    """A checkpoint of DCTDP, PartialFace or MinusFace as TFace's training saves it -> its network, frozen, cut 1.

    Depth and channels are read off the file, and every weight must have its place (DuetFace's server is no IR network:
    its stages end in attention). Raises `MissingWeights`, `BadCheckpoint`.
    """
    state = read_state(path)
    count = len({m[1] for key in state if (m := re.match(rf"(?:{re.escape(_PREFIX)})?body\.(\d+)\.", key))})
    depth = next((depth for depth, units in irse.TFACE_UNITS.items() if sum(units) == count), None)
    if depth is None:
        raise BadCheckpoint(
            f"{path} holds {count} units under body.N, expected those of an IR network of depth "
            f"{', '.join(map(str, irse.TFACE_UNITS))} in TFace's layout; check where it comes from."
        )
    try:
        state = from_tface(state, irse.TFACE_UNITS[depth])
        channels = state["layers.stem.conv.weight"].shape[1]
    except (KeyError, IndexError, RuntimeError, ValueError) as error:
        raise BadCheckpoint(f"{path} does not hold weights of TFace's layout ({error}); check its source.") from error
    network = frequency_irse(depth, channels)
    load_state(network, state, str(path))
    return network.frozen()


class ScaledConvolution(nn.Conv2d):
    """A convolution whose input channels are first divided by their standard deviation, at no cost in memory.

    The maps of a block DCT span six orders of magnitude. As the division goes into the filters, the divided maps, four
    times the size of what follows them, are never made. `variance` is the running one (an average over batches with
    weight 0.1), in training too; a channel that hardly moves is divided by `least`. It is taken at every fourth place
    of every fourth row, as neighbors hardly differ and 192 whole maps take longer than the convolution. No bias: batch
    norm follows.
    """

    variance: Tensor
    batches: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, *, least: float = 1e-3) -> None:
        super().__init__(inputs, outputs, kernel, stride, bias=False)
        self.least = least
        self.register_buffer("variance", torch.ones(inputs))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    def forward(self, x: Features) -> Tensor:
        if self.training:
            with torch.no_grad():
                came = x[..., ::_EVERY, ::_EVERY].var((0, 2, 3), correction=0).to(self.variance)
                self.variance.lerp_(came, torch.where(self.batches == 0, 1.0, 0.1).to(came))
                self.batches.add_(1)
        scale = (self.variance + self.least**2).rsqrt()
        # a weight in channels_last order, which trainings ask for, would have all maps brought into it, and back
        weight = (self.weight * scale[:, None, None]).contiguous()
        return F.conv2d(x, weight, stride=self.stride)


def frequency_small(channels: int = CHANNELS, *, embedding: int = 512) -> Recognizer:
    """A server for two cores: stem of stride 2 on `channels` maps, then MobileFaceNet's trunk and head.

    370 million multiplications a picture at 192 channels, of which 154 in the stem: its filters are 2 x 2, as blocks
    overlap already (a 3 x 3 stem would cost 347). The first step divides each channel by its standard deviation.
    Layers: ``dct``, ``stem``, ``depthwise``, ``block1`` .. ``block15``, ``widen``, ``pool``, ``embedding``.
    """
    plain = mobilefacenet.MobileFaceNet(Preprocess(), embedding=embedding)
    stem: dict[str, nn.Module] = {
        "conv": ScaledConvolution(_positive(channels), 64, 2, 2),
        "bn": nn.BatchNorm2d(64),
        "act": nn.PReLU(64),
    }
    layers = {"dct": BlockDCT(), **dict(plain.layers.named_children()), "stem": sequence(stem)}
    return Recognizer(layers, cut=1, name=f"frequency-small-{channels}")


def frequency_compact(channels: int = CHANNELS, *, embedding: int = 128) -> Recognizer:
    """The smallest server: stem of stride 2 on `channels` maps, then `compact_residual` behind its own stem.

    153 million multiplications a picture at 192 channels, half of them in the stem (filters of 2 x 2, as in
    `frequency_small`). Behind the stem its layers and their names are `compact_residual`'s, so that a training can
    begin with the weights of one. Layers: ``dct``, ``stem``, ``stage1_block1`` .. ``stage4_block1``, ``pool``,
    ``embedding``.
    """
    plain = compact.compact_residual(embedding=embedding)
    stem: dict[str, nn.Module] = dict(plain.layers.get_submodule("stem").named_children())
    del stem["input"]
    stem["conv"] = ScaledConvolution(_positive(channels), 32, 2, 2)
    layers = {"dct": BlockDCT(), **dict(plain.layers.named_children()), "stem": sequence(stem)}
    return Recognizer(layers, cut=1, name=f"frequency-compact-{channels}")


def _positive(channels: int) -> int:
    if channels < 1:
        raise UsageError(f"A server reads at least one channel, got channels={channels!r}.")
    return channels
