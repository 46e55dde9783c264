"""Words into jobs, as a command line and a page say them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bauta.errors import UsageError
from bauta.job import ProtectJob
from bauta.job.asked import chooser, device_called, engine_called, finder, method, place_of_work, threshold_of
from bauta.job.engine import Here, Processes
from bauta.job.maskfile import Made, MaskFile
from bauta.job.portraits import AlignedAlready, every, largest
from bauta.job.rayengine import Ray
from bauta.protections.images.service import JPEG
from bauta.protections.images.transfermask import TransferMask

from .conftest import Sides


def test_only_the_chosen_faces_of_a_photo(photos: Path, job: Callable[..., ProtectJob], tmp_path: Path) -> None:
    """The right face alone is the picture that stands for it where both were asked for, as nothing is drawn; a photo
    without a choice is said."""
    files = sorted(p.relative_to(photos).as_posix() for p in photos.rglob("*.*"))
    plain = {"detector": Sides(), "protection": JPEG(quality=95)}
    everything = job(**plain).run()
    some = job("some", chosen={name: [1] for name in files[:-1]}, **plain).run()
    assert len(everything.written) == 2 * len(files)
    assert list(some.failed) == files[-1:]
    assert "None of the faces" in some.failed[files[-1]]
    assert some.written == [name for name in everything.written[:-2] if name.endswith("_face1.png")]
    for name in some.written:
        right = (tmp_path / "out" / name.replace("_face1", "_face2")).read_bytes()
        assert (tmp_path / "some" / name).read_bytes() == right
        assert (tmp_path / "out" / name).read_bytes() != right


def test_a_device_that_is_not_here() -> None:
    assert device_called("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="--device tpu is not on this machine; there is cpu"):
        device_called("tpu")


def test_engines_by_name() -> None:
    assert engine_called("local") == engine_called("local", workers=1) == Here()
    assert engine_called("local", workers=3) == Processes(3)
    shared = engine_called("ray", workers=4, address="auto", gpus=0.25)
    assert shared == Ray("auto", 4, 1, 0.25)
    cpu = torch.device("cpu")
    assert place_of_work(shared, cpu) == torch.device("cuda")  # where the actor is, not where the command is
    assert place_of_work(Ray(), torch.device("cuda")) == cpu
    assert place_of_work(Here(), cpu) == cpu


def test_methods_and_faces_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path))
    made = method("TransferMask", epochs=3, epsilon=51, budget=0.1, strength=0.5, seed=4)
    assert type(made) is TransferMask
    assert (made.epochs, made.epsilon, made.budget, made.strength, made.seed) == (3, 0.2, 0.1, 0.5, 4)
    with pytest.raises(UsageError, match="--method Magic says nothing; there are TransferMask and P3Mask"):
        method("Magic", epochs=3, epsilon=16, budget=0.1, strength=1, seed=0)
    mask = MaskFile(torch.zeros(1, 3, 112, 112), torch.ones(1), Made("", {"mine": ""}, 2, 1.0))
    assert chooser("largest", mask) is largest
    assert chooser("all", mask) is every
    with pytest.raises(UsageError, match="--face nose says nothing"):
        chooser("nose", mask)
    with pytest.raises(UsageError, match="No recognizer is called 'mine'"):
        chooser("match", mask)
    with pytest.raises(UsageError, match="Nobody recorded a threshold for mine"):
        threshold_of("mine")
    assert isinstance(finder(True), AlignedAlready)
