"""Weights files: what is written comes back, and what is damaged or dangerous is refused in a sentence."""

from __future__ import annotations

import pickle
import random
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bauta.errors import BadCheckpoint, MissingWeights
from bauta.recognizers.checkpoints import (
    as_convolution,
    exported,
    load_state,
    mxnet_name,
    read_mxnet,
    read_state,
    renamed,
)

V1, V2 = 0xF993FAC8, 0xF993FAC9
CODES = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6}


def array(values: np.ndarray, version: int = V2) -> bytes:
    """One dense MXNet array, as ndarray.cc saves it."""
    head = struct.pack("<I", version) + (struct.pack("<i", 0) if version == V2 else b"")
    shape = struct.pack(f"<I{values.ndim}q", values.ndim, *values.shape)
    return head + shape + struct.pack("<iii", 1, 0, CODES[values.dtype.name]) + values.tobytes()


def params(arrays: list[bytes], names: list[str], magic: int = 0x112, count: int | None = None) -> bytes:
    """An NDArray list."""
    named = b"".join(struct.pack("<Q", len(n.encode())) + n.encode() for n in names)
    n = len(arrays) if count is None else count
    return struct.pack("<QQQ", magic, 0, n) + b"".join(arrays) + struct.pack("<Q", len(names)) + named


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "network.params"


@pytest.mark.parametrize("version", [V1, V2])
@pytest.mark.parametrize("dtype", CODES)
def test_mxnet_arrays_come_back(file: Path, version: int, dtype: str) -> None:
    rng = np.random.default_rng(0)
    wide = (rng.normal(size=(2, 3, 5, 7)) * 50).astype(dtype)
    flat = np.arange(4).astype(dtype)
    file.write_bytes(params([array(wide, version), array(flat, version)], ["arg:conv_weight", "aux:bn_moving_mean"]))
    state = read_state(file)
    assert list(state) == ["conv_weight", "bn_moving_mean"]
    np.testing.assert_array_equal(state["conv_weight"].numpy(), wide)
    np.testing.assert_array_equal(state["bn_moving_mean"].numpy(), flat)
    assert state["conv_weight"].numpy().dtype == dtype


GOOD = params([array(np.arange(6, dtype="float32").reshape(2, 3)), array(np.ones(2, "int64"))], ["arg:a", "aux:b"])


def test_an_mxnet_file_cut_anywhere_is_refused(file: Path) -> None:
    file.write_bytes(GOOD)
    assert set(read_mxnet(file)) == {"a", "b"}
    for size in range(len(GOOD)):
        file.write_bytes(GOOD[:size])
        with pytest.raises(BadCheckpoint, match="fetch the file again"):
            read_mxnet(file)


def test_no_flipped_byte_gets_past_the_error_tree(file: Path) -> None:
    rng = random.Random(0)
    for _ in range(2000):
        damaged = bytearray(GOOD)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        file.write_bytes(damaged)
        try:
            state = read_mxnet(file)
        except BadCheckpoint:
            continue
        assert sum(v.numel() for v in state.values()) <= len(GOOD)


def one(
    kind: int = V2, storage: int = 0, shape: tuple[int, ...] = (2,), code: int = 0, ndim: int | None = None
) -> bytes:
    n = len(shape) if ndim is None else ndim
    return struct.pack(f"<IiI{len(shape)}qiii", kind, storage, n, *shape, 1, 0, code) + bytes(8)


DAMAGED = {
    "another magic": (params([one()], ["arg:a"], magic=0x113), "expected 0x112, got 0x113"),
    "more arrays than bytes": (params([one()], ["arg:a"], count=2**63), "ends too early|unknown kind"),
    "a legacy array": (params([one(kind=4)], ["arg:a"]), "unknown kind 0x4"),
    "a sparse array": (params([one(storage=1)], ["arg:a"]), "sparse array .storage type 1."),
    "no dimension": (params([one(shape=(), ndim=0)], ["arg:a"]), "0 dimensions"),
    "too many dimensions": (params([one(ndim=2**32 - 1)], ["arg:a"]), "4294967295 dimensions"),
    "a product that wraps to 0": (params([one(shape=(2**32, 2**32))], ["arg:a"]), "ends too early"),
    "a product that wraps below 0": (params([one(shape=(2**62, 3))], ["arg:a"]), "ends too early"),
    "an empty array": (params([one(shape=(0, 2**60))], ["arg:a"]), "shape .0, 1152921504606846976."),
    "a negative shape": (params([one(shape=(-1,))], ["arg:a"]), r"shape \(-1,\)"),
    "an unknown type": (params([one(code=99)], ["arg:a"]), "type 99"),
    "a name too few": (params([one(), one()], ["arg:a"]), "names 1 arrays but holds 2"),
    "one name twice": (params([one(), one()], ["arg:a", "aux:a"]), "the same name"),
    "a name beyond the end": (params([one()], ["arg:a"])[:-13] + struct.pack("<Q", 2**63) + b"arg:a", "ends too early"),
    "nothing": (b"", "ends too early"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_mxnet_file_is_a_sentence(file: Path, case: str) -> None:
    content, says = DAMAGED[case]
    file.write_bytes(content)
    with pytest.raises(BadCheckpoint, match=says) as caught:
        read_state(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


STATE = {"conv.weight": torch.randn(4, 3, 2, 2), "bn.num_batches_tracked": torch.tensor(7)}

NESTED = {
    "plain": STATE,
    "ordered": OrderedDict(STATE),
    "under state_dict": {"epoch": 3, "state_dict": STATE},
    "under net_state_dict": {"iters": 1, "net_state_dict": STATE},
    "twice, outer last": {"model": {"state_dict": STATE, "best": 0.9}},
    "data-parallel": {f"module.{k}": v for k, v in STATE.items()},
    "compiled": {f"_orig_mod.{k}": v for k, v in STATE.items()},
    "data-parallel, compiled": {"state_dict": {f"module._orig_mod.{k}": v for k, v in STATE.items()}},
    "parameters": {k: nn.Parameter(v, requires_grad=v.is_floating_point()) for k, v in STATE.items()},
}


@pytest.mark.parametrize("case", NESTED)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_is_found_where_scripts_put_it(tmp_path: Path, case: str, zipped: bool) -> None:
    path = tmp_path / "network.pth"
    torch.save(NESTED[case], path, _use_new_zipfile_serialization=zipped)
    state = read_state(path)
    assert set(state) == set(STATE)
    for key, value in STATE.items():
        assert torch.equal(state[key], value)
        assert not state[key].requires_grad


def test_safetensors_come_back(tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    save_file({f"module.{k}": v for k, v in STATE.items()}, path)
    state = read_state(path)
    assert set(state) == set(STATE)
    assert all(torch.equal(state[k], v) for k, v in STATE.items())


@pytest.mark.parametrize("name", ["network.safetensors", "network.pth", "network.pt"])
def test_a_cut_or_foreign_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=name.endswith("h"))
    whole = path.read_bytes()
    contents = [whole[: int(len(whole) * share)] for share in (0, 0.01, 0.1, 0.5, 0.9)]
    for content in (*contents, b"hello", b"<html>404</html>", struct.pack("<Q", 2**62) + b"{"):
        path.write_bytes(content)
        with pytest.raises(BadCheckpoint, match="could not be read as plain tensors") as caught:
            read_state(path)
        assert "\n" not in str(caught.value)


class Bomb:
    """A pickle that creates a file when somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("form", ["zip", "legacy", "bare pickle", "beside good weights", "under a .params name"])
def test_a_pickle_with_code_is_refused_and_never_runs(tmp_path: Path, form: str) -> None:
    trace, path = tmp_path / "it-ran", tmp_path / "network.pth"
    bomb = Bomb(trace)
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(bomb, protocol=2))
    elif form == "under a .params name":
        path = path.with_suffix(".params")
        path.write_bytes(pickle.dumps(bomb, protocol=2))
    else:
        content = {**STATE, "extra": bomb} if form == "beside good weights" else bomb
        torch.save(content, path, _use_new_zipfile_serialization=form != "legacy")
    with pytest.raises(BadCheckpoint):
        read_state(path)
    assert not trace.exists()
    if path.suffix == ".pth" and form == "bare pickle":  # the bomb is a real one
        pickle.loads(path.read_bytes()).close()
        assert trace.exists()


def test_a_pickled_network_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "network.pth"
    torch.save(nn.Conv2d(3, 4, 1), path)
    with pytest.raises(BadCheckpoint, match=r"never unpickles objects: save the network's state_dict\(\)"):
        read_state(path)


@pytest.mark.parametrize("content", [[torch.zeros(2)], {"epoch": 3}, torch.zeros(3), {"model": {"epoch": 1}}])
def test_a_file_without_a_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "network.pth"
    torch.save(content, path)
    with pytest.raises(BadCheckpoint, match="holds no state dict"):
        read_state(path)


def test_a_missing_file_is_missing_and_not_bad(tmp_path: Path) -> None:
    for path in (tmp_path / "no.pth", tmp_path / "no.params", tmp_path):
        with pytest.raises(MissingWeights, match="is not a file"):
            read_state(path)


def test_mxnet_names_become_torchs() -> None:
    names = ["bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var", "relu_gamma", "conv_weight"]
    expected = ["bn_weight", "bn_bias", "bn_running_mean", "bn_running_var", "relu_weight", "conv_weight"]
    assert [mxnet_name(n) for n in names] == expected


def test_the_first_rule_that_knows_a_key_renames_it() -> None:
    state = {k: torch.tensor(float(n)) for n, k in enumerate(["a.1.w", "a.2.w", "b.w"])}
    rules = ((r"^a\.1", "first"), (r"^a\.(\d)", lambda m: f"later{int(m[1]) + 1}"), (r"w$", "never reached by a"))
    result = renamed(state, rules)
    assert {k: v.item() for k, v in result.items()} == {"first.w": 0, "later3.w": 1, "b.never reached by a": 2}


def test_a_linear_map_is_the_convolution_that_covers_the_grid() -> None:
    linear = nn.Linear(5 * 7 * 7, 6)
    conv = nn.Conv2d(5, 6, 7)
    conv.load_state_dict(as_convolution(linear.state_dict(), "weight", 7))
    x = torch.randn(3, 5, 7, 7)
    torch.testing.assert_close(conv(x).flatten(1), linear(x.flatten(1)), rtol=0, atol=1e-5)
    assert as_convolution({}, "weight", 7) == {}


@pytest.mark.parametrize("half", [False, True])
def test_what_is_exported_is_read_back(tmp_path: Path, half: bool) -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 9, 4)).eval()
    network[1].running_var.uniform_(0.1, 2)
    other = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 9, 4)).eval()
    (tmp_path / "a.safetensors").write_bytes(exported(network, half=half))
    load_state(other, read_state(tmp_path / "a.safetensors"), "it")
    x = torch.rand(5, 3, 5, 5)
    with torch.no_grad():
        near = torch.nn.functional.cosine_similarity(other(x), network(x))
        assert torch.equal(other(x), network(x)) is not half
    assert (1 - near).max() < 1e-5
    assert all(p.dtype == torch.float32 for p in other.parameters())
