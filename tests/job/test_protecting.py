"""`bauta.protect`: a folder in one call, the very pictures that the job makes."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from recognizers import published

import bauta
from bauta import zoo
from bauta.errors import MissingData, UsageError
from bauta.faces import read_image, write_image
from bauta.job.asked import protect_job


def test_a_folder_in_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    torch.save(published.filled(published.Xiaoccer((7, 7), 512)).state_dict(), tmp_path / "mine.pth")
    zoo.register("mine", tmp_path / "mine.pth", "robfr-mobileface")
    for number, picture in enumerate(tiny.pictures(2, side=112)):
        write_image(tmp_path / "photos" / f"{number}.png", picture)

    how = {"recognizers": "mine", "cut": 2, "steps": 2, "aligned": True, "proof": False, "seed": 3}
    done = bauta.protect(tmp_path / "photos", tmp_path / "out", **how)
    assert (len(done.written), done.failed) == (2, {})
    pictures = sorted((tmp_path / "out").rglob("*.png"))
    originals = torch.stack([read_image(path) for path in sorted((tmp_path / "photos").iterdir())])
    made = torch.stack([read_image(path) for path in pictures])
    assert made.shape == originals.shape
    assert not torch.equal(made, originals)

    job = protect_job(
        tmp_path / "photos", tmp_path / "job", tmp_path / "kept", ["mine"], cut=2, steps=2, aligned=True, prove=False
    )
    assert len(job.run(3).written) == 2
    assert [path.read_bytes() for path in sorted((tmp_path / "job").rglob("*.png"))] == [
        path.read_bytes() for path in pictures
    ]

    assert len(bauta.protect(tmp_path / "photos", tmp_path / "out", **how).skipped) == 2
    with pytest.raises(UsageError):
        bauta.protect(tmp_path / "photos", tmp_path / "other", recognizers="nobody")
    with pytest.raises(MissingData):
        bauta.protect(tmp_path / "home", tmp_path / "other", **how)
