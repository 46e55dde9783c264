"""PPFR-FD: what is sent, against a plain loop in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from bauta.errors import ShapeError, UsageError
from bauta.faces import load_dataset
from bauta.ops.dct import block_dct
from bauta.protections.features.ppfrfd import PPFRFD

FACES = tiny.faces(4)
X = block_dct(FACES.images)


def test_it_sends_36_channels_a_plane_shuffled_mixed_shuffled_and_normalized() -> None:
    scheme = PPFRFD(seed=3)
    out = scheme(X, FACES)
    assert out.shape == (4, 108, tiny.SIDE, tiny.SIDE)
    assert scheme.channels == 108
    x = X.double().numpy()
    for channel, (one, other) in enumerate(scheme.pairs().tolist()):
        mean = (x[:, one] + x[:, other]) / 2
        for row in range(4):
            expected = (mean[row] - mean[row].mean()) / mean[row].std()
            np.testing.assert_allclose(out[row, channel].numpy(), expected, atol=2e-3)


def test_the_pairs_are_one_ring_through_all_that_is_kept() -> None:
    scheme = PPFRFD(seed=5)
    following = dict(scheme.pairs().tolist())
    walked = [scheme.kept[0]]
    while following[walked[-1]] != walked[0]:
        walked.append(following[walked[-1]])
    assert sorted(walked) == scheme.kept
    assert len(walked) == 108
    assert walked != sorted(walked)


def test_the_shuffles_are_a_deployments_and_not_a_pictures() -> None:
    scheme = PPFRFD()
    assert torch.equal(scheme(X, FACES), scheme(X))
    assert not torch.equal(scheme.pairs(), scheme.rekeyed(1).pairs())


def test_neither_brightness_nor_scale_of_a_channel_are_told() -> None:
    scheme = PPFRFD()
    moved = 3 * X + 7
    torch.testing.assert_close(scheme(moved), scheme(X), atol=1e-3, rtol=0)


def test_constant_channels_are_zero() -> None:
    """Cb and Cr of a gray picture, mixed with one another."""
    gray = FACES.images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    scheme = PPFRFD()
    out = scheme(block_dct(gray))
    assert out.isfinite().all()
    colorless = (scheme.pairs() >= 64).all(1)
    assert colorless.any()
    assert (out[:, colorless] == 0).all()
    assert (out[:, ~colorless].std((2, 3), correction=0) - 1).abs().max() < 1e-3


def test_what_it_refuses() -> None:
    with pytest.raises(UsageError, match="different numbers"):
        PPFRFD(selected=(3, 3))
    with pytest.raises(UsageError, match="at least one"):
        PPFRFD(selected=())
    with pytest.raises(ShapeError, match="cut behind its DCT"):
        PPFRFD()(X[:, :189])


@pytest.mark.mirror
def test_more_than_94_percent_of_the_energy_is_dropped(mirror: Path) -> None:
    energy = block_dct(load_dataset("celeb12", 96).images).abs().mean((0, 2, 3))
    assert energy[PPFRFD().kept].sum() < 0.06 * energy.sum()
    assert 0.9 < energy[[0, 64, 128]].sum() / energy.sum() < 0.95, "DCTDP's paper says 91.6 % for DC"
    per_frequency = energy.view(3, 64).sum(0)
    ten = set(per_frequency.topk(10).indices.tolist())
    assert len(ten & {0, 1, 2, 3, 8, 9, 10, 16, 17, 24}) >= 9, "PartialFace's dominant channels"
