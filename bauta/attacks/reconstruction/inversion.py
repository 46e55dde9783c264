"""Inversion: the picture whose features are those that leaked, found by descent through the client's layers."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bauta.attacks.base import Knowledge, Reconstruction, Victim
from bauta.errors import UsageError
from bauta.ops.noise import generators, normal
from bauta.protections.images.pmt import RULES
from bauta.recognizers.folding import folded
from bauta.spec import recipe
from bauta.types import Faces, Images, Stage

FLAT = 1e-6  # of a squared pixel difference: below it total variation has no gradient worth following


def noise(mean: Images, draws: Sequence[Generator]) -> Images:
    """N(0.5, 0.25) in [0, 1]."""
    return (0.5 + 0.25 * normal(mean.shape, draws, mean)).clamp(0, 1)


def gray(mean: Images, draws: Sequence[Generator]) -> Images:
    """0.5 everywhere."""
    return torch.full_like(mean, 0.5).expand(len(draws), *mean.shape)


def average(mean: Images, draws: Sequence[Generator]) -> Images:
    """The public faces' mean; gray where there are none."""
    return mean.expand(len(draws), *mean.shape)


STARTS: dict[str, Callable[[Images, Sequence[Generator]], Images]] = {"noise": noise, "gray": gray, "mean": average}


class Inversion(Reconstruction):
    """Feature matching plus total variation: PMT's white-box attacker, who holds the client's layers (Eq. 2 to 4).

    Features at any cut, or templates where the client reaches them, -> pictures in [0, 1]. For each face it minimizes
    ::

        |E(x) - z| / |z|  +  tv * mean over pixels of (dx^2 + dy^2)^(beta / 2)

    where z is the leak, dx and dy are the differences to the next pixels, squared and summed over the channels, and a
    template is compared with E(x) scaled to unit length. By descent: the paper's Eq. 4 climbs, which is a slip.

    steps, step_size: the step in units of [0, 1] falls to nearly nothing along a cosine. rule: "adam", "sign" (the
    paper's) or "normalized", as in PMT.
    starts: one run for each, "noise", "gray" or "mean" (of the public faces; gray without any); the run with the best
    objective counts, face by face. ("mean", "noise", "noise") restarts twice from different noise.
    side: height and width of the pictures, if there are no public faces to tell. seed: of the noise, with the leak.
    batch_size: faces optimized together.

    200 steps take 1.2 s of one core a face at a MobileFaceNet's fifth layer, 2.5 s at its last block. Raises
    `UsageError` where the client's layers do not give what leaked.
    """

    default_knowledge = Knowledge(sees=Stage.FEATURES, holds=frozenset({"client layers"}))

    def __init__(
        self,
        *,
        steps: int = 200,
        step_size: float = 0.05,
        rule: str = "adam",
        tv: float = 5.0,
        beta: float = 1.5,
        starts: Sequence[str] = ("mean",),
        side: int = 112,
        seed: int = 0,
        batch_size: int = 16,
    ) -> None:
        if rule not in RULES:
            raise UsageError(f"Inversion's rule must be one of {', '.join(RULES)}; got {rule!r}.")
        if not starts or isinstance(starts, str) or any(start not in STARTS for start in starts):
            raise UsageError(f"Inversion's starts are a list of {', '.join(STARTS)}, at least one; got {starts!r}.")
        for option, number in (("steps", steps), ("side", side), ("batch_size", batch_size)):
            if number < 1:
                raise UsageError(f"Inversion's {option} must be at least 1; got {number}.")
        self.steps, self.step_size, self.rule, self.tv, self.beta = steps, step_size, rule, tv, beta
        self.starts, self.side, self.seed, self.batch_size = tuple(starts), side, seed, batch_size
        self.mean_: Tensor | None = None

    __repr__ = recipe

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        """Take the public faces' mean and size; there is nothing to train."""
        if public is None:
            return self
        fitted = copy.copy(self)
        fitted.mean_ = public.images.mean(0)
        return fitted

    def __call__(self, leak: Tensor, victim: Victim) -> Images:
        client = folded(victim.held("client layers"))
        mean = leak.new_full((3, self.side, self.side), 0.5) if self.mean_ is None else self.mean_.to(leak)
        check_answer(client, mean, leak)
        digests = [hashlib.sha256(row.detach().cpu().contiguous().numpy().tobytes()).hexdigest() for row in leak]
        parts = []
        with torch.enable_grad():  # of the pictures; a caller that needs no gradient may have switched it off
            for first in range(0, len(leak), self.batch_size):
                rows = slice(first, first + self.batch_size)
                parts.append(self._best(client, leak[rows].detach(), mean, digests[rows]))
        return torch.cat(parts) if parts else mean.expand(0, *mean.shape)

    def _best(self, client: nn.Module, leak: Tensor, mean: Images, digests: Sequence[str]) -> Images:
        best, lowest = leak.new_empty(0), leak.new_empty(0)
        for run, start in enumerate(self.starts):
            pictures = self._descend(client, leak, STARTS[start](mean, generators(self.seed, digests, f"run {run}")))
            with torch.no_grad():
                found = self.objective(client, pictures, leak)
            if run == 0:
                best, lowest = pictures, found
            else:
                better = found < lowest
                best, lowest = torch.where(better[:, None, None, None], pictures, best), lowest.minimum(found)
        return best.contiguous()

    def _descend(self, client: nn.Module, leak: Tensor, picture: Images) -> Images:
        picture = picture.contiguous(memory_format=torch.channels_last)
        memory = torch.zeros(2, *picture.shape).to(picture)
        for step in range(1, self.steps + 1):
            picture = picture.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(self.objective(client, picture, leak).sum(), picture)
            with torch.no_grad():
                rate = self.step_size * (0.505 + 0.495 * math.cos(math.pi * (step - 1) / self.steps))
                picture = (picture - rate * RULES[self.rule](gradient, memory, step)).clamp_(0, 1)
        return picture.detach()

    def objective(self, client: nn.Module, pictures: Images, leak: Tensor) -> Tensor:
        """(B,) what is minimized."""
        # the root has no gradient where nothing is left to match
        apart = ((answer(client, pictures, leak) - leak).flatten(1).square().sum(1) + 1e-12).sqrt()
        scale = leak.flatten(1).norm(dim=1).clamp_min(1e-12)
        total: Tensor = apart / scale + self.tv * variation(pictures, self.beta)
        return total


def answer(client: nn.Module, pictures: Images, leak: Tensor) -> Tensor:
    """What the layers say of the pictures, in the leak's form: features, or unit rows."""
    found: Tensor = client(pictures)
    return F.normalize(found.flatten(1)) if leak.ndim == 2 else found


def check_answer(client: nn.Module, picture: Images, leak: Tensor) -> None:
    """Raise `UsageError` unless the layers turn a picture (3, H, W) into rows of the leak's shape."""
    with torch.no_grad():
        gives = tuple(answer(client, picture[None], leak).shape[1:])
    if gives != tuple(leak.shape[1:]):
        raise UsageError(
            f"The client's layers give rows of {gives} from pictures of {tuple(picture.shape)}, but what leaked has "
            f"rows of {tuple(leak.shape[1:])}; attack the stage at the cut; public faces must have the right size."
        )


def variation(pictures: Images, beta: float) -> Tensor:
    """(B,) total variation of (B, 3, H, W): the mean over pixels of (dx^2 + dy^2)^(beta / 2), colors summed (Eq. 3)."""
    right = F.pad(pictures[..., 1:] - pictures[..., :-1], (0, 1))
    down = F.pad(pictures[..., 1:, :] - pictures[..., :-1, :], (0, 0, 0, 1))
    return ((right.square() + down.square()).sum(1) + FLAT).pow(beta / 2).mean((1, 2))
