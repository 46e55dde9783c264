"""Draws that cannot be given a generator, made to depend on a seed all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Inside, torch's global generator starts at `seed`; outside it is as if nothing had been drawn.

    For what draws globally and takes no generator: the initialization of layers, dropout. device: the one beside the
    CPU that draws, so that no other is woken; every GPU where None is given.
    """
    gpus = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(None if device is None else gpus):
        if device is None:
            torch.manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield
