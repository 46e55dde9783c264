"""Damaged weights: checkpoints of every format, trainings, TF.js, and pickles that would run code."""

from __future__ import annotations

import io
import json
import os
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Generator, Tensor

from bauta import zoo
from bauta.estimators.tfjs import read_tfjs
from bauta.recognizers import Preprocess, load
from bauta.recognizers.checkpoints import read_state
from bauta.recognizers.registry import ARCHITECTURES
from bauta.recognizers.trainable import RECIPE, WEIGHTS, new
from bauta.train.run import LEARNED, load_pipeline
from campaigns.arena import Kind
from campaigns.damage import HUGE, damaged, hostile, json_bytes, rezipped, safetensors_bytes

State = dict[str, Tensor]
LAYOUTS = (
    *("mobileface-v3", "mobilefacenet-xiaoccer", "mobilefacenet-foamliu", "mobilefacenet-insightface-y1"),
    "robfr-mobilenet",
)


def zipped(content: object, *, old: bool = False) -> bytes:
    """What torch.save writes, in its zip or in the format before it."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


def tensors(seed: int = 0) -> State:
    """A few tensors of several types and shapes."""
    g = Generator().manual_seed(seed)
    return {
        "conv.weight": torch.randn(4, 3, 3, 3, generator=g),
        "bn.running_mean": torch.randn(4, generator=g),
        "bn.num_batches_tracked": torch.tensor(7),
        "half": torch.randn(2, 5, generator=g).half(),
    }


def endless() -> dict[str, Any]:
    """A table that holds itself."""
    made: dict[str, Any] = {}
    made["state_dict"] = made
    return made


def swollen(draw: Random) -> Any:
    """Tensors that say that they are larger than what holds them, or are no plain ones."""
    one = torch.ones(1)
    side = draw.choice((10**3, 10**5, 10**9))
    return draw.choice(
        (
            {"conv.weight": one.expand(side, side)},
            {"conv.weight": one.double().expand(side, side)},
            {f"conv{i}.weight": one.half().expand(20_000, 20_000) for i in range(3)},
            {"conv.weight": torch.zeros(2, 2).to_sparse()},
            {"conv.weight": torch.sparse_coo_tensor(torch.zeros(2, 0).long(), torch.zeros(0), (side, side))},
            {"conv.weight": torch.quantize_per_tensor(torch.ones(4, 4), 0.1, 0, torch.qint8)},
            {"conv.weight": torch.empty(side, 4, device="meta")},
            {"conv.weight": torch.zeros(3, 4, dtype=torch.complex64)},
            {"conv.weight": torch.zeros(0, side)},
            {"conv.weight": torch.tensor(float("nan"))},
            {0: one, None: one, (1, 2): one},
            {"state_dict": {"model": {"net": {}}}},
            endless(),
        )
    )


def changed_pickle(draw: Random, name: str, content: bytes) -> bytes:
    """A zip's pickle with other numbers or damage; the rest as it is."""
    if not name.endswith("data.pkl") or draw.random() < 0.1:
        return damaged(draw, content) if draw.random() < 0.1 else content
    for _ in range(draw.choice((1, 2, 4)) if content else 0):
        at = draw.randrange(max(1, len(content)))
        small = content.find(b"K", at)
        if draw.random() < 0.6 and small >= 0:
            large = draw.choice((b"K\xff", b"J" + struct.pack("<i", 2**31 - 1), b"J" + struct.pack("<i", -1)))
            content = content[:small] + large + content[small + 2 :]
        else:
            content = damaged(draw, content)
    return content


def torch_file(draw: Random, folder: Path, samples: list[bytes], content: object) -> bytes:
    """A damaged, hostile or swollen PyTorch file."""
    kind = draw.random()
    if kind < 0.2:
        evil = hostile(draw, folder / "witness", content)
        return evil if draw.random() < 0.4 else rezipped(draw, samples[0], lambda n, d: evil if "data.pkl" in n else d)
    if kind < 0.35:
        return zipped(swollen(draw), old=draw.random() < 0.2)
    if kind < 0.6:
        return rezipped(draw, samples[0], lambda name, old: changed_pickle(draw, name, old))
    if kind < 0.65:
        return rezipped(draw, samples[0], lambda n, d: bytes(draw.choice((10**3, 2 * 10**8))) if "data/0" in n else d)
    return damaged(draw, draw.choice(samples), samples)


def mxnet(state: State) -> bytes:
    """An MXNet NDArray list."""
    arrays = [value.numpy().astype("<f4") for value in state.values()]
    parts = [struct.pack("<QQQ", 0x112, 0, len(arrays))]
    for a in arrays:
        a = a.reshape(a.shape or (1,))
        parts.append(struct.pack(f"<IiI{a.ndim}qiii", 0xF993FAC9, 0, a.ndim, *a.shape, 1, 0, 0) + a.tobytes())
    names = [f"arg:{name}".encode() for name in state]
    return b"".join([*parts, struct.pack("<Q", len(names)), *(struct.pack("<Q", len(n)) + n for n in names)])


class Checkpoints(Kind):
    """Weights of a format, whatever network they are for. ending: of the file."""

    def __init__(self, name: str, ending: str) -> None:
        self.name, self.ending = name, ending  # type: ignore[misc]  # a kind a format

    def prepare(self, folder: Path) -> None:
        self.state = tensors()
        nested = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in self.state.items()}}
        self.samples = {
            ".pt": [zipped(self.state), zipped(nested), zipped(nested, old=True)],
            ".safetensors": [save(self.state), save(tensors(1), {"format": "pt"})],
            ".params": [mxnet(self.state), mxnet(tensors(1))],
        }[self.ending]

    def damaged(self, draw: Random, folder: Path) -> Path:
        path = folder / f"network{self.ending}"
        if self.ending == ".pt":
            data = torch_file(draw, folder, self.samples, self.state)
        elif self.ending == ".safetensors":
            data = safetensors_bytes(draw, draw.choice(self.samples), self.samples)
        else:
            data = damaged(draw, draw.choice(self.samples), self.samples)
        path.write_bytes(data)
        return path

    def read(self, thing: Path) -> None:
        for value in read_state(thing).values():
            value.clone()


def crooked(draw: Random, state: State) -> State:
    """A state dict in which shapes, types and names are others; what is in it is read whole."""
    made = dict(state)
    for _ in range(draw.choice((1, 1, 3))):
        key = draw.choice(list(made))
        value = made.pop(key)
        shape = draw.choice(
            ((), (0,), (1,), (7,), (1, 1), (0, 3, 3), (2, 2, 2, 2), (1, 300_000), (300_000, 1), (1, 1, 1, 1, 1))
        )
        as_it_is = value.flatten()[: draw.choice((1, 4))] if draw.random() < 0.3 else value[None]
        other = draw.choice((torch.zeros(shape), value.long(), value.flatten(), as_it_is, value.to(torch.bool)))
        made |= draw.choice(({}, {key: other}, {key: other}, {f"{key}x": value}, {key.replace("0", "9" * 30): value}))
    if draw.random() < 0.25:
        stems = ("convs.{}.activate.bias", "to_rgbs.{}.bias", "style.{}.weight", "synthesis.b{}.conv0.weight", "x{}")
        stem = draw.choice(stems)
        made |= {stem.format(i): torch.zeros(1, 1) for i in range(draw.choice((30, 60, 20_000)))}
    return made


class Networks(Kind):
    """A registered network whose file holds other names, shapes and types: the whole way to a recognizer."""

    name = "network"

    def prepare(self, folder: Path) -> None:
        os.environ["BAUTA_HOME"] = str(folder / "home")
        os.environ.pop("BAUTA_MIRROR", None)
        self.states = {name: ARCHITECTURES[name].make(Preprocess()).state_dict() for name in LAYOUTS}

    def damaged(self, draw: Random, folder: Path) -> tuple[Path, str]:
        path, name = folder / "network.safetensors", draw.choice(LAYOUTS)
        whole = crooked(draw, self.states[draw.choice((name, name, draw.choice(LAYOUTS)))])
        path.write_bytes(save({k: v.contiguous() for k, v in whole.items()}))
        return path, name

    def read(self, thing: tuple[Path, str]) -> None:
        path, layout = thing
        zoo.register("fuzzed", path, layout)
        load("fuzzed")


class Trained(Kind):
    """The folder of a training: its recipe and its weights."""

    name = "training"

    def prepare(self, folder: Path) -> None:
        self.recipe: dict[str, Any] = {"architecture": "mobilefacenet", "options": {"width": 0.125}, "protections": []}
        network = new("mobilefacenet", {"width": 0.125})
        self.weights = save({k: v.contiguous() for k, v in network.state_dict().items()})
        self.names = ("mobilefacenet", "compact_ir", "compact_plain", "frequency_small", "duet_client", "ir18", "x")

    def damaged(self, draw: Random, folder: Path) -> Path:
        recipe = self.recipe
        if draw.random() < 0.5:
            size: object = draw.choice((0, -1, 0.5, 1e-9, 1e9, 10**12, 10**400, float("nan"), "a", None, [], True))
            option = draw.choice(("width", "embedding", "channels", "dropout", "widths", "units", "side", "x"))
            if option in ("widths", "units"):
                size = [draw.choice((1, 2, 48, 0, -1, 10**4, 10**9)) for _ in range(draw.choice((4, 4, 0, 500)))]
            recipe = {**recipe, "architecture": draw.choice(self.names), "options": {option: size}}
        if draw.random() < 0.1:
            spec = draw.choice(("Quantization()", "DCTDP()", "PartialFace(channels=99999999)", "x", 3, "[" * 999))
            asked: list[Any] = [[spec], [spec] * 3, "PMT()", 7]
            recipe = {**recipe, "protections": draw.choice(asked)}
        (folder / RECIPE).write_bytes(json_bytes(draw, recipe) if draw.random() < 0.6 else json.dumps(recipe).encode())
        (folder / WEIGHTS).write_bytes(safetensors_bytes(draw, self.weights) if draw.random() < 0.5 else self.weights)
        learned = save({"0.x": torch.zeros(3)})
        (folder / LEARNED).write_bytes(safetensors_bytes(draw, learned) if draw.random() < 0.5 else save({}))
        return folder

    def read(self, thing: Path) -> None:
        load_pipeline(thing)


class Manifests(Kind):
    """A TF.js manifest and its shard."""

    name = "tfjs"

    def prepare(self, folder: Path) -> None:
        entries: list[dict[str, Any]] = [
            {"name": "a/filters", "shape": [3, 3, 2, 4], "dtype": "float32"},
            {"name": "a/bias", "shape": [4], "dtype": "float32",
             "quantization": {"dtype": "uint8", "scale": 0.1, "min": -1.0}},
            {"name": "b", "shape": [2], "dtype": "int32"},
        ]  # fmt: skip
        self.manifest = {"weightsManifest": [{"paths": ["shard1"], "weights": entries}]}
        self.shard = np.arange(72, dtype="<f4").tobytes() + bytes(4) + bytes(8)

    def damaged(self, draw: Random, folder: Path) -> Path:
        manifest = json.loads(json.dumps(self.manifest))
        entry = draw.choice(manifest["weightsManifest"][0]["weights"])
        if draw.random() < 0.3:
            entry["shape"] = [draw.choice(HUGE) for _ in range(draw.choice((1, 2, 31)))]
        if draw.random() < 0.1:
            shard = draw.choice(("../witness", "/etc/passwd", ".", "", "a\0b", "x" * 5000, "shard1\n"))
            manifest["weightsManifest"][0]["paths"] = [shard] * draw.choice((1, 2, 10_000))
        path = folder / "model.json"
        path.write_bytes(json_bytes(draw, manifest) if draw.random() < 0.8 else json.dumps(manifest).encode())
        (folder / "shard1").write_bytes(damaged(draw, self.shard) if draw.random() < 0.3 else self.shard)
        return path

    def read(self, thing: Path) -> None:
        read_tfjs(thing)


def kinds() -> list[Kind]:
    """All kinds of weights."""
    formats = (("safetensors", ".safetensors"), ("pytorch", ".pt"), ("mxnet", ".params"))
    return [*(Checkpoints(*form) for form in formats), Networks(), Trained(), Manifests()]
