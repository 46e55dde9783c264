"""Draws that cannot be given a generator, made to depend on a seed all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's global generator starts at `seed`; outside it is as if nothing had been drawn.

    For what draws globally and takes no generator: the initialization of layers, dropout.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
