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
    """Three masks and a person, as a file has them."""
    draws = torch.Generator().manual_seed(0)
    mask = (torch.rand(3, 112, 112, generator=draws) - 0.5) * 32 / 255
    return {
        "masks": torch.stack([mask, mask.flip(-1), -mask]),
        "person": F.normalize(torch.randn(128, generator=draws), dim=0),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good file."""
    MaskFile(tensors()["masks"], tensors()["person"], MADE).save(tmp_path / "alice.mask")
    return tmp_path / "alice.mask"


def about(path: Path) -> dict[str, Any]:
    """What a file says, read by hand."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    found: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["bauta"])
    return found


def test_what_is_saved_comes_back_and_is_its_owners_alone(path: Path) -> None:
    mask = MaskFile.load(path)
    assert torch.equal(mask.masks, tensors()["masks"])
    assert torch.equal(mask.person, tensors()["person"])
    assert mask.made == Made(MADE.protection, MADE.team, 21, 0.75, [Measured(1, 0.1, 0.2, 0.003)])
    assert mask.made.recognizer == "first"
    assert mask.made.history[0].ssim == pytest.approx(0.994)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["alice.mask"]
    assert "tensor" not in repr(mask)  # nobody's log holds a key


def test_which_mask_a_photo_gets_is_of_its_pixels_and_the_key() -> None:
    """Each about equally often, the same for the same photo, and another draw under another key."""
    draws = torch.Generator().manual_seed(3)
    photos = (torch.rand(90, 3, 20, 30, generator=draws) * 255).round() / 255
    key = MaskFile(tensors()["masks"], tensors()["person"], MADE)
    drawn = [key.drawn(photo) for photo in photos]
    assert drawn == [key.drawn(photo.clone()) for photo in photos]
    assert all(15 < drawn.count(variant) < 45 for variant in (1, 2, 3))
    assert sum(drawn) == len(drawn) + drawn.count(2) + 2 * drawn.count(3)
    other = MaskFile(tensors()["masks"] * 0.5, tensors()["person"], MADE)
    same = sum(a == other.drawn(photo) for a, photo in zip(drawn, photos, strict=True))
    assert 15 < same < 45
    assert MaskFile(tensors()["masks"][:1], tensors()["person"], MADE).drawn(photos[0]) == 1


def test_how_alike_the_masks_of_a_file_are() -> None:
    mask, turned, opposite = tensors()["masks"]
    key = MaskFile(torch.stack([mask, 3 * mask + turned]), tensors()["person"], MADE)
    by_hand = float((mask * key.masks[1]).sum() / (mask.norm() * key.masks[1].norm()))
    assert key.alike == pytest.approx(by_hand, abs=1e-5)
    assert MaskFile(torch.stack([mask, 2 * mask, opposite]), key.person, MADE).alike == pytest.approx(1, abs=1e-5)
    assert MaskFile(mask[None], key.person, MADE).alike == 0


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
        {"masks": torch.zeros(1, 3, 56, 56)},
        {"masks": torch.zeros(3, 112, 112)},
        {"masks": torch.zeros(0, 3, 112, 112)},
        {"masks": torch.zeros(17, 3, 112, 112)},
        {"masks": torch.zeros(1, 3, 112, 112, dtype=torch.float64)},
        {"masks": torch.zeros(1, 3, 112, 112, dtype=torch.uint8)},
        {"masks": torch.full((1, 3, 112, 112), float("nan"))},
        {"masks": torch.full((1, 3, 112, 112), float("inf"))},
        {"masks": torch.full((1, 3, 112, 112), 1.5)},
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
        {"bauta mask": 1},
        {"bauta mask": 3},
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
        {"history": [{"epoch": 1, "loss": 0, "angle": 0, "dssim": 0, "variant": "1"}]},
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
