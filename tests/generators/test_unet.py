"""The U-Net at every entrance, and its training on real pairs."""

from __future__ import annotations

import pytest
import tiny
import torch

from bauta.errors import ShapeError, UsageError
from bauta.generators.base import level
from bauta.generators.training import LOSSES, train
from bauta.generators.unet import CHANNELS, UNet
from bauta.metrics import PSNR, SSIM

SHAPES = [(3, 112, 112), (64, 56, 48), (64, 28, 24), (128, 14, 12), (512, 7, 6), (128, 1, 1), (128,), (5, 30, 30)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_leak_becomes_a_picture(shape: tuple[int, ...]) -> None:
    network = UNet(shape, (112, 112), width=0.25).eval()
    leak = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert network(leak).shape == (2, 3, 112, 112)
        assert UNet(shape, (45, 39), width=0.25).eval()(leak).shape == (2, 3, 45, 39)


def test_a_map_enters_at_the_level_of_its_size() -> None:
    assert [level(height, 112) for height in (112, 56, 28, 14, 7, 1)] == [0, 1, 2, 3, 4, 4]
    assert level(40, 112) == 1
    assert level(1, 112) == len(CHANNELS) - 1


def test_what_was_cropped_is_padded_back_in_place() -> None:
    """Columns 8 to 103 of 112, four to a place of the map: two places come back on each side."""
    network = UNet((1, 28, 24), (112, 112), width=0.25)
    leak = torch.arange(24.0).expand(1, 1, 28, 24)
    placed = network.placed(leak)
    assert placed.shape == (1, 1, 28, 28)
    assert torch.equal(placed[..., 2:26], leak)
    assert (placed[..., :2] == 0).all()
    assert (placed[..., 26:] == 23).all()


def test_channels_are_centered_and_scaled() -> None:
    leak = 5 + 3 * torch.randn(50, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    network = UNet((4, 8, 8), (32, 32), width=0.25).adapt(leak)
    scaled = (leak - network.mean) / network.spread
    assert torch.allclose(scaled.mean((0, 2, 3)), torch.zeros(4), atol=1e-4)
    assert torch.allclose(scaled.transpose(0, 1).flatten(1).std(1), torch.ones(4), atol=1e-4)


def test_another_shape_is_a_sentence() -> None:
    with pytest.raises(ShapeError, match=r"\(B, 4, 8, 8\)"):
        UNet((4, 8, 8), (32, 32))(torch.zeros(1, 4, 7, 8))
    with pytest.raises(ShapeError, match="rows of shape"):
        UNet((4, 8), (32, 32))


@pytest.mark.parametrize("loss", LOSSES)
def test_training_learns_its_pairs_and_repeats_itself(loss: str) -> None:
    truth = tiny.pictures(8, seed=5)
    leaks = torch.nn.functional.avg_pool2d(truth, 2).flip(1)

    def learned() -> torch.Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = UNet((3, 16, 16), (32, 32), width=0.5).adapt(leaks)
        before = PSNR(network.eval()(leaks).clamp(0, 1).detach(), truth).mean()
        generator = torch.Generator().manual_seed(0)
        trained = train(network, leaks, truth, steps=80, batch_size=8, loss=LOSSES[loss], generator=generator)
        with torch.no_grad():
            guess = trained(leaks).clamp(0, 1)
        assert PSNR(guess, truth).mean() > before + 8
        assert SSIM(guess, truth).mean() > 0.8
        return guess

    state = torch.random.get_rng_state()
    assert torch.equal(learned(), learned())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_pairs_that_do_not_pair_are_refused() -> None:
    network = UNet((3, 16, 16), (32, 32), width=0.25)
    with pytest.raises(UsageError, match="3 leaks and 2 pictures"):
        train(network, torch.zeros(3, 3, 16, 16), torch.zeros(2, 3, 32, 32), steps=1, generator=torch.Generator())


def test_training_switches_gradients_on_for_itself() -> None:
    """A study trains an attack where it needs it, which may be inside a block without gradients."""
    leaks, truth = torch.rand(4, 3, 16, 16), torch.rand(4, 3, 32, 32)
    network = UNet((3, 16, 16), (32, 32), width=0.25)
    before = [p.detach().clone() for p in network.parameters()]
    with torch.no_grad():
        trained = train(network, leaks, truth, steps=2, batch_size=4, generator=torch.Generator().manual_seed(0))
    assert any(not torch.equal(a, b) for a, b in zip(before, trained.parameters(), strict=True))
