"""The same work on Ray: few tests, on one Ray of two processors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rayed

from bauta.errors import BadFile, MissingPackage, UsageError
from bauta.job import ProtectJob
from bauta.job.engine import Here
from bauta.job.featureprotecting import FeatureJob
from bauta.job.featurestore import open_database
from bauta.job.maskphotos import Masking
from bauta.job.portraits import AlignedAlready, largest, pictures_in
from bauta.job.rayengine import Ray, cluster
from bauta.protections import GaussianNoise

from .conftest import content
from .test_maskphotos import key

SEED = 11


def test_without_ray_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackage, match=r"--engine ray needs Ray: pip install 'bauta\[scale\]'"), cluster(None):
        pass
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.fixture(scope="module")
def ray() -> Iterator[Ray]:
    """Ray, for all tests here."""
    with rayed.started(__name__) as engine:
        yield engine


@dataclass(frozen=True)
class Mortal:
    """Dies once, at the third piece, as a machine that is switched off."""

    grave: Path

    def __call__(self, piece: int) -> Iterator[int]:
        """The piece, and what must not be made a column."""
        if piece == 2 and not self.grave.exists():
            self.grave.touch()
            os._exit(1)
        yield piece


@dataclass(frozen=True)
class Failing:
    """Cannot do the second piece."""

    def __call__(self, piece: int) -> Iterator[int]:
        """Or a sentence."""
        if piece == 1:
            raise BadFile("One cannot be done; give two.")
        yield piece


def test_it_writes_the_same_bytes_and_goes_on(ray: Ray, job: Callable[..., ProtectJob], photos: Path) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    local, far = job("local"), job("far", engine=ray)
    first, second = local.run(SEED), far.run(SEED)
    assert second == first
    assert content(far.out) == content(local.out)
    assert (far.out / "manifest.jsonl").read_bytes() == (local.out / "manifest.jsonl").read_bytes()
    (far.out / "a.png").unlink()
    again = far.run()
    assert (again.written, len(again.skipped)) == (["a.png"], 4)
    assert content(far.out) == content(local.out)


def test_a_mask_too(ray: Ray, photos: Path, tmp_path: Path) -> None:
    said = {}
    for name, engine in (("local", None), ("far", ray)):
        masking = Masking(key(0), tmp_path / name, AlignedAlready(), strength=0.5, choose=largest)
        said[name] = [(d.name, d.digest, d.error) for d in masking.run(pictures_in([photos]), lambda _: None, engine)]
    assert said["local"] == said["far"]
    assert content(tmp_path / "local") == content(tmp_path / "far")


def test_rows_of_features_too(ray: Ray, tmp_path: Path) -> None:
    np.save(tmp_path / "db.npy", np.random.default_rng(0).normal(size=(11, 3, 4, 2)).astype(np.float32))
    source, found = open_database(tmp_path / "db.npy"), {}
    for name, engine in (("local", Here()), ("far", ray)):
        noise = GaussianNoise(0.3, seed=5)
        job = FeatureJob(source, tmp_path / f"{name}.npy", noise, {"protection": "noise"}, batch=2, engine=engine)
        assert job.run(lambda *_: None) == 11
        found[name] = job.out.read_bytes()
    assert found["far"] == found["local"]


def test_an_actor_that_dies_is_started_anew_and_nothing_is_doubled(ray: Ray, tmp_path: Path) -> None:
    assert sorted(ray.run(Mortal(tmp_path / "grave"), range(6))) == list(range(6))
    assert (tmp_path / "grave").exists()


def test_errors_come_as_they_were(ray: Ray) -> None:
    with pytest.raises(BadFile, match="One cannot be done; give two"):
        list(ray.run(Failing(), [0, 1, 2]))
    with pytest.raises(UsageError, match="A worker needs 99 processors and 0 GPUs, and the cluster has 2 and 0"):
        list(Ray(cpus=99).run(Failing(), [0]))
    assert list(ray.run(Failing(), [])) == []


def test_a_parquet_file_cannot_make_ray_unpickle(ray: Ray, tmp_path: Path) -> None:
    """Ray's own column types build themselves from pickles in a file's schema, wherever Ray Data was imported."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    from ray.data.extensions import ArrowPythonObjectArray

    from bauta.job.listing import photos_in

    objects = ArrowPythonObjectArray.from_objects(np.array([b"x"], dtype=object))
    pq.write_table(pa.table({"name": ["a.png"], "image": [b"x"], "object": objects}), tmp_path / "a.parquet")
    with pytest.raises(BadFile, match="columns of types of its own; write plain bytes and text"):
        photos_in(tmp_path / "a.parquet")
