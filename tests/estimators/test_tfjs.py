"""TF.js weights, written here byte by byte and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bauta.errors import BadCheckpoint, BadFile, MissingWeights
from bauta.estimators.tfjs import convolution, depthwise, load_tensors, read_tfjs

FLOATS = np.array([[0.5, -1.25, 3.0], [1e-7, -0.0, 2.5]], "<f4")
AXES = np.array([1, -2], "<i4")
SMALL = np.array([[0, 128, 255]], "u1")
WIDE = np.array([0, 40_000, 65_535], "<u2")
ENTRIES: list[dict[str, Any]] = [
    {"name": "a/floats", "shape": [2, 3], "dtype": "float32"},
    {"name": "axes", "shape": [2], "dtype": "int32"},
    {"name": "small", "shape": [1, 3], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.1, "min": -1}},
    {"name": "wide", "shape": [3], "dtype": "float32", "quantization": {"dtype": "uint16", "scale": 1e-3, "min": 2.0}},
]
BYTES = FLOATS.tobytes() + AXES.tobytes() + SMALL.tobytes() + WIDE.tobytes()


def write(folder: Path, content: Any, *shards: bytes) -> Path:
    """A manifest with its shards beside it."""
    for i, data in enumerate(shards):
        (folder / f"shard{i}.bin").write_bytes(data)
    manifest = folder / "model.json"
    manifest.write_text(json.dumps(content))
    return manifest


def group(entries: Any = ENTRIES, paths: Any = ("shard0.bin",)) -> list[dict[str, Any]]:
    return [{"paths": list(paths), "weights": entries}]


@pytest.mark.parametrize("graph", [False, True], ids=["bare list", "graph model"])
@pytest.mark.parametrize("cut", [len(BYTES), 11], ids=["one shard", "two shards, parted within a number"])
def test_every_kind_of_tensor_is_read(tmp_path: Path, graph: bool, cut: int) -> None:
    content: Any = group(paths=[f"shard{i}.bin" for i in range(2 if cut < len(BYTES) else 1)])
    if graph:
        content = {"format": "graph-model", "modelTopology": {}, "weightsManifest": content}
    found = read_tfjs(write(tmp_path, content, BYTES[:cut], BYTES[cut:]))
    assert list(found) == ["a/floats", "axes", "small", "wide"]
    assert found["a/floats"].numpy().tobytes() == FLOATS.tobytes()
    assert found["axes"].tolist() == [1, -2]
    assert found["axes"].dtype == torch.int32
    assert found["small"].shape == (1, 3)
    assert found["small"].flatten().tolist() == pytest.approx([-1, 11.8, 24.5], abs=1e-5)
    assert found["wide"].tolist() == pytest.approx([2, 42, 67.535], abs=1e-5)
    assert found["small"].dtype == found["wide"].dtype == torch.float32


def test_groups_have_shards_of_their_own(tmp_path: Path) -> None:
    content = group(ENTRIES[:1]) + group(ENTRIES[1:2], ["shard1.bin"])
    found = read_tfjs(write(tmp_path, content, FLOATS.tobytes(), AXES.tobytes()))
    assert found["axes"].tolist() == [1, -2]


def test_shards_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    manifest = write(tmp_path, group(), BYTES)
    (tmp_path / "shard0.bin").rename(tmp_path / "other" / "shard0.bin")
    assert len(read_tfjs(manifest, folder=tmp_path / "other")) == 4
    with pytest.raises(MissingWeights, match="shard0"):
        read_tfjs(manifest)


def changed(**fields: Any) -> list[dict[str, Any]]:
    return group([{**ENTRIES[0], **fields}])


QUANTIZATION = {"dtype": "uint8", "scale": 1.0, "min": 0.0}
REFUSED: dict[str, Any] = {
    "no list": {"weights": []},
    "an empty list": [],
    "a group that is none": [1],
    "a group without paths": [{"weights": []}],
    "an entry that is none": group(["x"]),
    "no name": group([{"shape": [6], "dtype": "float32"}]),
    "a negative size": changed(shape=[-2, -3]),
    "a size that is no whole number": changed(shape=[2.0, 3]),
    "a size that is true": changed(shape=[True, 6]),
    "a shape that is none": changed(shape=6),
    "far too many dimensions": changed(shape=[1] * 40 + [6]),
    "an unknown type": changed(dtype="string"),
    "a type that is no text": changed(dtype=["float32"]),
    "an unknown quantization": changed(quantization={**QUANTIZATION, "dtype": "float16"}),
    "a quantized integer": changed(dtype="int32", quantization=QUANTIZATION),
    "no scale": changed(quantization={"dtype": "uint8", "min": 0}),
    "an infinite scale": changed(quantization={**QUANTIZATION, "scale": float("inf")}),
    "a shard outside": group(ENTRIES[:1], ["../shard0.bin"]),
    "a shard anywhere": group(ENTRIES[:1], ["/etc/hostname"]),
    "a shard that is a number": group(ENTRIES[:1], [0]),
    "a name twice": group([ENTRIES[0], ENTRIES[0]], ["shard0.bin", "shard0.bin"]),
    "more than the shard holds": changed(shape=[7]),
    "less than the shard holds": changed(shape=[5]),
    "very much more": changed(shape=[2**40, 2**40]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path: Path, case: str) -> None:
    manifest = write(tmp_path, REFUSED[case], FLOATS.tobytes())
    with pytest.raises(BadFile) as error:
        read_tfjs(manifest)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


def test_what_is_no_json_or_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights):
        read_tfjs(tmp_path / "model.json")
    for content in (b"\x80\x04\x95pickle", b"[" * 100_000, b'{"weightsManifest": '):
        (tmp_path / "model.json").write_bytes(content)
        with pytest.raises(BadFile):
            read_tfjs(tmp_path / "model.json")


def test_filters_are_turned_as_sums_by_hand_say() -> None:
    g = torch.Generator().manual_seed(0)
    picture = torch.randn(5, 4, 2, generator=g)  # h, w, channels, as TensorFlow has them
    full, single = torch.randn(3, 2, 2, 3, generator=g), torch.randn(3, 2, 2, 1, generator=g)
    ours = picture.permute(2, 0, 1)[None]
    by_hand = torch.einsum("hwi,hwio->o", picture[1:4, 2:4], full)
    assert torch.allclose(F.conv2d(ours, convolution(full))[0, :, 1, 2], by_hand, atol=1e-5)
    by_hand = torch.einsum("hwc,hwc->c", picture[1:4, 2:4], single[..., 0])
    assert torch.allclose(F.conv2d(ours, depthwise(single), groups=2)[0, :, 1, 2], by_hand, atol=1e-5)
    matrix, row = torch.randn(2, 3, generator=g), picture[0, 0]
    assert torch.allclose(F.linear(row, convolution(matrix)), row @ matrix, atol=1e-6)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network = nn.Linear(2, 3)
    load_tensors(network, {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}, tmp_path)
    assert network.weight.sum() == 6
    for state in ({"weight": torch.ones(3, 2)}, {"weight": torch.ones(2, 3), "bias": torch.zeros(3)}):
        with pytest.raises(BadCheckpoint, match="Linear"):
            load_tensors(network, state, tmp_path)
