"""`.mask` files: what is saved comes back, and nothing else is believed."""

from __future__ import annotations

import json
import pickle
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import BadFile, BautaError, MissingData
from bauta.job.maskfile import Made, MaskFile, Measured

MADE = Made("P3Mask(epochs=2)", {"first": "ab" * 32, "second": ""}, 21, 0.75, (Measured(1, 0.1, 0.2, 0.003),))


def tensors() -> dict[str, Tensor]:
    """A mask and a person, as a file has them."""
    draws = torch.Generator().manual_seed(0)
    mask = (torch.rand(3, 112, 112, generator=draws) - 0.5) * 32 / 255
    return {"mask": mask, "person": F.normalize(torch.randn(128, generator=draws), dim=0)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good file."""
    MaskFile(tensors()["mask"], tensors()["person"], MADE).save(tmp_path / "alice.mask")
    return tmp_path / "alice.mask"


def about(path: Path) -> dict[str, Any]:
    """What a file says, read by hand."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    found: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["bauta"])
    return found


def test_what_is_saved_comes_back_and_is_its_owners_alone(path: Path) -> None:
    mask = MaskFile.load(path)
    assert torch.equal(mask.mask, tensors()["mask"])
    assert torch.equal(mask.person, tensors()["person"])
    assert mask.made == Made(MADE.protection, MADE.team, 21, 0.75, [Measured(1, 0.1, 0.2, 0.003)])
    assert mask.made.recognizer == "first"
    assert mask.made.history[0].ssim == pytest.approx(0.994)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["alice.mask"]
    assert "tensor" not in repr(mask)  # nobody's log holds a key


def test_a_key_is_not_written_where_nobody_can(path: Path) -> None:
    with pytest.raises(BautaError, match="cannot be written"):
        MaskFile.load(path).save(path / "below.mask")


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: good[: len(good) // 2],
        lambda good: good[:4],
        lambda good: b"",
        lambda good: good + b"more",
        lambda good: pickle.dumps({"mask": [1]}),
        lambda good: struct.pack("<Q", 1 << 62) + good[8:],
        lambda good: struct.pack("<Q", 1 << 19) + b"[" * (1 << 19) + good,
        lambda good: struct.pack("<Q", 1 << 17) + b"[" * (1 << 17) + good,
        lambda good: b"\0" * (1 << 22),
    ],
    ids=["half", "stub", "empty", "longer", "pickle", "huge header", "long header", "deep header", "large"],
)
def test_what_is_no_mask_file_is_one_sentence_and_costs_no_memory(path: Path, damage: Callable[[bytes], bytes]) -> None:
    path.write_bytes(damage(path.read_bytes()))
    tracemalloc.start()
    with pytest.raises(BadFile, match="is no mask file that can be read") as error:
        MaskFile.load(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
    assert "\n" not in str(error.value)


def test_a_pickle_is_never_run(path: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(BadFile):
        MaskFile.load(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"mask": torch.zeros(3, 56, 56)},
        {"mask": torch.zeros(1, 3, 112, 112)},
        {"mask": torch.zeros(3, 112, 112, dtype=torch.float64)},
        {"mask": torch.zeros(3, 112, 112, dtype=torch.uint8)},
        {"mask": torch.full((3, 112, 112), float("nan"))},
        {"mask": torch.full((3, 112, 112), float("inf"))},
        {"mask": torch.full((3, 112, 112), 1.5)},
        {"person": torch.zeros(128)},
        {"person": torch.ones(0)},
        {"person": torch.ones(2, 2) / 2},
        {"person": torch.ones(10000) / 100},
        {"further": torch.zeros(1)},
    ],
    ids=lambda change: next(f"{k} {tuple(v.shape)} {v.dtype}" for k, v in change.items()),
)
def test_tensors_that_no_mask_has(path: Path, change: dict[str, Tensor]) -> None:
    path.write_bytes(save({**tensors(), **change}, {"bauta": json.dumps(about(path))}))
    with pytest.raises(BadFile):
        MaskFile.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"bauta mask": 2},
        {"bauta mask": None},
        {"protection": 3},
        {"protection": "a\x1b[2Jb"},
        {"team": {}},
        {"team": []},
        {"team": {"first": 3}},
        {"photos": -1},
        {"photos": True},
        {"strength": 2},
        {"strength": "1"},
        {"strength": float("nan")},
        {"history": 3},
        {"history": [{"epoch": 1}]},
        {"history": [{"epoch": 1, "loss": "x", "angle": 0, "dssim": 0}]},
        {"history": [{"epoch": 1, "loss": float("inf"), "angle": 0, "dssim": 0}]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_settings_that_no_mask_has(path: Path, change: dict[str, Any]) -> None:
    path.write_bytes(save(tensors(), {"bauta": json.dumps({**about(path), **change})}))
    with pytest.raises(BadFile) as error:
        MaskFile.load(path)
    assert "\n" not in str(error.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="is not there"):
        MaskFile.load(tmp_path / "nobody.mask")
