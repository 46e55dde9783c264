"""Damaged files of bauta's own: masks, fitted protections, databases of features, journals, rows and tables."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from bauta import zoo
from bauta.errors import BautaError
from bauta.job import fittedfile
from bauta.job.featurestore import open_database
from bauta.job.journal import Journal
from bauta.job.maskfile import Made, MaskFile, Measured, packed
from bauta.protections import ALL, FeatureProtection, GaussianNoise
from bauta.recognizers import Preprocess, Recognizer
from bauta.recognizers.base import sequence
from bauta.study import records
from bauta.study.audit import scores
from bauta.study.records import Row
from bauta.study.reported import reported
from campaigns.arena import Kind
from campaigns.damage import damaged, hostile, json_bytes, odd_json, safetensors_bytes
from campaigns.texts import spec


def network() -> Recognizer:
    """A client of one convolution and a server of another."""
    layers = {
        "client": sequence({"input": Preprocess(), "conv": torch.nn.Conv2d(3, 4, 3, 2, 1)}),
        "server": sequence({"conv": torch.nn.Conv2d(4, 8, 56)}),
    }
    return Recognizer(layers, cut=1, name="small").frozen()


class Masks(Kind):
    """`.mask` files."""

    name = "mask"

    def prepare(self, folder: Path) -> None:
        g = torch.Generator().manual_seed(0)
        person = torch.nn.functional.normalize(torch.randn(16, generator=g), dim=0)
        self.tensors = {"masks": torch.rand(1, 3, 112, 112, generator=g) - 0.5, "person": person}
        rows = [Measured(i, 1.0, 0.5, 0.01) for i in range(3)]
        made = Made("TransferMask()", {"small": "0" * 64}, 5, 1.0, rows)
        MaskFile(self.tensors["masks"], person, made).save(folder / "good.mask")
        self.sample = (folder / "good.mask").read_bytes()
        self.about = {"bauta mask": 2, **asdict(made)}

    def damaged(self, draw: Random, folder: Path) -> Path:
        path = folder / "key.mask"
        kind = draw.random()
        if kind < 0.1:
            data = hostile(draw, folder / "witness", self.about)
        elif kind < 0.5:
            data = safetensors_bytes(draw, self.sample)
        elif kind < 0.8:
            about = odd_json(draw, self.about)
            data = save({k: v.contiguous() for k, v in self.tensors.items()}, {"bauta": json.dumps(about)})
        else:
            sizes = ((), (0,), (1,), (17, 3, 112, 112), (1, 3, 111, 112), (0, 3, 112, 112), (5000,))
            fill = draw.choice((0.0, 2.0, float("nan"), float("inf"), -1.0))
            other = torch.full(draw.choice(sizes), fill).to(draw.choice((torch.float32, torch.float16, torch.int64)))
            key = draw.choice(("masks", "person", "more"))
            data = packed({**self.tensors, key: other}, self.about)
        path.write_bytes(data)
        return path

    def read(self, thing: Path) -> None:
        found = MaskFile.load(thing)
        found.drawn(torch.zeros(3, 8, 8))
        float(found.alike)


class Fitted(Kind):
    """Fitted protections of features."""

    name = "fitted"

    def prepare(self, folder: Path) -> None:
        self.network = network()
        protection: FeatureProtection = GaussianNoise(0.1, seed=3)
        fittedfile.save(folder / "good.safetensors", protection, self.network, "lfw")
        self.sample = (folder / "good.safetensors").read_bytes()
        size = int.from_bytes(self.sample[:8], "little")
        self.about = json.loads(json.loads(self.sample[8 : 8 + size])["__metadata__"]["bauta"])

    def damaged(self, draw: Random, folder: Path) -> Path:
        path = folder / "fitted.safetensors"
        kind = draw.random()
        if kind < 0.1:
            data = hostile(draw, folder / "witness", self.about)
        elif kind < 0.4:
            data = safetensors_bytes(draw, self.sample)
        else:
            about = odd_json(draw, self.about) if kind < 0.7 else {**self.about, "protection": spec(draw, ALL)}
            tensors = {draw.choice(("mean_", "noise", "x")): torch.zeros(draw.choice(((), (3,), (4, 1, 1))))}
            data = save(tensors if draw.random() < 0.5 else {}, {"bauta": json.dumps(about)})
        path.write_bytes(data)
        return path

    def read(self, thing: Path) -> None:
        fittedfile.load(thing, self.network)


class Databases(Kind):
    """Features on disk, .npy and .safetensors."""

    name = "features"

    def prepare(self, folder: Path) -> None:
        rows = np.random.default_rng(0).normal(size=(6, 2, 3, 3)).astype("<f4")
        self.npy = []
        for array in (rows, rows.astype("<f2"), rows.reshape(6, -1), np.asfortranarray(rows)):
            file = io.BytesIO()
            np.save(file, array)
            self.npy.append(file.getvalue())
        ids = torch.arange(6)
        self.safe = [save({"features": torch.from_numpy(rows), "identity": ids}), save({"x": torch.from_numpy(rows)})]

    def damaged(self, draw: Random, folder: Path) -> Path:
        if draw.random() < 0.5:
            path = folder / "rows.safetensors"
            path.write_bytes(safetensors_bytes(draw, draw.choice(self.safe), self.safe))
            return path
        path = folder / "rows.npy"
        kind = draw.random()
        if kind < 0.1:
            data = hostile(draw, folder / "witness", [1.0, 2.0])
        elif kind < 0.2:
            file = io.BytesIO()
            np.savez(file, x=np.zeros(3)) if draw.random() < 0.5 else np.save(file, np.array([{}, self]), True)
            data = file.getvalue() if draw.random() < 0.5 else damaged(draw, file.getvalue())
        elif kind < 0.6:
            shape = draw.choice(
                ("(6, 18)", "(2**40,)", f"({10**18}, 4)", "(-1, 3)", "()", "(0, 3)", "(6, 18.0)", "[6, 18]")
            )
            descr = draw.choice(("'<f4'", "'|O'", "'>f4'", "'<U9'", "[('a', '<f4')]", "'<f9'", "None", "'<i8'"))
            text = f"{{'descr': {descr}, 'fortran_order': {draw.choice(('False', 'True', '1'))}, 'shape': {shape}, }}"
            text = draw.choice((text, text, text[:-1], text + "(" * 500, "{" * 9000, "__import__('os')", "'" * 3))
            version = draw.choice((b"\1\0", b"\2\0", b"\3\0", b"\x09\0"))
            head = len(text).to_bytes(2 if version == b"\1\0" else 4, "little")
            data = b"\x93NUMPY" + version + head + text.encode() + bytes(432)
        else:
            data = damaged(draw, draw.choice(self.npy), self.npy)
        path.write_bytes(data)
        return path

    def read(self, thing: Path) -> None:
        found = open_database(thing)
        for first in range(min(len(found), 64)):
            found.unsound(found.read(first, first + 1))


class Journals(Kind):
    """The private journal of a folder job."""

    name = "journal"

    def prepare(self, folder: Path) -> None:
        picture = {"name": "a.png", "sha256": "0" * 64, "proof": {"mine": [0.5, 0.6], "ssim": 0.9}}
        self.head = {"settings": {"protection": "PMT()", "largest": False}, "seed": str(2**100)}
        self.entry = {"file": "a.jpg", "digest": "1" * 64, "pictures": [picture]}

    def damaged(self, draw: Random, folder: Path) -> Path:
        made = Journal(folder / "home", folder / "out")
        made.path.parent.mkdir()
        lines = [self.head, self.entry, {**self.entry, "file": "b.jpg"}]
        at = draw.randrange(3)
        texts = [json_bytes(draw, x) if i == at else json.dumps(x).encode() for i, x in enumerate(lines)]
        data = b"\n".join(texts) + draw.choice((b"\n", b"\n", b"", b"\n\n", b"\r\n"))
        made.path.write_bytes(damaged(draw, data) if draw.random() < 0.2 else data)
        return folder

    def read(self, thing: Path) -> None:
        Journal(thing / "home", thing / "out").begin(self.head["settings"], None)  # type: ignore[arg-type]


class Rows(Kind):
    """The rows and settings of a study: a report is made of them, and it goes on from them."""

    name = "rows"

    def prepare(self, folder: Path) -> None:
        row = Row("a / b", "PMT()", "attack", "RecFace()", "AUC", 0.7, 0.6, 0.8, 100, "low", "SCHEME", 1, "", {"x": 1})
        utility = Row("a / utility", "PMT()", "utility", "mine", "accuracy", 0.98, 0.97, 0.99, 100, "high")
        self.rows = [
            records.facts(row),
            records.facts(utility),
            {**records.facts(row), "system": "bare", "value": None},
        ]

    def damaged(self, draw: Random, folder: Path) -> Path:
        at = draw.randrange(3)
        texts = [json_bytes(draw, row) if i == at else json.dumps(row).encode() for i, row in enumerate(self.rows)]
        data = b"\n".join(texts) + draw.choice((b"\n", b"\n", b"", b'\n{"cell": "a'))
        path = folder / "rows.jsonl"
        path.write_bytes(damaged(draw, data) if draw.random() < 0.2 else data)
        if draw.random() < 0.3:
            stated = {"study": draw.choice(("pmt-abuse", "map2v", "x")), "data": "lfw", "versions": {"bauta": "0.1"}}
            (folder / "settings.json").write_bytes(json_bytes(draw, stated))
        return path

    def read(self, thing: Path) -> None:
        reported(thing.parent, faces=False)
        found = list(records.read(thing))
        records.resume(thing)
        records.append(thing, found[:1])


class Tables(Kind):
    """registered.json, pins.json and digests.json in the home."""

    name = "tables"

    def prepare(self, folder: Path) -> None:
        os.environ["BAUTA_HOME"] = str(folder / "home")
        os.environ.pop("BAUTA_MIRROR", None)
        (folder / "mine.params").write_bytes(b"mine")
        (folder / "home").mkdir()
        zoo.register("mine", folder / "mine.params", "mobileface-v3", embedding=256)
        zoo.register_dataset("faces", folder)
        self.home = folder / "home"
        self.registered = json.loads((self.home / "registered.json").read_bytes())

    def damaged(self, draw: Random, folder: Path) -> Path:
        home = folder / "home"
        home.mkdir()
        whole: dict[str, Any] = {
            "registered": self.registered,
            "pins": {"x.bin": "0" * 64},
            "digests": {"/x": [1, 2, "3"]},
        }
        which = draw.choice(list(whole))
        for name, content in whole.items():
            data = json_bytes(draw, content) if name == which else json.dumps(content).encode()
            (home / f"{name}.json").write_bytes(data)
        return home

    def read(self, thing: Path) -> None:
        os.environ["BAUTA_HOME"] = str(thing)
        steps: list[Callable[[], object]] = [
            lambda: [zoo.place(file) for record in zoo.registered_weights() for file in record.files],
            lambda: [record.path for record in zoo.registered_datasets()],
            lambda: zoo.locate(zoo.weights("mine").files[0]),
            lambda: zoo.dataset("faces"),
            lambda: zoo.threshold("mine"),
            lambda: zoo.locate(zoo.File("x.bin", (), None)),
            lambda: zoo.register("other", thing / "pins.json", "mobileface-v3"),
            lambda: zoo.forget("mine"),
        ]
        first = list(_errors(steps))
        if first:
            raise first[0]


def _errors(steps: list[Callable[[], object]]) -> Iterator[BautaError]:
    """Every step is taken, and must end well or in a sentence."""
    for step in steps:
        try:
            step()
        except BautaError as error:
            yield error


class Scores(Kind):
    """The scores that an audit keeps."""

    name = "scores"

    def prepare(self, folder: Path) -> None:
        kept = scores.Scores("PMT()", torch.arange(8) < 4, {"mine": torch.linspace(-1, 1, 8)}, {"mine": 0.3})
        scores.keep(folder, kept)
        self.sample = scores.file(folder, "PMT()").read_bytes()
        self.facts = {"system": "PMT()", "by": ["mine"], "thresholds": {"mine": 0.3}}

    def damaged(self, draw: Random, folder: Path) -> Path:
        path = folder / "scores.safetensors"
        if draw.random() < 0.4:
            path.write_bytes(safetensors_bytes(draw, self.sample))
            return path
        shape = draw.choice(((1, 8), (8,), (), (2, 8), (1, 0), (1, 7), (1, 8, 2)))
        cosines = torch.full(shape, draw.choice((0.5, float("nan"), 1e30)))
        cosines = cosines.to(draw.choice((torch.float32, torch.int64, torch.bool)))
        same = (torch.arange(8) < draw.choice((0, 4, 8))).byte()[: draw.choice((8, 8, 0))]
        facts = odd_json(draw, self.facts) if draw.random() < 0.7 else self.facts
        path.write_bytes(save({"same": same, "cosines": cosines}, {"scores": json.dumps(facts)}))
        return path

    def read(self, thing: Path) -> None:
        found = [scores.read(thing)]
        scores.curves(found)
        scores.histograms(found)


def kinds() -> list[Kind]:
    """All kinds of bauta's own files."""
    return [Masks(), Fitted(), Databases(), Journals(), Rows(), Tables(), Scores()]
