"""How the weights are moved: an optimizer and its rate over time, for the server and for what protections train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR, OneCycleLR

from bauta.errors import UsageError
from bauta.spec import recipe
from bauta.train.objective import Minimized

__all__ = ["PLANS", "OneCycle", "Plan", "Stepper", "Steps", "restore", "states"]


class Stepper(NamedTuple):
    """One optimizer, and what moves its rate after each step."""

    optimizer: Optimizer
    schedule: LRScheduler


class Plan:
    """Base: a plan makes the steppers for an objective. `rate`: the server's highest rate."""

    rate: float
    decay: float

    __repr__ = recipe

    def steppers(self, objective: Minimized, epochs: int, steps: int) -> list[Stepper]:
        """One for the network, and one for each protection's parameters that ask for Adam at a rate of their own.

        Weight decay spares batch norms. A group with `lr_scale` moves at that share of the rate. steps: in an epoch.
        """
        foreign = objective.groups()
        theirs = {id(p) for group in foreign for p in group["params"]}  # type: ignore[attr-defined]
        ours = self.split(objective, theirs)
        apart: list[dict[str, Any]] = []
        for group in foreign:
            kind, scale = group.get("optimizer"), group.get("lr_scale", 1.0)
            if kind not in (None, "Adam"):
                raise UsageError(f"A protection's parameters are trained as the server's or by Adam, not by {kind}.")
            one = {"params": group["params"], "lr": group.get("lr", self.rate * float(scale))}  # type: ignore[arg-type]
            (apart if kind else ours).append(one)
        optimizers = [self.optimizer(ours), *([Adam(apart)] if apart else [])]
        return [Stepper(optimizer, self.schedule(optimizer, epochs, steps)) for optimizer in optimizers]

    def split(self, objective: Minimized, theirs: set[int]) -> list[dict[str, Any]]:
        """The network's parameters: those that decay, and those of batch norms."""
        spared = [m for m in objective.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        norms = {id(p) for module in spared for p in module.parameters()}
        found = [p for p in objective.parameters() if p.requires_grad and id(p) not in theirs]
        parts = [[p for p in found if id(p) not in norms], [p for p in found if id(p) in norms]]
        decays = (self.decay, 0.0)
        return [
            {"params": part, "lr": self.rate, "weight_decay": decay}
            for part, decay in zip(parts, decays, strict=True)
            if part
        ]

    def optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        """The network's optimizer."""
        raise NotImplementedError(f"{type(self).__name__} does not say which optimizer it takes.")

    def schedule(self, optimizer: Optimizer, epochs: int, steps: int) -> LRScheduler:
        """What moves each group's rate, beginning from the one that it has."""
        raise NotImplementedError(f"{type(self).__name__} does not say how the rate moves.")


class OneCycle(Plan):
    """AdamW whose rate rises for `rising` of the time and falls to nothing (Smith and Topin, arXiv 1708.07120)."""

    def __init__(self, *, rate: float = 4e-3, decay: float = 1e-4, rising: float = 0.2) -> None:
        self.rate, self.decay, self.rising = rate, decay, rising

    def optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        return AdamW(groups)

    def schedule(self, optimizer: Optimizer, epochs: int, steps: int) -> LRScheduler:
        highest = [group["lr"] for group in optimizer.param_groups]
        total = max(4, epochs * steps)
        return OneCycleLR(optimizer, highest, total_steps=total, pct_start=max(self.rising, 2 / total))


class Steps(Plan):
    """SGD whose rate falls at milestones, counted in epochs: the published recipe of the field."""

    def __init__(
        self,
        *,
        rate: float = 0.1,
        momentum: float = 0.9,
        decay: float = 5e-4,
        milestones: Sequence[int] = (10, 18, 22),
        factor: float = 0.1,
    ) -> None:
        self.rate, self.momentum, self.decay = rate, momentum, decay
        self.milestones, self.factor = tuple(milestones), factor

    def optimizer(self, groups: list[dict[str, Any]]) -> Optimizer:
        return SGD(groups, momentum=self.momentum)

    def schedule(self, optimizer: Optimizer, epochs: int, steps: int) -> LRScheduler:
        return MultiStepLR(optimizer, [epoch * steps for epoch in self.milestones], self.factor)


PLANS = (OneCycle, Steps)


def states(steppers: Sequence[Stepper]) -> list[dict[str, Any]]:
    """All that optimizers and schedules remember, as tensors and plain numbers."""
    return [{"optimizer": o.state_dict(), "schedule": s.state_dict()} for o, s in steppers]


def restore(steppers: Sequence[Stepper], kept: Sequence[Mapping[str, Any]]) -> None:
    """Put back what `states` gave. Raises `UsageError` where it is of other parameters."""
    try:
        for (optimizer, schedule), one in zip(steppers, kept, strict=True):
            optimizer.load_state_dict(one["optimizer"])
            schedule.load_state_dict(one["schedule"])
    except (KeyError, ValueError, TypeError) as error:
        raise UsageError(f"The checkpoint's optimizer is of another training ({error}); begin anew.") from error
