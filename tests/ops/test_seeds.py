"""Draws inside depend on the seed, the world outside does not notice."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bauta.ops.seeds import seeded


def test_layers_depend_on_the_seed_and_the_world_stays() -> None:
    before = torch.random.get_rng_state()
    made = []
    for seed in (0, 0, 1):
        with seeded(seed):
            made.append(nn.Linear(4, 4).weight.detach().clone())
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_world_stays_when_something_breaks() -> None:
    before = torch.random.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(3):
        _ = torch.rand(1) / (1 // 0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_device_draws_the_same() -> None:
    before = torch.random.get_rng_state()
    with seeded(5):
        expected = torch.rand(3)
    with seeded(5, torch.device("cpu")):
        assert torch.equal(torch.rand(3), expected)
    assert torch.equal(torch.random.get_rng_state(), before)
