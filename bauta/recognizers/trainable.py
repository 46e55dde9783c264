"""Networks to be trained here, by name and options, and the folders that a training leaves.

A folder holds weights.safetensors and recipe.json, and its path is a recognizer's name: `load("runs/small")`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from bauta import zoo
from bauta.errors import BadCheckpoint, MissingWeights, UsageError
from bauta.recognizers import compact, duet, frequency, irse
from bauta.recognizers.base import Preprocess, Recognizer, sequence
from bauta.recognizers.mobilefacenet import STAGES, Bottleneck, conv, named

__all__ = ["PIPELINE", "RECIPE", "TRAINABLE", "WEIGHTS", "begin", "new", "recipe_of", "training_folder"]

WEIGHTS, RECIPE = "weights.safetensors", "recipe.json"
PIPELINE = "protected recognizer"  # the kind of a training's folder that comes with bauta


def mobilefacenet(*, width: float = 1.0, embedding: int = 128) -> Recognizer:
    """MobileFaceNet (Chen et al., CCBR 2018) with all channels times `width`: 0.22 GMAC and 1.0 M weights at 1, 0.06
    and 0.3 at a half. The embedding keeps its size."""

    def wide(channels: int) -> int:
        return max(8, round(channels * width / 8) * 8)

    inputs = wide(64)
    stem = named(conv(3, inputs, 3, stride=2, padding=1, act=nn.PReLU))
    layers: dict[str, nn.Module] = {
        "stem": sequence({"input": Preprocess(), **stem}),
        "depthwise": conv(inputs, inputs, 3, padding=1, groups=inputs, act=nn.PReLU),
    }
    for expansion, channels, number, first in STAGES:
        for n in range(number):
            stride = first if n == 0 else 1
            layers[f"block{len(layers) - 1}"] = Bottleneck(inputs, wide(channels), expansion, stride, nn.PReLU, 1e-5)
            inputs = wide(channels)
    last = wide(512)
    layers["widen"] = conv(inputs, last, act=nn.PReLU)
    layers["pool"] = conv(last, last, 7, groups=last)
    layers["embedding"] = conv(last, embedding)
    return Recognizer(layers, name="mobilefacenet")


def ir(depth: int, *, embedding: int = 512, dropout: float = 0.4) -> Recognizer:
    """TFace's IR network on pictures, with its dropout before the last linear map."""
    units = irse.TFACE_UNITS[depth]
    plain = irse.TFaceIR(Preprocess(), units=units, embedding=embedding)
    layers: dict[str, nn.Module] = {}
    for layer, module in plain.layers.named_children():
        if layer == "linear":
            layers["dropout"] = nn.Dropout(dropout)
        layers[layer] = module
    return Recognizer(layers, name=f"ir{depth}")


TRAINABLE: dict[str, Callable[..., Recognizer]] = {
    "mobilefacenet": mobilefacenet,
    "compact_bottleneck": compact.compact_bottleneck,
    "compact_ir": compact.compact_ir,
    "compact_mobilenet": compact.compact_mobilenet,
    "compact_plain": compact.compact_plain,
    "compact_residual": compact.compact_residual,
    "ir18": partial(ir, 18),
    "ir50": partial(ir, 50),
    "frequency_compact": frequency.frequency_compact,
    "frequency_small": frequency.frequency_small,
    "frequency_ir18": partial(frequency.frequency_irse, 18),
    "frequency_ir50": partial(frequency.frequency_irse, 50),
    "duet_client": duet.duet_client,
    "duet_compact": duet.duet_compact,
    "duet_small": duet.duet_small,
    "duet_ir18": partial(duet.duet_irse, 18),
    "duet_ir50": partial(duet.duet_irse, 50),
}
"""Name -> builder. A server for a protection that changes the channels has the option `channels`."""


def new(architecture: str, options: Mapping[str, object], *, name: str | None = None) -> Recognizer:
    """The network called `architecture`, with random weights. Raises `UsageError` for what it does not take."""
    if architecture not in TRAINABLE:
        raise UsageError(f"No network to be trained is called {architecture!r}; there are {', '.join(TRAINABLE)}.")
    builder = TRAINABLE[architecture]
    known = [p for p in inspect.signature(builder).parameters if p not in ("name", "depth")]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(f"{architecture} has no option {', '.join(unknown)}; it has {', '.join(known)}.")
    try:
        made = builder(**options)
    except (TypeError, ValueError, RuntimeError, OverflowError, ZeroDivisionError) as error:
        raise UsageError(f"{architecture} cannot be built with {dict(options)} ({error}); change them.") from error
    made.name = name or made.name
    return made


def begin(network: Recognizer, other: Recognizer) -> list[str]:
    """Give a network the weights of another one wherever a layer's name and shape agree; the names of those layers.

    A layer of a DuetFace server is the same as without the masks beside it. Raises `UsageError` where none agrees.
    """
    theirs = {plain(name): tensor for name, tensor in other.state_dict().items()}
    own = network.state_dict()
    taken = {
        name: theirs[plain(name)]
        for name, tensor in own.items()
        if tensor.ndim and plain(name) in theirs and theirs[plain(name)].shape == tensor.shape
    }
    if not taken:
        here, there = (", ".join(one.layer_names()) for one in (network, other))
        raise UsageError(
            f"{network.name} and {other.name} have no layer of the same name and shape, so one cannot begin with the "
            f"other's weights. Layers here: {here}; there: {there}."
        )
    network.load_state_dict(own | taken)
    return [layer for layer in network.layer_names() if any(name.startswith(f"layers.{layer}.") for name in taken)]


def plain(name: str) -> str:
    """A weight's name without the wrapper of `duet.Carrying`."""
    return name.replace(".layer.", ".")


def training_folder(name: str | Path) -> Path | None:
    """The folder of a training that a name means, its path or one that comes with bauta; None where it means none."""
    for tool in zoo.TOOLS:
        if tool.kind == PIPELINE and tool.name == str(name):
            places = [zoo.locate(file).parent for file in tool.files]
            return places[0]
    try:
        folder = Path(name).expanduser()
        return folder if (folder / RECIPE).is_file() else None
    except (OSError, RuntimeError):  # no name that a disk could hold, or nobody's home
        return None


def recipe_of(folder: Path) -> dict[str, Any]:
    """What recipe.json in a training's folder says. Raises `MissingWeights`, `BadCheckpoint`."""
    path = folder / RECIPE
    if not path.is_file():
        raise MissingWeights(f"{folder} holds no {RECIPE}; give the folder that `bauta train recognizer` wrote.")
    try:
        said = json.loads(path.read_bytes())
        if not isinstance(said["architecture"], str) or not isinstance(said["options"], dict):
            raise TypeError("architecture must be a text and options a table")
        specs = said.get("protections", [])
        if not isinstance(specs, list) or not all(isinstance(spec, str) for spec in specs):
            raise TypeError("protections must be a list of texts")
    except (ValueError, LookupError, TypeError, OSError, RecursionError) as error:
        raise BadCheckpoint(f"{path} is no recipe that can be read ({error}); copy it again.") from error
    return dict(said)
