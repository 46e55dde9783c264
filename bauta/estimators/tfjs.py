"""Weights as TensorFlow.js writes them: a JSON manifest and binary shards. Nothing here ever unpickles an object.

The manifest lists tensors in the order of their bytes, with shape, dtype and, where they are quantized, `scale` and
`min` (value = stored * scale + min).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bauta.errors import BadCheckpoint, BadFile, MissingWeights

STORED = {"float32": "<f4", "int32": "<i4", "uint8": "u1", "uint16": "<u2"}
WHOLE, QUANTIZED = ("float32", "int32"), ("uint8", "uint16")
LONGEST = 32  # shape, in dimensions
LONGEST_NAME = 80  # of a shard, in characters


def read_tfjs(manifest: Path, *, folder: Path | None = None) -> dict[str, Tensor]:
    """The tensors of a TF.js manifest, by name, in TensorFlow's own layout: float32, or int32 where they are int32.

    manifest: a ``model.json`` with a ``weightsManifest``, or the bare list of groups that face-api.js writes. folder:
    where the shards lie; beside the manifest if None. Every byte of the shards must be used, and no more be needed.
    Raises `MissingWeights` (a file is absent), `BadFile`.
    """
    shards = manifest.parent if folder is None else folder
    tensors: dict[str, Tensor] = {}
    groups = _groups(manifest)
    named = [str(name) for group in groups for name in group["paths"]]
    if len(set(named)) < len(named):  # a small file could ask for a large one again and again
        raise BadFile(f"{manifest} lists a shard twice; fetch the file again.")
    for group in groups:
        data, at = b"".join(_shard(shards, name) for name in group["paths"]), 0
        for entry in group["weights"]:
            name, value, size = _tensor(entry, data, at, manifest)
            if name in tensors:
                raise BadFile(f"{manifest} lists {name} twice; fetch the file again.")
            tensors[name], at = value, at + size
        if at != len(data):
            raise BadFile(
                f"{manifest} describes {at} bytes, but its shards {group['paths']} have {len(data)}; fetch them again."
            )
    return tensors


def _groups(manifest: Path) -> list[dict[str, Any]]:
    if not manifest.is_file():
        raise MissingWeights(f"{manifest} is not a file; give the path of a TF.js manifest.")
    try:
        content = json.loads(manifest.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{manifest} is no JSON ({type(error).__name__}); give a TF.js manifest.") from error
    groups = content.get("weightsManifest") if isinstance(content, dict) else content
    if not (isinstance(groups, list) and groups and all(map(_is_group, groups))):
        raise BadFile(
            f"{manifest} is no TF.js manifest: expected groups with paths and weights, as a list or under "
            "weightsManifest; give the JSON file that lies beside the shards."
        )
    return groups


def _is_group(group: object) -> bool:
    return isinstance(group, dict) and all(isinstance(group.get(key), list) for key in ("paths", "weights"))


def _shard(folder: Path, name: object) -> bytes:
    # a manifest is somebody else's file: it may name shards beside it and nothing else on this machine
    if not isinstance(name, str) or Path(name).name != name or "\\" in name or len(name) > LONGEST_NAME:
        raise BadFile(f"A TF.js manifest names its shards by plain file names, got {name!r:.120}; fetch it again.")
    path = folder / name
    if not path.is_file():
        raise MissingWeights(f"The shard {path} of a TF.js network is not here; put it beside its manifest.")
    return path.read_bytes()


def _tensor(entry: object, data: bytes, at: int, manifest: Path) -> tuple[str, Tensor, int]:
    """Name, value and stored size of one entry, whose bytes begin at `at`."""
    if not isinstance(entry, dict) or not _understood(entry):
        raise BadFile(f"{manifest} has an entry that cannot be understood ({str(entry)[:120]}); fetch the file again.")
    name, shape, packed = entry["name"], entry["shape"], entry.get("quantization")
    form = np.dtype(STORED[entry["dtype"] if packed is None else packed["dtype"]])
    count = math.prod(shape)
    size = count * form.itemsize
    if at + size > len(data):
        raise BadFile(f"The shards of {manifest} end within {name}: {at + size} bytes needed, {len(data)} there.")
    value = np.frombuffer(data, form, count, at).reshape(shape)
    if packed is not None:
        value = value * np.float32(packed["scale"]) + np.float32(packed["min"])
    return name, torch.from_numpy(value.astype(entry["dtype"])), size


def _understood(entry: dict[str, Any]) -> bool:
    """Whether an entry has a name, a shape, a type and, if it is quantized, all that this takes."""
    shape, packed = entry.get("shape"), entry.get("quantization")
    if not isinstance(entry.get("name"), str) or entry.get("dtype") not in WHOLE or not isinstance(shape, list):
        return False
    if len(shape) > LONGEST or not all(type(n) is int and n >= 1 for n in shape):
        return False
    return packed is None or (
        isinstance(packed, dict)
        and entry["dtype"] == "float32"
        and packed.get("dtype") in QUANTIZED
        and all(_number(packed.get(key)) for key in ("scale", "min"))
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def convolution(weight: Tensor) -> Tensor:
    """TensorFlow's (h, w, in, out) filter -> torch's (out, in, h, w), and a matrix (in, out) -> (out, in)."""
    return weight.permute(3, 2, 0, 1) if weight.ndim == 4 else weight.T


def depthwise(weight: Tensor) -> Tensor:
    """TensorFlow's (h, w, C, 1) filter of a depthwise convolution -> torch's (C, 1, h, w)."""
    return weight.permute(2, 3, 0, 1)


def load_tensors(network: nn.Module, state: Mapping[str, Tensor], origin: Path) -> None:
    """Load strictly: every weight of the network in its shape, and no other. Raises `BadCheckpoint`."""
    try:
        network.load_state_dict(dict(state))
    except RuntimeError as error:
        why = " ".join(str(error).split())[:300]
        raise BadCheckpoint(f"{origin} does not hold the weights of {type(network).__name__} ({why}).") from error
