"""Inverting faces into a prior: codes whose pictures are the faces, whole after a stop."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch

from bauta.errors import BadFile, UsageError
from bauta.generators import AutoencoderPrior, Eigenfaces, InvertedSpace
from bauta.job.inverting import Inverting, inverted
from bauta.types import Faces


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> AutoencoderPrior:
    path = tmp_path_factory.mktemp("prior") / "weights.safetensors"
    return AutoencoderPrior(tiny.write_prior(path, latent=4, half=False, seed=2))


def test_the_code_of_a_drawn_face_draws_it_again(prior: AutoencoderPrior, tmp_path: Path) -> None:
    hidden = prior.sample(5, torch.Generator().manual_seed(1))
    faces = Faces(prior.render(hidden))
    how = Inverting(steps=120, batch_size=2)
    told: list[int] = []
    codes = inverted(prior, faces, tmp_path / "codes.safetensors", how, told=told.append)
    assert told == [2, 4, 5]
    before = (prior.render(torch.zeros(5, 4)) - faces.images).abs().mean()
    after = (prior.render(codes) - faces.images).abs().mean()
    assert float(after) < 0.3 * float(before)
    assert not (tmp_path / "codes.safetensors.parts").exists()
    space = InvertedSpace(prior, tmp_path / "codes.safetensors")
    drawn = space.sample(5, torch.Generator().manual_seed(3))
    assert torch.equal(drawn.sort(0).values, codes.sort(0).values)
    with pytest.raises(UsageError, match="exists already"):
        inverted(prior, faces, tmp_path / "codes.safetensors", how)


def test_a_stopped_inversion_goes_on_to_the_same_codes(prior: AutoencoderPrior, tmp_path: Path) -> None:
    faces = Faces(prior.render(prior.sample(5, torch.Generator().manual_seed(4))))
    how = Inverting(steps=3, batch_size=2)
    whole = inverted(prior, faces, tmp_path / "whole.safetensors", how)
    out = tmp_path / "broken.safetensors"

    def stop(done: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inverted(prior, faces, out, how, told=stop)
    assert not out.exists()
    parts = sorted((tmp_path / "broken.safetensors.parts").iterdir())
    assert len(parts) == 2
    stamps = [part.stat().st_mtime_ns for part in parts]
    seen: list[int] = []

    def watch(done: int) -> None:
        seen.append(done)
        if done == 4:
            assert [part.stat().st_mtime_ns for part in parts] == stamps

    assert torch.equal(inverted(prior, faces, out, how, told=watch), whole)
    assert seen == [2, 4, 5]


def test_eigenfaces_are_inverted_in_closed_form(tmp_path: Path) -> None:
    prior = Eigenfaces(components=6).fit(tiny.faces(20, seed=4))
    faces = Faces(tiny.pictures(3, seed=5))
    codes = inverted(prior, faces, tmp_path / "codes.safetensors")
    rows = (faces.images.flatten(1) - prior.mean_).double()
    basis = prior.components_.double() * prior.deviations_.double()[:, None]
    expected = torch.linalg.lstsq(basis.T, rows.T).solution.T
    assert torch.allclose(codes.double(), expected, atol=1e-4)


def test_what_cannot_be_inverted_is_said(prior: AutoencoderPrior, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="112 x 112"):
        inverted(prior, Faces(tiny.pictures(2)), tmp_path / "codes.safetensors")
    faces = Faces(prior.render(torch.zeros(1, 4)))
    how = Inverting(steps=1)

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inverted(prior, faces, tmp_path / "codes.safetensors", how, told=stop)
    (part,) = (tmp_path / "codes.safetensors.parts").iterdir()
    part.write_bytes(part.read_bytes()[:-3])
    with pytest.raises(BadFile, match="delete it"):
        inverted(prior, faces, tmp_path / "codes.safetensors", how)
