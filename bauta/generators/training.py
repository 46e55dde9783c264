"""A network learns to make pictures out of what leaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.ops.similarity import structural_similarity
from bauta.types import Images

N = TypeVar("N", bound=nn.Module)
Loss = Callable[[Images, Images], Tensor]


class Leaks(Protocol):
    """A row for each picture: a tensor (N, ...), or what makes the rows that are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: Tensor) -> Tensor: ...


def absolute_error(guess: Images, truth: Images) -> Tensor:
    """L1, the mean over everything."""
    return (guess - truth).abs().mean()


def squared_error(guess: Images, truth: Images) -> Tensor:
    """L2, the mean over everything."""
    return (guess - truth).square().mean()


def absolute_and_structural(guess: Images, truth: Images) -> Tensor:
    """L1 plus a tenth of 1 - SSIM: as near in every pixel, and sharper."""
    return absolute_error(guess, truth) + 0.1 * (1 - structural_similarity(guess.clamp(0, 1), truth).mean())


LOSSES: dict[str, Loss] = {"l1": absolute_error, "l2": squared_error, "l1+ssim": absolute_and_structural}


def train(
    network: N,
    leaks: Leaks,
    truth: Images,
    *,
    steps: int,
    batch_size: int = 32,
    rate: float = 2e-3,
    loss: Loss = absolute_error,
    generator: torch.Generator,
    progress: Callable[[int, float], None] | None = None,
) -> N:
    """`network`, trained on pairs (leaks (N, ...), truth (N, 3, H, W)) and frozen.

    AdamW with one cycle of the rate, over batches drawn by `generator`, epoch by epoch. Where the processor multiplies
    bfloat16 in hardware, convolutions do; weights and the loss stay in float32. progress is told the step and its loss.
    """
    if len(leaks) != len(truth) or not len(leaks):
        raise UsageError(
            f"Training needs one picture for every leak, got {len(leaks)} leaks and {len(truth)} pictures."
        )
    kind = truth.device.type
    quick = kind == "cuda" or (kind == "cpu" and torch.cpu._is_amx_tile_supported())
    network = network.to(truth.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=min(0.3, 100 / steps))
    order = torch.empty(0, dtype=torch.long)
    for step in range(1, steps + 1):
        if len(order) < min(batch_size, len(leaks)):
            order = torch.randperm(len(leaks), generator=generator)
        rows, order = order[:batch_size], order[batch_size:]
        optimizer.zero_grad()
        with torch.enable_grad():  # a caller that needs no gradient may have switched it off
            with torch.autocast(kind, torch.bfloat16, enabled=quick):
                guess = network(leaks[rows].float())
            cost = loss(guess, truth[rows])
        cost.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step, float(cost.detach()))
    return network.eval().requires_grad_(False)


def compact(leak: Tensor) -> Tensor:
    """Half precision for leaks that would fill the memory (more than 1.5 GB)."""
    return leak.half() if leak.numel() * 4 > 1.5e9 else leak
