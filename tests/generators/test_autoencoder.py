"""The decoder that was trained here: its file, its two spaces, its distribution."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from bauta.errors import BadFile, MissingData, UsageError
from bauta.generators.autoencoder import AutoencoderPrior, LatentDecoder, Modulated, written


@pytest.fixture(scope="module")
def latents() -> torch.Tensor:
    draw = torch.Generator().manual_seed(3)
    return torch.randn(400, 6, generator=draw) @ torch.randn(6, 6, generator=draw) + 2


@pytest.fixture(scope="module")
def around() -> torch.Tensor:
    return torch.randn(300, 6, generator=torch.Generator().manual_seed(4)) * torch.arange(1.0, 7.0)


@pytest.fixture(scope="module")
def decoder() -> LatentDecoder:
    torch.manual_seed(1)
    made = LatentDecoder(latent=6, widths=(8, 8, 8, 8)).train()
    made(torch.randn(16, 6))  # running statistics
    return made.eval()


@pytest.fixture
def prior(tmp_path: Path, decoder: LatentDecoder, latents: torch.Tensor, around: torch.Tensor) -> AutoencoderPrior:
    (tmp_path / "weights.safetensors").write_bytes(written(decoder, latents, around, half=False))
    return AutoencoderPrior(tmp_path)


def test_draws_have_the_latents_mean_and_covariance(prior: AutoencoderPrior, latents: torch.Tensor) -> None:
    drawn = prior.in_space("w").sample(200_000, torch.Generator().manual_seed(5))
    assert torch.allclose(drawn.mean(0), latents.mean(0), atol=0.05)
    assert torch.allclose(drawn.T.cov(), latents.T.cov(), rtol=0.03, atol=0.1)
    lengths = prior.factor_.norm(dim=1)
    assert bool((lengths.diff() <= 1e-6).all())  # the longest axis first


def test_one_s_pictures_lie_around_each_other_as_a_person_s_do(prior: AutoencoderPrior, around: torch.Tensor) -> None:
    still = torch.full((100_000, 6), 3.0)
    moved = prior.moved(still, torch.Generator().manual_seed(7), 0.5)
    assert torch.allclose(moved.mean(0), still[0], atol=0.05)
    assert torch.allclose(moved.T.cov(), 0.25 * around.T @ around / len(around), rtol=0.03, atol=0.1)
    assert torch.equal(prior.moved(still, torch.Generator(), 0.0), still)


def test_both_spaces_draw_the_same_pictures(prior: AutoencoderPrior, decoder: LatentDecoder) -> None:
    z = torch.randn(3, 6)
    w = prior.in_space("w").working(z)
    with torch.no_grad():
        assert torch.allclose(prior.render(z), prior.in_space("w").render(w), atol=1e-6)
        assert torch.allclose(prior.render(z), decoder(w), atol=1e-6)
    pictures = prior.render(z)
    assert pictures.shape == (3, 3, 112, 112)
    assert torch.allclose(prior.render(z[:1]), pictures[:1], atol=1e-5)  # no picture depends on its batch


def test_a_block_by_hand() -> None:
    block = Modulated(4, 5, 3).eval()
    x, latent = torch.randn(2, 4, 7, 7), torch.randn(2, 3)
    with torch.no_grad():
        wide = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        y = block.bn(F.conv2d(wide, block.conv.weight, padding=1))
        style = latent @ block.style.weight.T + block.style.bias
        expected = F.leaky_relu(y * (1 + style[:, :5, None, None]) + style[:, 5:, None, None], 0.2)
        assert torch.allclose(block(x, latent), expected, atol=1e-6)


def test_half_the_bytes_cost_little(
    tmp_path: Path, decoder: LatentDecoder, latents: torch.Tensor, around: torch.Tensor
) -> None:
    whole, half = written(decoder, latents, around, half=False), written(decoder, latents, around)
    assert len(half) < 0.6 * len(whole)
    paths = [tmp_path / "whole.safetensors", tmp_path / "half.safetensors"]
    for path, content in zip(paths, (whole, half), strict=True):
        path.write_bytes(content)
    z = torch.randn(4, 6)
    ours, theirs = (AutoencoderPrior(path).render(z) for path in paths)
    assert float((ours - theirs).abs().max()) < 2 / 255


def test_what_is_no_generator_is_refused(
    tmp_path: Path, decoder: LatentDecoder, latents: torch.Tensor, around: torch.Tensor
) -> None:
    with pytest.raises(MissingData, match="train generator"):
        AutoencoderPrior(tmp_path)
    path = tmp_path / "weights.safetensors"
    content = written(decoder, latents, around)
    for damaged in (b"", content[:-100], content.replace(b"mean_", b"maen_")):
        path.write_bytes(damaged)
        with pytest.raises(BadFile, match="no generator"):
            AutoencoderPrior(path)
    path.write_bytes(content)
    with pytest.raises(UsageError, match="z, w"):
        AutoencoderPrior(path, space="w+")
