"""How probes learn: rows smaller, a linear reader at the best of several penalties, a network at its best epoch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NUMBERS = 16_384  # of a face that are kept of a leak: 3 x 56 x 56 of a picture, 64 x 14 x 12 of a shallow feature map

Loss = Callable[[Tensor, Tensor], Tensor]


def pooled(leak: Tensor) -> Tensor:
    """A leak of any shape as (B, C, h, w), averaged over the smallest squares that leave at most `NUMBERS` a face."""
    if leak.ndim != 4:
        return leak.flatten(1)[:, :, None, None]
    channels, height, width = leak.shape[1:]
    side = 1
    while side < min(height, width) and channels * (height // side) * (width // side) > NUMBERS:
        side += 1
    return F.avg_pool2d(leak, side) if side > 1 else leak


class Projection(nn.Module):
    """Rows (N, ...) -> (N, D) principal components, each of unit variance on the rows that it was made from."""

    mean: Tensor
    spread: Tensor
    basis: Tensor

    def __init__(self, rows: Tensor, components: int) -> None:
        super().__init__()
        flat = rows.flatten(1)
        self.register_buffer("mean", flat.mean(0))
        # what hardly varies is noise of rounding; dividing by it would make it count
        spread = flat.std(0)
        self.register_buffer("spread", spread.clamp_min(1e-3 * float(spread.mean()) + 1e-12))
        size = min(components, *flat.shape)
        scaled = (flat - self.mean) / self.spread
        _, lengths, directions = torch.pca_lowrank(scaled, size, center=False, niter=3)
        kept = lengths > 1e-4 * lengths[0]
        self.register_buffer("basis", directions[:, kept] * (len(flat) ** 0.5 / lengths[kept]))

    def forward(self, rows: Tensor) -> Tensor:
        return ((rows.flatten(1) - self.mean) / self.spread) @ self.basis


def linear(rows: Tensor, target: Tensor, outputs: int, loss: Loss, penalty: float) -> nn.Linear:
    """The linear map of the least `loss` plus `penalty` times the squared weights (L-BFGS, from zero)."""
    reader = nn.Linear(rows.shape[1], outputs).double()
    nn.init.zeros_(reader.weight)
    nn.init.zeros_(reader.bias)
    wide = rows.double()
    solver = torch.optim.LBFGS(reader.parameters(), max_iter=200, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        cost = loss(reader(wide), target) + penalty * reader.weight.square().sum()
        cost.backward()  # type: ignore[no-untyped-call]
        return cost

    solver.step(closure)  # type: ignore[no-untyped-call]
    return reader.float().requires_grad_(False)


def best_penalty(
    rows: Tensor,
    target: Tensor,
    held: Tensor,
    held_target: Tensor,
    outputs: int,
    loss: Loss,
    penalties: Sequence[float],
) -> float:
    """The penalty at which `linear`, learned on `rows`, reads the held-out rows best."""
    costs = [float(loss(linear(rows, target, outputs, loss, p)(held), held_target)) for p in penalties]
    return penalties[min(range(len(costs)), key=costs.__getitem__)]


class Beside(nn.Module):
    """The sum of what two networks make of the same rows; the second begins by adding nothing."""

    def __init__(self, first: nn.Module, second: nn.Sequential, last: nn.Linear) -> None:
        super().__init__()
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.first, self.second, self.last = first, second, last

    def forward(self, rows: Tensor) -> Tensor:
        both: Tensor = self.first(rows) + self.last(self.second(rows))
        return both


def train(
    network: nn.Module,
    rows: Tensor,
    target: Tensor,
    held: Tensor,
    held_target: Tensor,
    loss: Loss,
    *,
    epochs: int,
    rate: float,
    decay: float,
    vary: Callable[[Tensor], Tensor] = lambda rows: rows,
) -> nn.Module:
    """The network as it was when it read the held-out rows best: before, or after an epoch (AdamW, one cycle of rates).

    vary: changes a batch in ways that leave its labels true.
    """
    steps = -(-len(rows) // min(64, max(16, len(rows) // 16)))  # few faces: smaller batches, so that steps suffice
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps, pct_start=0.2)
    best, kept = float(loss(read(network, held), held_target)), copy.deepcopy(network.state_dict())
    for _ in range(epochs):
        network.train()
        for chosen in torch.randperm(len(rows)).chunk(steps):
            optimizer.zero_grad()
            loss(network(vary(rows[chosen])), target[chosen]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        cost = float(loss(read(network, held), held_target))
        if cost < best:
            best, kept = cost, copy.deepcopy(network.state_dict())
    network.load_state_dict(kept)
    return network.eval().requires_grad_(False)


def read(network: nn.Module, rows: Tensor) -> Tensor:
    """What a network makes of many rows, in evaluation mode."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(some) for some in torch.split(rows, 256)])
