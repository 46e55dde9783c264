"""UnSplit: inversion without the weights. Picture and network are guessed in turns, from the leak alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Self

import torch
from torch import Tensor, nn

from bauta.attacks.base import Knowledge, Reconstruction, Victim
from bauta.attacks.reconstruction.inversion import answer, check_answer, variation
from bauta.errors import UsageError
from bauta.spec import recipe
from bauta.types import Faces, Images, Stage


class UnSplit(Reconstruction):
    """Data-oblivious inversion (Erdogan, Kupcu and Cicek, WPES 2022): only the client's architecture is known.

    A clone of the client's layers with fresh weights and a picture for each leak, gray at first, are fitted in turns,
    `rounds` times: `steps` steps of the pictures x by ::

        mean (clone(x) - z)^2  +  tv * total variation  +  energy * mean x^2

    then as many of the clone's weights by the first term. All rows of one call share the clone, `batch_size` of them a
    step, so that more leaks tell more about it. Both by Adam (AMSGrad) at `learning_rate`. No public faces are used,
    except for the pictures' size, which is `side` without them.

    The authors take 1,000 rounds of 100 steps, for one picture 200,000 passes through the network: hours of a core. The
    defaults, 50 rounds of 20, are what a table can afford (about 20 s a face at a MobileFaceNet's fifth layer) and an
    attack that gives up early; UnSplit(rounds=1000, steps=100) is the paper's. Raises `UsageError` where
    the architecture does not give rows of the leak's shape.
    """

    default_knowledge = Knowledge(sees=Stage.FEATURES, holds=frozenset({"client architecture"}))

    def __init__(
        self,
        *,
        rounds: int = 50,
        steps: int = 20,
        learning_rate: float = 1e-3,
        tv: float = 0.1,
        energy: float = 1.0,
        side: int = 112,
        batch_size: int = 16,
    ) -> None:
        for option, number in (("rounds", rounds), ("steps", steps), ("side", side), ("batch_size", batch_size)):
            if number < 1:
                raise UsageError(f"UnSplit's {option} must be at least 1; got {number}.")
        self.rounds, self.steps, self.learning_rate = rounds, steps, learning_rate
        self.tv, self.energy, self.side, self.batch_size = tv, energy, side, batch_size
        self.size_: tuple[int, int] | None = None

    __repr__ = recipe

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        """Take the pictures' size; there is nothing to train."""
        if public is None:
            return self
        fitted = copy.copy(self)
        fitted.size_ = (public.images.shape[-2], public.images.shape[-1])
        return fitted

    def __call__(self, leak: Tensor, victim: Victim) -> Images:
        leak = leak.detach()
        height, width = (self.side, self.side) if self.size_ is None else self.size_
        clone: nn.Module = victim.held("client architecture").eval()
        check_answer(clone, leak.new_full((3, height, width), 0.5), leak)
        rows = torch.split(leak, self.batch_size)
        batches = [(z.new_full((len(z), 3, height, width), 0.5).requires_grad_(True), z) for z in rows]
        paint = [self._adam([x]) for x, _ in batches]
        learn = self._adam(clone.parameters())
        with torch.enable_grad():  # of pictures and clone; a caller that needs no gradient may have switched it off
            for _ in range(self.rounds):
                clone.requires_grad_(False)
                for (x, z), adam in zip(batches, paint, strict=True):
                    for _ in range(self.steps):
                        miss = (answer(clone, x, z) - z).square().flatten(1).mean(1)
                        loss = (miss + self.tv * variation(x, 2) + self.energy * x.square().mean((1, 2, 3))).sum()
                        descend(adam, loss)
                        with torch.no_grad():
                            x.clamp_(0, 1)
                clone.requires_grad_(True)
                for _ in range(self.steps):
                    for x, z in batches:
                        descend(learn, (answer(clone, x.detach(), z) - z).square().mean())
        return torch.cat([x.detach() for x, _ in batches])

    def _adam(self, what: Iterable[Tensor]) -> torch.optim.Adam:
        return torch.optim.Adam(what, self.learning_rate, amsgrad=True)


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
