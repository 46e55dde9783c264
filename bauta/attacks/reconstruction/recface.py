"""RecFace: a network that turns what leaks back into the face (PMT's level 1, after AdvFace)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor

from bauta.attacks.base import Knowledge, Reconstruction, Victim
from bauta.errors import UsageError
from bauta.generators import DECODERS, Decoder
from bauta.generators.training import LOSSES, Leaks, Loss, compact, train
from bauta.ops.seeds import seeded
from bauta.spec import recipe
from bauta.types import Faces, Images, Stage

BATCH = 64
LARGEST = 3e9  # bytes of leaks that are kept


class Observed:
    """What the device makes of the attacker's own faces, made when it is asked for."""

    def __init__(self, public: Faces, victim: Victim) -> None:
        self.public, self.victim = public, victim

    def __len__(self) -> int:
        return len(self.public)

    def __getitem__(self, rows: Tensor) -> Tensor:
        return self.victim.observe(self.public[rows])


def observed(public: Faces, victim: Victim) -> Leaks:
    """The leaks of `public`, kept where they are not too large."""
    parts = []
    for batch in public.batches(BATCH):
        parts.append(victim.observe(batch))
        if parts[0][0].numel() * 4 * len(public) > LARGEST:
            return Observed(public, victim)
    return compact(torch.cat(parts))


class RecFace(Reconstruction):
    """A modified U-Net, trained on (leak, picture) pairs of public faces (Pu et al., IEEE TDSC 2025, section 6.3.1).

    Unaware as the paper has it: the pairs come from the bare device. ``knowing(knows=Knows.SCHEME)`` is the aware one:
    they come from the protected device, with keys of the attacker's own. Features of any cut, or templates.

    steps, batch_size, rate: of the training. width: a factor on the network's channels. loss: "l1" or "l2" as the
    paper, or "l1+ssim", our default: a tenth of the structural dissimilarity added. perceptual: a further term, a
    callable (guess, truth) -> (B,), for example `bauta.metrics.lpips("vgg")` where its weights are, or None. seed: of
    the network's first weights and the order of the pairs.

    On features of 28 x 24 and 4,000 faces, 600 steps take five minutes of two cores. Leaks that would take more than
    3 GB are not kept but made anew in each step.
    """

    default_knowledge = Knowledge(sees=Stage.FEATURES)
    decoder: ClassVar[str] = "unet"

    def __init__(
        self,
        *,
        steps: int = 600,
        batch_size: int = 32,
        rate: float = 3e-3,
        width: float = 1.0,
        loss: str = "l1+ssim",
        perceptual: Callable[[Images, Images], Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        if loss not in LOSSES:
            raise UsageError(f"{type(self).__name__}'s loss must be one of {', '.join(LOSSES)}; got {loss!r}.")
        if steps < 1 or batch_size < 2:
            raise UsageError(
                f"{type(self).__name__} needs at least one step on batches of at least two pictures; "
                f"got steps={steps}, batch_size={batch_size}."
            )
        self.steps, self.batch_size, self.rate, self.width = steps, batch_size, rate, width
        self.loss, self.perceptual, self.seed = loss, perceptual, seed
        self.network_: Decoder | None = None

    __repr__ = recipe

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        """Train on what the victim's device makes of `public`. Raises `UsageError` without public faces."""
        if public is None or len(public) < 2:
            raise UsageError(f"{self!r} learns from public faces; give at least two of people who are not the victims.")
        leaks = observed(public, victim)
        some = leaks[torch.arange(min(len(public), 500 if isinstance(leaks, Tensor) else BATCH))]
        height, width = public.images.shape[-2:]
        with seeded(self.seed):
            network = DECODERS[self.decoder](tuple(some.shape[1:]), (height, width), width=self.width)
        fitted = copy.copy(self)
        fitted.network_ = train(
            network.adapt(some).to(some.device),
            leaks,
            public.images,
            steps=self.steps,
            batch_size=self.batch_size,
            rate=self.rate,
            loss=self._cost(),
            generator=Generator().manual_seed(self.seed),
        )
        return fitted

    def __call__(self, leak: Tensor, victim: Victim) -> Images:
        if self.network_ is None:
            raise UsageError(f"{self!r} has not been trained: call fit(public, victim) first.")
        with torch.no_grad():
            return torch.cat([self.network_(batch).clamp(0, 1) for batch in torch.split(leak, BATCH)])

    def _cost(self) -> Loss:
        if self.perceptual is None:
            return LOSSES[self.loss]
        plain, further = LOSSES[self.loss], self.perceptual
        return lambda guess, truth: plain(guess, truth) + further(guess, truth).mean()
