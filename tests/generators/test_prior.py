"""Face priors: Eigenfaces against scikit-learn's PCA, what every prior keeps, and spaces of inverted faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from sklearn.decomposition import PCA
from torch import Generator, Tensor, nn

from bauta.errors import BadFile, MissingData, ShapeError, UsageError
from bauta.generators import PRIORS, Eigenfaces, InvertedSpace
from bauta.generators.prior import stretched, truncated
from bauta.spec import parse
from bauta.types import Faces


def alike(number: int = 40) -> Faces:
    """Pictures that differ much in a few ways and less in others, as faces do."""
    ways = tiny.pictures(12, seed=4) - 0.5
    much = torch.randn(number, 12, generator=Generator().manual_seed(5)) * 0.7 ** torch.arange(12)
    return Faces((0.5 + 0.3 * torch.einsum("nk,kchw->nchw", much, ways)).clamp(0, 1))


FACES = alike()


@pytest.fixture(scope="module")
def prior() -> Eigenfaces:
    return Eigenfaces(components=8).fit(FACES)


def test_eigenfaces_are_sklearns_principal_components(prior: Eigenfaces) -> None:
    rows = FACES.images.flatten(1).double().numpy()
    pca = PCA(8, whiten=True, svd_solver="full").fit(rows)
    assert np.allclose(prior.mean_.numpy(), pca.mean_, atol=1e-5)
    assert np.allclose(prior.deviations_.square().numpy(), pca.explained_variance_, rtol=1e-3)
    overlap = np.abs(prior.components_.numpy() @ pca.components_.T)
    assert np.allclose(overlap, np.eye(8), atol=1e-2), "the same axes in the same order, whatever their signs"
    codes = prior.encode(FACES.images)
    assert np.allclose(np.abs(codes.numpy()), np.abs(pca.transform(rows)), atol=0.05)
    assert torch.allclose(codes.var(0), torch.ones(8), atol=1e-3)
    again = pca.inverse_transform(pca.transform(rows)).clip(0, 1)
    assert np.allclose(prior.render(codes).flatten(1).numpy(), again, atol=5e-3)


def test_draws_have_the_faces_statistics(prior: Eigenfaces) -> None:
    drawn = prior.sample(4000, Generator().manual_seed(0))
    assert torch.allclose(drawn.mean(0), torch.zeros(8), atol=0.06)
    assert torch.allclose(drawn.std(0), torch.ones(8), atol=0.06)
    codes = prior.encode(prior.synthesize(drawn[:5]))
    assert torch.allclose(codes, drawn[:5], atol=1e-3), "encode undoes what synthesize does"


def test_pictures_are_in_range_and_do_not_depend_on_their_batch(prior: Eigenfaces) -> None:
    latents = 5 * prior.sample(6, Generator().manual_seed(1))
    pictures = prior.render(latents)
    assert pictures.shape == (6, 3, tiny.SIDE, tiny.SIDE)
    assert (float(pictures.min()), float(pictures.max())) == (0, 1)
    assert torch.allclose(prior.render(latents[3:4])[0], pictures[3], atol=1e-6)


def test_the_same_seed_draws_the_same_and_leaves_the_world_alone(prior: Eigenfaces) -> None:
    state = torch.random.get_rng_state()
    fitted = Eigenfaces(components=8).fit(FACES)
    draws = [fitted.sample(3, Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(draws[0], draws[1])
    assert torch.equal(fitted.components_, prior.components_)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_what_was_learned_passes_through_a_file(prior: Eigenfaces, tmp_path: Path) -> None:
    save_file(prior.learned(), tmp_path / "prior.safetensors")
    raw = parse(repr(prior), PRIORS)
    assert isinstance(raw, Eigenfaces)
    assert not raw.ready
    again = raw.restored(load_file(tmp_path / "prior.safetensors"))
    assert again.ready
    assert not raw.ready
    latents = prior.sample(2, Generator().manual_seed(0))
    assert torch.equal(again.render(latents), prior.render(latents))
    with pytest.raises(UsageError, match="not those of"):
        raw.restored({"mean_": torch.zeros(3)})


def test_misuse_says_what_to_do(prior: Eigenfaces) -> None:
    with pytest.raises(UsageError, match="not been fitted"):
        Eigenfaces(components=2).render(torch.zeros(1, 2))
    with pytest.raises(UsageError, match="fewer components"):
        Eigenfaces(components=40).fit(FACES)
    with pytest.raises(ShapeError, match="renders latents"):
        prior.render(torch.zeros(1, 9))
    with pytest.raises(ShapeError, match="square"):
        Eigenfaces(components=2).fit(Faces(torch.rand(4, 3, 8, 9)))
    with pytest.raises(UsageError, match="works in z"):
        prior.in_space("w")
    assert prior.in_space("z").components_ is prior.components_


def test_truncation_is_toward_the_given_latent() -> None:
    latents, toward = torch.tensor([[2.0, 4], [0, 0]]), torch.tensor([[0.0, 2], [1, 1]])
    assert truncated(latents, toward, 0.5).tolist() == [[1, 3], [0.5, 0.5]]
    assert torch.equal(truncated(latents, toward, 1), latents)
    assert torch.equal(truncated(latents, toward, 0), toward)


def test_stretching_is_each_pictures_own() -> None:
    pictures = torch.stack([torch.full((3, 2, 2), 0.3), torch.linspace(-2, 4, 12).view(3, 2, 2)])
    found = stretched(pictures)
    assert torch.equal(found[0], torch.full((3, 2, 2), 0.5)), "a picture of one value has no contrast"
    assert torch.allclose(found[1].flatten(), torch.linspace(0, 1, 12))


def codes(path: Path, tensor: Tensor) -> Path:
    (save_file({"codes": tensor}, path) if path.suffix == ".safetensors" else torch.save(tensor, path))
    return path


@pytest.mark.parametrize("name", ["codes.pt", "codes.safetensors"])
def test_an_inverted_space_draws_its_codes(name: str, prior: Eigenfaces, tmp_path: Path) -> None:
    real = prior.encode(FACES.images)
    space = InvertedSpace(prior, codes(tmp_path / name, real))
    drawn = space.sample(40, Generator().manual_seed(0))
    assert sorted(map(tuple, drawn.tolist())) == sorted(map(tuple, real.tolist())), "each once"
    assert torch.equal(space.render(drawn), prior.render(drawn))
    with pytest.raises(UsageError, match="draw fewer"):
        space.sample(41, Generator())
    assert repr(space) == f"InvertedSpace(Eigenfaces(components=8), '{tmp_path / name}')"


def test_an_inverted_space_refuses_other_files(prior: Eigenfaces, tmp_path: Path) -> None:
    with pytest.raises(MissingData):
        InvertedSpace(prior, tmp_path / "nothing.pt")
    with pytest.raises(ShapeError, match="choose the space"):
        InvertedSpace(prior, codes(tmp_path / "wide.pt", torch.zeros(4, 14, 8)))
    with pytest.raises(BadFile, match="not finite"):
        InvertedSpace(prior, codes(tmp_path / "nan.pt", torch.full((4, 8), torch.nan)))
    torch.save(nn.Linear(2, 2), tmp_path / "objects.pt")
    with pytest.raises(BadFile, match="never unpickles objects"):
        InvertedSpace(prior, tmp_path / "objects.pt")
