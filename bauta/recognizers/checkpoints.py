"""Weights files -> names and tensors. Nothing here ever unpickles an object."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from bauta.errors import BadCheckpoint

# MXNet's names for a batch norm's and a PReLU's numbers, and torch's.
_MXNET = {"_gamma": "_weight", "_beta": "_bias", "_moving_mean": "_running_mean", "_moving_var": "_running_var"}
_MXNET_TYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8"}


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by name: safetensors, a PyTorch state dict, or an MXNet `.params` list.

    A state dict nested under the usual keys (``state_dict``, ``net_state_dict``, ``model`` ...) is found, and a
    ``module.`` prefix left by data-parallel training is dropped. Raises `BadCheckpoint`.
    """
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except Exception as error:
            raise BadCheckpoint(f"{path} is not a safetensors file that can be read: {error}") from error
    if path.suffix == ".params":
        return read_mxnet(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BadCheckpoint(
            f"{path} could not be read as plain tensors ({str(error).splitlines()[0]}). bauta never unpickles objects: "
            "save the network's state_dict() with torch.save, or convert it to safetensors."
        ) from error
    return _state_dict(content, path)


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    for key in ("state_dict", "net_state_dict", "model_state_dict", "model", "net", "backbone"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not any(isinstance(v, Tensor) for v in content.values()):
        raise BadCheckpoint(f"{path} holds no state dict: expected a mapping of names to tensors, got {type(content).__name__}.")
    return {str(k).removeprefix("module."): v for k, v in content.items() if isinstance(v, Tensor)}


def read_mxnet(path: Path) -> dict[str, Tensor]:
    """The arrays of an MXNet NDArray list (`.params`) under the names of its graph, without ``arg:`` and ``aux:``."""
    data = path.read_bytes()
    at = 0

    def take(form: str) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from("<" + form, data, at)
        at += struct.calcsize("<" + form)
        return values

    try:
        magic, _, count = take("QQQ")
        if magic != 0x112:
            raise BadCheckpoint(f"{path} does not begin like an MXNet .params file (expected 0x112, got {magic:#x}).")
        arrays = []
        for _ in range(count):
            (kind,) = take("I")
            if kind == 0xF993FAC9:
                (storage,) = take("i")
                if storage != 0:
                    raise BadCheckpoint(f"{path} holds a sparse array (storage type {storage}); only dense ones can be read.")
            elif kind != 0xF993FAC8:
                raise BadCheckpoint(f"{path} holds an array of an unknown kind {kind:#x}.")
            (ndim,) = take("I")
            shape = take(f"{ndim}q")
            _, _, type_ = take("iii")
            dtype = np.dtype(_MXNET_TYPES[type_])
            size = int(np.prod(shape))
            arrays.append(torch.from_numpy(np.frombuffer(data, dtype, size, at).reshape(shape).copy()))
            at += size * dtype.itemsize
        (named,) = take("Q")
        names = []
        for _ in range(named):
            (length,) = take("Q")
            names.append(data[at : at + length].decode())
            at += length
    except (struct.error, ValueError, KeyError) as error:
        raise BadCheckpoint(f"{path} ends too early or is damaged ({error}); fetch it again.") from error
    if len(names) != len(arrays):
        raise BadCheckpoint(f"{path} names {len(names)} arrays but holds {len(arrays)}.")
    return {n.split(":", 1)[-1]: a for n, a in zip(names, arrays, strict=True)}


def mxnet_name(name: str) -> str:
    """torch's name for an array of a batch norm or PReLU: ``x_gamma`` -> ``x_weight`` and so on."""
    for theirs, ours in _MXNET.items():
        if name.endswith(theirs):
            return name.removesuffix(theirs) + ours
    return name
