"""Draws depend on the seed, the digest and the purpose, and on nothing else."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bauta.ops.noise import generators, laplace_by_inverse, normal, uniform

LIKE = torch.zeros(1)
digest = st.text("0123456789abcdef", min_size=1, max_size=8)


def draw(seed: int, name: str, purpose: str) -> tuple[float, ...]:
    return tuple(normal((8,), generators(seed, [name], purpose), LIKE)[0].tolist())


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**128 - 1), st.lists(digest, min_size=1, max_size=5), st.randoms())
def test_order_and_grouping_change_nothing(seed: int, names: list[str], chance: object) -> None:
    together = normal((8,), generators(seed, names, "start"), LIKE)
    for row, name in zip(together, names, strict=True):
        assert tuple(row.tolist()) == draw(seed, name, "start")
    backwards = normal((8,), generators(seed, names[::-1], "start"), LIKE)
    assert torch.equal(backwards.flip(0), together)


@settings(deadline=None, max_examples=40)
@given(st.tuples(st.integers(0, 2**128 - 1), digest, digest), st.tuples(st.integers(0, 2**128 - 1), digest, digest))
def test_another_seed_digest_or_purpose_draws_other_numbers(
    one: tuple[int, str, str], two: tuple[int, str, str]
) -> None:
    assert (draw(*one) == draw(*two)) == (one == two)


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    state = torch.random.get_rng_state()
    first = draw(0, "a", "start")
    assert torch.equal(torch.random.get_rng_state(), state)
    with torch.random.fork_rng():
        torch.rand(3)
        assert draw(0, "a", "start") == first


def test_a_generator_goes_on_where_it_was() -> None:
    draws = generators(0, ["a"], "augment")
    assert not torch.equal(normal((8,), draws, LIKE), normal((8,), draws, LIKE))


def test_the_numbers_have_their_distribution_and_the_type_asked_for() -> None:
    names = [str(i) for i in range(50)]
    gauss = normal((2000,), generators(3, names, "a"), LIKE.double())
    flat = uniform((2000,), generators(3, names, "b"), LIKE)
    assert gauss.dtype == torch.float64
    assert gauss.shape == (50, 2000)
    assert abs(float(gauss.mean())) < 0.02
    assert abs(float(gauss.std()) - 1) < 0.02
    assert 0 <= float(flat.min()) < 0.001
    assert 0.999 < float(flat.max()) < 1
    assert abs(float(flat.mean()) - 0.5) < 0.01


def test_laplace_by_the_inverse_is_laplace_and_always_finite() -> None:
    noise = laplace_by_inverse((400, 500), generators(3, ["a", "b"], "x"), torch.zeros(1))
    assert noise.shape == (2, 400, 500)
    assert noise.isfinite().all()
    for row in noise.flatten(1).numpy():
        assert stats.kstest(row, stats.laplace.cdf).pvalue > 0.001
    assert abs(float(torch.corrcoef(noise.flatten(1))[0, 1])) < 0.01
    assert torch.equal(laplace_by_inverse((400, 500), generators(3, ["b"], "x"), torch.zeros(1))[0], noise[1])
    ends = torch.tensor([0.0, 1 - 2.0**-24]).sub(0.5).add(2.0**-25)
    assert torch.equal(ends, torch.tensor([-0.5 + 2.0**-25, 0.5 - 2.0**-25])), "exact in single precision"
    assert float(-(ends.abs() * -2).log1p().max()) == pytest.approx(24 * math.log(2))
