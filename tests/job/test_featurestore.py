"""Databases of features: read as numpy and safetensors read them, written without touching anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from bauta.errors import BadFile, MissingData, ShapeError, UsageError
from bauta.job.featurestore import Database, create, open_database


def rows(*shape: int, dtype: Any = np.float32) -> NDArray[Any]:
    """Numbers that are all different."""
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def written(path: Path, features: NDArray[Any]) -> Path:
    """A database; the safetensors file has tensors before and after the features."""
    if path.suffix == ".npy":
        np.save(path, features)
    else:
        ids, after = np.arange(len(features)), np.ones(3, np.float64)
        save_file({"features": features, "ids": ids, "wide": after, "z": np.ones(5, np.uint8)}, path, {"made by": "us"})
    return path


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("shape", [(7, 3, 4, 2), (7, 5)])
class TestRows:
    """Both kinds, both types, maps and embeddings."""

    def opened(self, folder: Path, suffix: str, dtype: Any, shape: tuple[int, ...]) -> tuple[Database, NDArray[Any]]:
        features = rows(*shape, dtype=dtype)
        return open_database(written(folder / f"db{suffix}", features)), features

    def test_they_are_read(self, tmp_path: Path, suffix: str, dtype: Any, shape: tuple[int, ...]) -> None:
        database, features = self.opened(tmp_path, suffix, dtype, shape)
        assert (len(database), database.shape, database.dtype) == (7, shape, dtype)
        read = database.read(2, 5)
        assert read.dtype == torch.float32
        assert read.shape == (3, *(shape[1:] if len(shape) == 4 else (5, 1, 1)))
        assert np.array_equal(read.numpy().reshape(3, *shape[1:]), features[2:5].astype(np.float32))

    def test_a_copy_differs_in_the_rows_that_are_written_alone(
        self, tmp_path: Path, suffix: str, dtype: Any, shape: tuple[int, ...]
    ) -> None:
        database, features = self.opened(tmp_path, suffix, dtype, shape)
        copy = database.emptied(tmp_path / f"copy{suffix}")
        assert not copy.read(0, 7).any()
        copy.write(4, database.read(4, 7) * 2)
        expected = np.concatenate([np.zeros_like(features[:4]), features[4:] * dtype(2)])
        if suffix == ".npy":
            assert np.array_equal(np.load(copy.path), expected)
            return
        original, found = load_file(database.path), load_file(copy.path)
        assert list(found) == list(original)
        assert np.array_equal(found["features"], expected)
        assert found["features"].dtype == dtype
        assert all(np.array_equal(found[name], original[name]) for name in ("ids", "wide", "z"))
        with safe_open(copy.path, "np") as file:
            assert file.metadata() == {"made by": "us"}
        for first in range(4, 7):
            copy.write(first, database.read(first, first + 1))
        copy.write(0, database.read(0, 4))
        assert copy.path.read_bytes() == database.path.read_bytes()


def test_a_new_one_is_private_and_what_the_library_reads(tmp_path: Path) -> None:
    identity = torch.tensor([3, 1, 2])
    database = create(tmp_path / "new.safetensors", (3, 2, 2, 1), identity, {"files": '["a", "é"]'})
    assert database.path.stat().st_mode & 0o777 == 0o600
    features = torch.arange(12.0).view(3, 2, 2, 1)
    database.write(1, features[1:])
    database.write(0, features[:1])
    found = load_file(database.path)
    assert np.array_equal(found["features"], features.numpy())
    assert found["identity"].tolist() == [3, 1, 2]
    with safe_open(database.path, "np") as file:
        assert file.metadata() == {"files": '["a", "é"]'}
    assert open_database(database.path) == database


def test_what_a_file_cannot_hold_is_named(tmp_path: Path) -> None:
    database = open_database(written(tmp_path / "db.npy", rows(4, 2, dtype=np.float16)))
    odd = torch.tensor([[1.0, 65504], [float("nan"), 0], [0, float("-inf")], [-70000, 1]])
    assert database.unsound(odd) == [1, 2, 3]


def test_a_key_chooses_among_several(tmp_path: Path) -> None:
    path = tmp_path / "db.safetensors"
    save_file({"one": rows(2, 3), "other": rows(4, 3, 1, 1), "whole": np.ones((2, 3), np.int64)}, path)
    assert open_database(path, "other").shape == (4, 3, 1, 1)
    with pytest.raises(UsageError, match="has several tensors; name one of one, other, whole with --key"):
        open_database(path)
    with pytest.raises(UsageError, match="no tensor called features; name one of one, other, whole"):
        open_database(path, "features")
    with pytest.raises(ShapeError, match="must be F32 or F16, got I64"):
        open_database(path, "whole")
    save_file({"alone": rows(2, 3)}, path)
    assert open_database(path).shape == (2, 3)


def test_it_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    npy, tensors = tmp_path / "db.npy", tmp_path / "db.safetensors"
    with pytest.raises(MissingData, match="is not there"):
        open_database(npy)
    with pytest.raises(UsageError, match=r"a \.npy or \.safetensors file; got"):
        open_database(tmp_path / "db.pt")
    for content in (rows(2, 3, 4), rows(0, 3), np.float32(1)):
        np.save(npy, content)
        with pytest.raises((ShapeError, BadFile)):
            open_database(npy)
    for content in (rows(2, 3, dtype=np.float64), rows(2, 3).astype(">f4")):
        np.save(npy, content)
        with pytest.raises(ShapeError, match="float32 or float16, got"):
            open_database(npy)
    np.save(npy, np.asfortranarray(rows(4, 3)))
    with pytest.raises(BadFile, match="ascontiguousarray"):
        open_database(npy)
    np.save(npy, rows(4, 3))
    with pytest.raises(UsageError, match="without a name"):
        open_database(npy, "features")
    for path in (npy, written(tensors, rows(4, 3))):
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(BadFile, match="no whole"):
            open_database(path)
    for path in (npy, tensors):
        path.write_bytes(b"\xff" * 300)
        with pytest.raises(BadFile, match="no whole"):
            open_database(path)


def test_it_never_unpickles(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    np.save(tmp_path / "db.npy", np.array([Trap()], dtype=object))
    with pytest.raises(BadFile):
        open_database(tmp_path / "db.npy")
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_was_cut_short_meanwhile_is_said(tmp_path: Path) -> None:
    database = open_database(written(tmp_path / "db.npy", rows(4, 3)))
    database.path.write_bytes(database.path.read_bytes()[:-5])
    assert database.read(0, 3).shape == (3, 3, 1, 1)
    with pytest.raises(BadFile, match="ends before row 3"):
        database.read(0, 4)
