"""Quantization against numpy's bins and torch's own quantizer, and what it keeps of real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from bauta.errors import ShapeError, UsageError
from bauta.ops.quantize import to_8bit
from bauta.protections import Quantization
from bauta.types import Faces

NETWORK = tiny.recognizer(cut=2)
PUBLIC, FACES = Faces(to_8bit(tiny.pictures(24, seed=5))), tiny.faces(4)


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_each_coefficient_goes_to_the_level_of_its_bin(bits: int) -> None:
    clean = NETWORK.features(FACES.images)
    fitted = Quantization(bits).fit(PUBLIC, NETWORK)
    out = fitted(clean)
    for channel, (low, high) in enumerate(zip(fitted.low_.tolist(), fitted.high_.tolist(), strict=True)):
        levels = np.linspace(low, high, 2**bits)
        values = clean[:, channel].numpy()
        bins = np.digitize(values, (levels[1:] + levels[:-1]) / 2)
        assert np.allclose(out[:, channel].numpy(), levels[bins], atol=1e-4)
        assert len(np.unique(out[:, channel].numpy())) <= 2**bits, "not one value more"


def test_it_is_what_torch_quantizes_per_channel() -> None:
    """Up to the zero, which torch's quantizer wants on a level: so ranges that have it there."""
    fitted = Quantization(3)
    fitted.low_, fitted.high_ = torch.tensor([-3.0, 0.0]), torch.tensor([0.5, 14.0])
    x = 6 * torch.randn(5, 2, 4, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.fake_quantize_per_channel_affine(
        x, torch.tensor([0.5, 2.0]), torch.tensor([6, 0], dtype=torch.int32), 1, 0, 7
    )
    assert torch.allclose(fitted(x), expected, atol=1e-6)


def test_the_range_leaves_the_tail_outside() -> None:
    features = NETWORK.features(PUBLIC.images).transpose(0, 1).flatten(1).numpy()
    for tail in (0.0, 0.05):
        fitted = Quantization(tail=tail).fit(PUBLIC, NETWORK)
        low, high = np.quantile(features, [tail, 1 - tail], axis=1)
        assert np.allclose(fitted.low_, low, atol=0.01)
        assert np.allclose(fitted.high_, high, atol=0.01)


def test_more_bits_lose_less_and_gradients_pass() -> None:
    clean = NETWORK.features(FACES.images)
    lost = [float((Quantization(b, tail=0).fit(PUBLIC, NETWORK)(clean) - clean).abs().mean()) for b in (1, 2, 4, 8)]
    assert lost == sorted(lost, reverse=True)
    x = clean.clone().requires_grad_(True)
    Quantization().fit(PUBLIC, NETWORK)(x).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones_like(x))


def test_a_channel_that_never_moves_stays_where_it_is() -> None:
    fitted = Quantization()
    fitted.low_, fitted.high_ = torch.zeros(1), torch.zeros(1)
    assert torch.equal(fitted(torch.randn(2, 1, 3, 3)), torch.zeros(2, 1, 3, 3))


def test_its_tensors_make_it_again_and_nonsense_is_refused() -> None:
    clean = NETWORK.features(FACES.images)
    fitted = Quantization(3).fit(PUBLIC, NETWORK)
    assert torch.equal(Quantization(3).restored(fitted.learned())(clean), fitted(clean))
    for bits in (0, 17, 1.5):
        with pytest.raises(UsageError, match=rf"whole number in 1..16; got {bits}"):
            Quantization(bits)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"share in \[0, 0.5\); got 0.5"):
        Quantization(tail=0.5)
    with pytest.raises(UsageError, match="call fit"):
        Quantization()(clean)
    with pytest.raises(ShapeError, match="fit it for the recognizer as it is cut here"):
        fitted(NETWORK.at_cut(1).features(FACES.images))


@pytest.mark.mirror
def test_two_bits_keep_a_real_face(mirror: Path) -> None:
    from bauta.faces import load_dataset
    from bauta.recognizers import load

    faces = load_dataset("lfw", 140)
    public, victims = faces[40:], faces[:40]
    network = load("mobilefacenet-casia").at_cut(12)
    with torch.no_grad():
        clean = network.features(victims.images)
        kept = network.templates(Quantization().fit(public, network)(clean, victims))
        assert float((kept * network.templates(clean)).sum(1).mean()) > 0.9
