"""Weights files -> names and tensors, and other people's names -> ours. Nothing here ever unpickles an object."""

from __future__ import annotations

import io
import math
import mmap
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from bauta.errors import BadCheckpoint, MissingWeights

State = dict[str, Tensor]
Rule = tuple[str, str | Callable[[re.Match[str]], str]]

# Where training scripts put a state dict, and what they put before its names.
_NESTS = ("state_dict", "net_state_dict", "model_state_dict", "model", "net", "backbone")
_PREFIXES = ("module.", "_orig_mod.")
NAME = 1000  # characters of a class's name in a pickle
SWOLLEN = 4  # times its file that a checkpoint may be in memory: tied weights are in it twice

# MXNet's names for a batch norm's and a PReLU's numbers, and torch's.
_MXNET = {"_gamma": "_weight", "_beta": "_bias", "_moving_mean": "_running_mean", "_moving_var": "_running_var"}
_MXNET_TYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8"}
_MXNET_LIST, _MXNET_V1, _MXNET_V2 = 0x112, 0xF993FAC8, 0xF993FAC9


def read_state(path: Path) -> State:
    """The tensors of a checkpoint, by name: safetensors, a PyTorch state dict, or an MXNet `.params` list.

    A state dict nested under the usual keys (``state_dict``, ``net_state_dict``, ``model`` ...) is found, and the
    prefixes that data-parallel training and compilation leave are dropped. Raises `MissingWeights`, `BadCheckpoint`.
    """
    if not path.is_file():
        raise MissingWeights(f"{path} is not a file; give the path of a checkpoint.")
    if path.suffix == ".params":
        return read_mxnet(path)
    return _state_dict(read_plain(path), path)


def read_plain(path: Path) -> Any:
    """What safetensors, or else `torch.save`, put into a file. Nothing is unpickled, nor unpacked to many times the
    file's size; `check_plain` what is used of it. Raises `BadCheckpoint`."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        _check_packed(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except BadCheckpoint:
        raise
    except Exception as error:  # of safetensors, of files, and of torch's refusal to unpickle
        raise BadCheckpoint(
            f"{path} could not be read as plain tensors ({_first_line(error)}). bauta never unpickles objects: "
            "save the network's state_dict() with torch.save, or convert it to safetensors."
        ) from error


def check_plain(tensors: Iterable[Tensor], path: Path) -> None:
    """Raise `BadCheckpoint` unless these are dense real numbers that are really in the file: a view may repeat one
    number without end, and a sparse or meta tensor has any size that it likes."""
    room = SWOLLEN * path.stat().st_size
    for tensor in tensors:
        odd = tensor.is_quantized or tensor.is_nested or tensor.is_complex() or tensor.layout != torch.strided
        if odd or tensor.device.type != "cpu":
            raise BadCheckpoint(f"{path} holds a tensor that is not dense real numbers; save plain weights.")
        room -= tensor.numel() * tensor.element_size()
    if room < 0:
        raise BadCheckpoint(f"{path} holds tensors much larger than itself; fetch the file again.")


def _check_packed(path: Path) -> None:
    """Raise `BadCheckpoint` for what torch.load would choke on: a zip that unpacks to much more than itself, and
    pickles with endless names, which it searches in time that grows with the square of their length."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                for _ in range(5):  # which a file in torch's format of before 2020 begins with
                    _check_names(content, path)
            return
    with zipfile.ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > SWOLLEN * path.stat().st_size:
            raise BadCheckpoint(f"{path} unpacks to much more than itself; torch.save packs nothing.")
        for name in archive.namelist():
            if name.endswith("data.pkl"):
                _check_names(io.BytesIO(archive.read(name)), path)


def _check_names(pickled: Any, path: Path) -> None:
    """Read one pickle's instructions, and run none; what is no pickle is left for torch to say."""
    try:
        for code, value, _ in pickletools.genops(pickled):
            if code.name == "GLOBAL" and len(str(value)) > NAME:
                raise BadCheckpoint(f"{path} names a class by {len(str(value)):,} characters; fetch it again.")
    except BadCheckpoint:
        raise
    except Exception:  # of damaged instructions
        return


def load_state(network: nn.Module, state: State, origin: str) -> None:
    """Load strictly: every weight of the network in its shape, and no other (batch counters aside).

    origin: what to call the state in an error. Raises `BadCheckpoint`; the network is then unchanged.
    """
    network.load_state_dict(fitting(network, state, origin), strict=False)


def fitting(network: nn.Module, state: State, origin: str) -> State:
    """`state` without its batch counters, if it is of just this network, which may be a meta one and take no memory.
    Raises `BadCheckpoint`."""
    own = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    came = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    missing = [k for k in own if k not in came]
    foreign = [k for k in came if k not in own]
    if missing or foreign:
        raise BadCheckpoint(
            f"{origin} does not fit {type(network).__name__}: {len(missing)} weights are missing {missing[:3]}, "
            f"{len(foreign)} are unknown {foreign[:3]}; check its architecture."
        )
    for key, value in came.items():
        if value.shape != own[key].shape or value.layout != own[key].layout:
            raise BadCheckpoint(
                f"{origin} does not fit {type(network).__name__}: {key} must have shape {tuple(own[key].shape)}, "
                f"got {tuple(value.shape)}; check its architecture."
            )
    return came


def exported(network: nn.Module, *, half: bool = False) -> bytes:
    """A safetensors file of a network's weights and running statistics, which `load_state` puts back.

    half: fractions in 16 bits, which changes templates by a cosine of about 1e-6 and takes half the room. A tensor with
    numbers beyond 65,504, as the variances of a block DCT's channels have, stays in 32.
    """
    state = {k: v.detach().cpu() for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    if half:
        state = {k: v.half() if v.is_floating_point() and v.half().isfinite().all() else v for k, v in state.items()}
    return save({k: v.contiguous() for k, v in state.items()})


def _first_line(error: Exception) -> str:
    return re.sub("\x1b\\[[0-9;]*m", "", str(error)).partition("\n")[0] or type(error).__name__


def _state_dict(content: Any, path: Path) -> State:
    for _ in _NESTS:  # a mapping in a hostile file may hold itself
        if isinstance(content, Mapping) and (inner := [k for k in _NESTS if isinstance(content.get(k), Mapping)]):
            content = content[inner[0]]
    if not isinstance(content, Mapping) or not any(isinstance(v, Tensor) for v in content.values()):
        raise BadCheckpoint(
            f"{path} holds no state dict: expected a mapping of names to tensors, got {type(content).__name__}; "
            "save the network's state_dict() instead."
        )
    check_plain((v for v in content.values() if isinstance(v, Tensor)), path)
    return {_bare(str(k)): v.detach() for k, v in content.items() if isinstance(v, Tensor)}


def _bare(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


class _Reader:
    """Little-endian values out of a file, in order and never beyond its end."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at = path, memoryview(path.read_bytes()), 0

    def raw(self, size: int) -> memoryview:
        if size > len(self.data) - self.at:
            raise self.refuse(f"ends too early: {size} bytes expected, {len(self.data) - self.at} left")
        self.at += size
        return self.data[self.at - size : self.at]

    def take(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{form}", self.raw(struct.calcsize(f"<{form}")))

    def refuse(self, why: str) -> BadCheckpoint:
        return BadCheckpoint(f"{self.path} {why} (at byte {self.at}); fetch the file again.")


def read_mxnet(path: Path) -> State:
    """The arrays of an MXNet NDArray list (`.params`) under the names of its graph, without ``arg:`` and ``aux:``.

    Raises `BadCheckpoint` where the file is no such list, is cut short or is damaged.
    """
    file = _Reader(path)
    magic, _, count = file.take("QQQ")
    if magic != _MXNET_LIST:
        raise file.refuse(f"does not begin like an MXNet .params file: expected {_MXNET_LIST:#x}, got {magic:#x}")
    arrays = [_mxnet_array(file) for _ in range(count)]
    (named,) = file.take("Q")
    if named != count:
        raise file.refuse(f"names {named} arrays but holds {count}")
    names = [bytes(file.raw(file.take("Q")[0])).decode(errors="replace").split(":", 1)[-1] for _ in range(named)]
    if len(set(names)) != count:
        raise file.refuse("gives several arrays the same name")
    return dict(zip(names, arrays, strict=True))


def _mxnet_array(file: _Reader) -> Tensor:
    (kind,) = file.take("I")
    if kind not in (_MXNET_V1, _MXNET_V2):
        raise file.refuse(f"holds an array of an unknown kind {kind:#x}")
    if kind == _MXNET_V2 and (storage := file.take("i")[0]) != 0:
        raise file.refuse(f"holds a sparse array (storage type {storage}), and only dense ones can be read")
    (ndim,) = file.take("I")
    if not 1 <= ndim <= 32:
        raise file.refuse(f"holds an array of {ndim} dimensions, expected 1 to 32")
    shape = file.take(f"{ndim}q")
    _, _, code = file.take("iii")
    if min(shape) < 1 or code not in _MXNET_TYPES:
        raise file.refuse(f"holds an array of shape {shape} and type {code}, which no array has")
    dtype = np.dtype(_MXNET_TYPES[code])
    # Python's integers do not overflow, so a huge shape meets the end of the file and not a wrapped product.
    raw = file.raw(math.prod(shape) * dtype.itemsize)
    return torch.from_numpy(np.frombuffer(raw, dtype).reshape(shape).copy())


def mxnet_name(name: str) -> str:
    """torch's name for an array of a batch norm or PReLU: ``x_gamma`` -> ``x_weight`` and so on."""
    for theirs, ours in _MXNET.items():
        if name.endswith(theirs):
            return name.removesuffix(theirs) + ours
    return name


def renamed(state: State, rules: Sequence[Rule]) -> State:
    """`state` with each key rewritten by the first rule whose pattern matches it; a key that no rule knows stays."""
    result: State = {}
    for key, value in state.items():
        for pattern, replacement in rules:
            new, hits = re.subn(pattern, replacement, key)
            if hits:
                key = new
                break
        result[key] = value
    return result


def as_convolution(state: State, key: str, grid: int) -> State:
    """`state` whose fully connected weight `key`, (D, C grid²) over a flattened map, is a (D, C, grid, grid) filter."""
    if key not in state:
        return state
    return {**state, key: state[key].reshape(len(state[key]), -1, grid, grid)}
