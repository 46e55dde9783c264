"""How far drawn faces lie from real ones, as a set: the kernel distance (KID), in a recognizer's space."""

from __future__ import annotations

import torch
from torch import Tensor

from bauta.errors import ShapeError, check_shape
from bauta.metrics.base import Interval
from bauta.types import Templates

SUBSETS, SIZE = 100, 500


def kernel_distance(
    drawn: Templates, real: Templates, *, subsets: int = SUBSETS, size: int = SIZE, seed: int = 0
) -> Interval:
    """KID (Binkowski et al., Demystifying MMD GANs, ICLR 2018): the squared MMD of the kernel (x.y + 1)^3, unbiased.

    It is 0 on average where both sets follow one law, and may then be negative.

    drawn, real: (N, D) and (M, D) unit rows, at least 2 each; x.y takes the place of Inception's x.y / D, whose
    features have a length of about sqrt(D). The mean over `subsets` of `size` rows of each (all, where there are
    fewer), with the 2.5 and 97.5 percentiles over them as interval: of the choice of rows, not of the training.
    Raises `ShapeError`.
    """
    check_shape(drawn, "N D", "drawn")
    check_shape(real, "N D", "real")
    if min(len(drawn), len(real)) < 2 or drawn.shape[1] != real.shape[1]:
        raise ShapeError(
            f"The kernel distance takes two sets of at least 2 rows of one length, got {tuple(drawn.shape)} and "
            f"{tuple(real.shape)}."
        )
    draw = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(subsets):
        ours, theirs = (rows[torch.randperm(len(rows), generator=draw)[:size]].double() for rows in (drawn, real))
        found.append(squared_mmd(ours, theirs))
    values = torch.tensor(found, dtype=torch.float64)
    low, high = values.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Interval(float(values.mean()), low, high, min(len(drawn), len(real)))


def squared_mmd(ours: Tensor, theirs: Tensor) -> float:
    """The unbiased estimate on all rows: no row is compared with itself."""
    m, n = len(ours), len(theirs)
    own, other, cross = ((a @ b.T + 1) ** 3 for a, b in ((ours, ours), (theirs, theirs), (ours, theirs)))
    within = (own.sum() - own.trace()) / (m * (m - 1)) + (other.sum() - other.trace()) / (n * (n - 1))
    return float(within - 2 * cross.mean())
