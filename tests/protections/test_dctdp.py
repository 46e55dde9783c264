"""DCTDP: the noise against scipy's Laplace, the budget against its sum, and the gradient against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from scipy import stats
from torch import Tensor

from bauta.errors import ShapeError, UsageError
from bauta.ops.dct import block_dct
from bauta.ops.quantize import to_8bit
from bauta.protections.features.dctdp import DCTDP
from bauta.recognizers import Recognizer
from bauta.recognizers.frequency import BlockDCT
from bauta.types import Faces, Source

SIDE = 12
NETWORK = Recognizer({"dct": BlockDCT(), "server": torch.nn.Conv2d(192, 8, SIDE)}, cut=1)
PUBLIC = Faces(to_8bit(tiny.pictures(24, seed=5, side=SIDE)))
FACES = tiny.faces(4, side=SIDE)
X = block_dct(FACES.images)
NOT_DC = [k for k in range(192) if k % 64]


def fitted(epsilon: float = 0.5, **options: float) -> DCTDP:
    return DCTDP(epsilon, **options).fit(PUBLIC, NETWORK)  # type: ignore[arg-type]


def clipped(scheme: DCTDP, x: Tensor) -> Tensor:
    return x[:, NOT_DC].clamp(scheme.low_, scheme.high_)


def test_the_sensitivity_is_the_public_range_of_each_coefficient() -> None:
    scheme = fitted(floor=1e-9)
    seen = block_dct(PUBLIC.images)[:, NOT_DC].numpy()
    np.testing.assert_allclose(scheme.low_.numpy(), seen.min(0), atol=1e-3)
    np.testing.assert_allclose(scheme.high_.numpy(), seen.max(0), atol=1e-3)
    assert scheme.channels == 189


def test_coefficients_that_never_moved_get_the_noise_of_a_moved_pixel() -> None:
    gray = Faces(PUBLIC.images.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    scheme = DCTDP(0.5, floor=2.0).fit(gray, NETWORK)
    expected = np.zeros((63, SIDE, SIDE))
    black = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.float64)
    for y in range(SIDE):
        for x in range(SIDE):
            image = black.clone()
            image[..., y, x] = 2 / 255
            expected = np.maximum(expected, (block_dct(image) - block_dct(black))[0, 1:64].abs().numpy())
    assert expected.min() > 0
    for plane in (1, 2):
        found = scheme.scale()[63 * plane : 63 * plane + 63].detach().numpy()
        np.testing.assert_allclose(found, expected / 0.5, rtol=0.02)  # and what rounding moved of Cb and Cr
    assert (scheme.scale()[:63].detach().numpy() > 2 * expected).mean() > 0.5, "most of Y moved more than that"


def test_the_noise_of_each_coefficient_is_laplace_of_the_stated_scale() -> None:
    """Per coefficient over 600 draws of one picture: the mean absolute deviation is the scale of a Laplace."""
    scheme = fitted(2.0)
    with torch.no_grad():
        scheme.rho_.copy_(torch.randn(scheme.rho_.shape, generator=torch.Generator().manual_seed(0)))
        noise = (scheme.draws(X[:1], FACES[:1], 600) - clipped(scheme, X[:1])).double()
        scale = (scheme.high_ - scheme.low_).double() / scheme.budgets().double()
    measured = noise.abs().mean(0) / scale
    # |Laplace| is exponential: its mean over 600 has a deviation of 1 / sqrt(600); 27,216 of them stay within 5.5
    assert (measured - 1).abs().max() < 5.5 / 600**0.5
    assert abs(float(measured.mean()) - 1) < 1e-3
    unit = (noise / scale).flatten(1).numpy()
    for column in (0, 5000, 20000):
        assert stats.kstest(unit[:, column], stats.laplace.cdf).pvalue > 1e-3
    assert stats.kstest(unit[0], stats.laplace.cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(unit[:4]) - np.eye(4)).max() < 0.05, "each draw is another"


def test_training_moves_the_budget_and_never_its_sum() -> None:
    scheme = fitted(0.5)
    count = 189 * SIDE * SIDE
    assert scheme.total_epsilon == pytest.approx(0.5 * count)
    torch.testing.assert_close(scheme.budgets(), torch.full_like(scheme.rho_, 0.5))
    (group,) = scheme.param_groups()
    assert group["lr"] == 0.1
    optimizer = torch.optim.Adam(group["params"], lr=0.1)  # type: ignore[arg-type]
    before = float(scheme.scale()[:63].detach().mean())
    for _ in range(5):
        optimizer.zero_grad()
        scheme(X, FACES)[:, :63].square().mean().backward()  # a server that wants Y quiet
        optimizer.step()
    assert float(scheme.budgets().detach().double().sum()) == pytest.approx(0.5 * count, rel=1e-6)
    assert float(scheme.scale()[:63].detach().mean()) < 0.8 * before
    assert scheme.budgets()[:63].mean() > 0.5 > scheme.budgets()[63:].mean()
    assert scheme.locs_.abs().max() > 0


def test_the_gradient_of_the_spread_is_that_of_finite_differences() -> None:
    scheme = fitted(0.5).double()
    weights = torch.randn(X[:, NOT_DC].shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def loss() -> Tensor:
        return (scheme(X.double(), FACES) * weights).sum()

    loss().backward()
    assert scheme.rho_.grad is not None
    assert scheme.locs_.grad is not None
    torch.testing.assert_close(scheme.locs_.grad, weights.sum(0))
    for place in ((0, 0, 0), (70, 3, 5), (188, 11, 11)):
        values = []
        for step in (1e-3, -1e-3):
            with torch.no_grad():
                scheme.rho_[place] += step
                values.append(loss().item())
                scheme.rho_[place] -= step
        assert float(scheme.rho_.grad[place]) == pytest.approx((values[0] - values[1]) / 2e-3, rel=1e-4, abs=1e-2)


def test_the_draw_is_per_image_and_two_pictures_of_a_person_do_not_share_it() -> None:
    scheme = fitted()
    twice = Faces(FACES.images[[0, 0]], torch.tensor([1, 1]), source=[Source("a", "a" * 64), Source("b", "b" * 64)])
    with torch.no_grad():
        noise = scheme(X[[0, 0]], twice) - clipped(scheme, X[[0, 0]])
        assert abs(float(torch.corrcoef((noise / scheme.scale()).flatten(1))[0, 1])) < 0.03
        assert torch.equal(scheme(X[[0, 0]], twice)[1], scheme(X[:1], twice[1:])[0])
        scheme.eval()
        assert torch.equal(scheme(X[:1], twice[1:])[0] - clipped(scheme, X[:1])[0], noise[1]), "in use as in training"


def test_what_it_learned_fits_into_a_file_and_keys_are_apart() -> None:
    scheme = fitted(seed=4)
    with torch.no_grad():
        scheme.rho_.normal_(generator=torch.Generator().manual_seed(3))
        scheme.locs_.normal_(generator=torch.Generator().manual_seed(4))
    again = DCTDP(0.5, seed=4).restored(scheme.learned())
    assert torch.equal(again(X, FACES), scheme(X, FACES))
    assert len(again.param_groups()[0]["params"]) == 2  # type: ignore[arg-type]
    other = scheme.rekeyed(5)
    assert not torch.equal(other(X, FACES), scheme(X, FACES))
    other.fit(PUBLIC, NETWORK)
    assert scheme.rho_.abs().max() > 0, "fitting the one leaves the other"


def test_what_it_refuses() -> None:
    with pytest.raises(UsageError, match="epsilon"):
        DCTDP(0.0)
    with pytest.raises(UsageError, match="floor"):
        DCTDP(floor=0.0)
    with pytest.raises(UsageError, match="call fit"):
        DCTDP()(X)
    with pytest.raises(UsageError, match="call fit"):
        _ = DCTDP().total_epsilon
    assert DCTDP().param_groups() == []
    with pytest.raises(UsageError, match="public faces"):
        DCTDP().fit(None, NETWORK)
    with pytest.raises(ShapeError, match="cut behind its DCT"):
        DCTDP().fit(PUBLIC, NETWORK.at_cut(2))
    with pytest.raises(ShapeError, match="fitted at a cut"):
        fitted()(block_dct(tiny.pictures(1)))
