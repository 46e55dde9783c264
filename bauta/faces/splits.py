"""Parts that share no person: attackers learn on one, victims come from another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch

from bauta.errors import UsageError
from bauta.types import Faces

__all__ = ["split_by_identity"]


def split_by_identity(faces: Faces, fractions: Sequence[float], seed: int) -> list[Faces]:
    """One `Faces` for each of `fractions`, no person in two of them; rows keep their order.

    Fractions are of the people (which need not be fractions of the pictures); what they leave out of 1 is dropped.
    Where identities are unknown, files are split by their digest, so that at least no file is in two parts. The parts
    depend on the seed and on who is there, not on the order. Raises `UsageError`.
    """
    if not fractions or min(fractions) < 0 or sum(fractions) > 1 + 1e-9:
        raise UsageError(f"Fractions must be 0 or more and sum to at most 1, got {tuple(fractions)}.")
    owners: list[Hashable] = list(faces.digests()) if faces.identity is None else faces.identity.tolist()
    everybody = sorted(set(owners), key=lambda owner: (str(type(owner)), owner))
    order = torch.randperm(len(everybody), generator=torch.Generator().manual_seed(seed)).tolist()
    parts, start, covered = [], 0, 0.0
    for fraction in fractions:
        covered += fraction
        end = round(covered * len(everybody))
        chosen = {everybody[i] for i in order[start:end]}
        parts.append(faces[[row for row, owner in enumerate(owners) if owner in chosen]])
        start = end
    return parts
