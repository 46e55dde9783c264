"""The loop: steps, epochs, a curve. What is minimized is handed in: a scheme of two stages calls `fit` twice."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bauta.errors import BautaError
from bauta.memory import freed_memory_kept
from bauta.ops.seeds import seeded
from bauta.train import checkpoints, plans
from bauta.train.augment import Augment
from bauta.train.batches import Batch, read, redrawn, step_seed, steps_in
from bauta.train.checkpoints import Position, Row
from bauta.train.examples import Examples
from bauta.train.logs import write_curve, write_tensorboard
from bauta.train.objective import Minimized
from bauta.train.presets import Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Loss", "epoch", "fit"]

Loss = Callable[[Batch], dict[str, Tensor]]
Prepared = Callable[[Batch], Batch]


def epoch(
    fabric: Fabric,
    loss: Loss,
    steppers: Sequence[plans.Stepper],
    batches: Iterable[Batch],
    prepared: Prepared,
    draws: Callable[[int], int],
    position: Position,
    after: Callable[[Position], None] = lambda position: None,
) -> Row:
    """The rest of one epoch, from `position` on; the mean of each loss over all of its steps.

    loss: batch -> {name: loss}, whose sum is minimized. prepared: what happens to a batch on the device before. draws:
    step -> the seed of what is drawn in it. after: is told the position behind each step. Raises `BautaError` where the
    loss is no number any more.
    """
    for batch in batches:
        begun = time.perf_counter()
        for stepper in steppers:
            stepper.optimizer.zero_grad()
        with seeded(draws(position.step), fabric.device):
            batch = prepared(Batch(batch.faces.to(fabric.device), batch.rows))
            losses = loss(batch)
            fabric.backward(sum(losses.values(), torch.zeros((), device=fabric.device)))
        for stepper in steppers:
            stepper.optimizer.step()
            stepper.schedule.step()
        position.step += 1
        for name, value in losses.items():
            number = float(value.detach())
            if not math.isfinite(number):
                raise BautaError(
                    f"The loss {name!r} is {number} at step {position.step} of epoch {position.epoch + 1}; go on from "
                    "the last checkpoint in 32 bits, or begin anew at a lower rate."
                )
            position.sums[name] = position.sums.get(name, 0.0) + number
        position.seconds += time.perf_counter() - begun
        after(position)
    return {name: total / position.step for name, total in position.sums.items()}


def fit(
    fabric: Fabric,
    objective: Minimized,
    examples: Examples,
    recipe: Recipe,
    *,
    seed: int = 0,
    folder: Path | None = None,
    resume: bool = False,
    every: int | None = None,
    workers: int = 0,
    judged: Callable[[], Row] | None = None,
    tensorboard: bool = False,
    told: Callable[[int, int, int, Row], None] | None = None,
) -> list[Row]:
    """Train an objective in place; its learning curve, a row an epoch with the means of its losses, the server's rate,
    the seconds, and what `judged` says after it.

    folder: for log.csv and checkpoints, one after each epoch and after each `every` steps; resume: go on from the last.
    workers: threads that read ahead. told: the epoch, its steps that are done, and of how many, the means so far.
    """
    processes, process = fabric.world_size, fabric.global_rank
    copies = recipe.draws(objective.protections)
    pictures = max(1, recipe.batch_size // copies)
    steps = steps_in(len(examples), pictures, processes)
    steppers = recipe.plan.steppers(objective, recipe.epochs, steps)
    # several times quicker on a CPU, and what tensor cores want
    objective = objective.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module, *optimizers = fabric.setup(objective, *(stepper.optimizer for stepper in steppers))
    running = [plans.Stepper(o, s.schedule) for o, s in zip(optimizers, steppers, strict=True)]
    position = Position()
    last = checkpoints.latest(folder) if folder and resume else None
    if last:
        kept, position = checkpoints.load(last, objective)
        plans.restore(steppers, kept)

    def keep() -> None:
        if folder and fabric.is_global_zero:
            checkpoints.save(folder, objective, plans.states(steppers), position)
        fabric.barrier()

    def after(now: Position) -> None:
        if every and now.step % every == 0 and now.step < steps:
            keep()
        if told:
            told(now.epoch, now.step, steps, {name: total / now.step for name, total in now.sums.items()})

    with freed_memory_kept() if fabric.device.type == "cpu" else nullcontext():
        for number in range(position.epoch, recipe.epochs):
            module.train()
            shares = {"seed": seed, "epoch": number, "first": position.step, "process": process, "processes": processes}
            batches = read(examples, pictures, workers=workers, **shares)
            means = epoch(
                fabric, module, running, batches,
                prepared=lambda batch, n=number: prepared(batch, recipe.augment, seed, n, copies),  # type: ignore[misc]
                draws=lambda step, n=number: step_seed(seed, n, step, process),  # type: ignore[misc]
                position=position, after=after,
            )  # fmt: skip
            row: Row = {"epoch": number + 1, **averaged(fabric, means)}
            row |= {"rate": float(steppers[0].schedule.get_last_lr()[0]), "seconds": round(position.seconds, 1)}
            if judged and fabric.is_global_zero:
                row |= judged()
            position = Position(number + 1, rows=[*position.rows, row])
            keep()
            if folder and fabric.is_global_zero:
                write_curve(folder, position.rows)
                if tensorboard:
                    write_tensorboard(folder, row)
    return position.rows


def prepared(batch: Batch, augment: Augment, seed: int, number: int, copies: int) -> Batch:
    """The batch as it is learned from in this epoch: augmented, in copies with fresh digests."""
    images = augment(batch.faces.images).contiguous(memory_format=torch.channels_last)
    return redrawn(Batch(replace(batch.faces, images=images), batch.rows), seed, number, copies)


def averaged(fabric: Fabric, means: Row) -> Row:
    """The means over all processes."""
    if fabric.world_size == 1:
        return means
    found = fabric.all_reduce(torch.tensor([*means.values()], dtype=torch.float64), reduce_op="mean")
    return dict(zip(means, found.tolist(), strict=True))  # type: ignore[union-attr]
