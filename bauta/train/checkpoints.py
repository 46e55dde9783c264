"""What an interrupted training goes on from: a folder a checkpoint, whole or not there.

weights.safetensors holds all weights and running statistics; state.pt the optimizers, the schedules and how far the
training was. No state of a random generator is among them: every draw follows from the seed, the epoch and the step.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from bauta.errors import BadCheckpoint, UsageError

__all__ = ["Position", "latest", "load", "save"]

Row = dict[str, float]


@dataclass
class Position:
    """How far a training is: `step` steps into `epoch`, both from 0. sums, weight: of the losses in this epoch.
    seconds: spent in this epoch. rows: the learning curve so far."""

    epoch: int = 0
    step: int = 0
    sums: Row = field(default_factory=dict)
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)


def latest(folder: Path) -> Path | None:
    """The last whole checkpoint in a folder."""
    return max(folder.glob("checkpoint-*-*"), default=None)


def save(folder: Path, objective: nn.Module, steppers: list[dict[str, Any]], position: Position) -> None:
    """Write a checkpoint and drop the older ones. Raises `UsageError` where the folder cannot be written."""
    path = folder / f"checkpoint-{position.epoch:05}-{position.step:08}"
    part = folder / f".{path.name}.part"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        weights = {k: v.detach().cpu().contiguous() for k, v in objective.state_dict().items()}
        save_file(weights, part / "weights.safetensors")
        torch.save({"steppers": steppers, "position": asdict(position)}, part / "state.pt")
        shutil.rmtree(path, ignore_errors=True)
        os.replace(part, path)
    except OSError as error:
        raise UsageError(f"The checkpoint could not be written to {path} ({error}); make room and --resume.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for older in folder.glob("checkpoint-*-*"):
        if older < path:
            shutil.rmtree(older, ignore_errors=True)


def load(path: Path, objective: nn.Module) -> tuple[list[dict[str, Any]], Position]:
    """Put a checkpoint's weights into the objective; the states of optimizers and schedules, and the position.

    Raises `BadCheckpoint`.
    """
    try:
        objective.load_state_dict(load_file(path / "weights.safetensors"))
        state = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
        return list(state["steppers"]), Position(**state["position"])
    except Exception as error:  # a file that is damaged can raise anything
        first = str(error).partition("\n")[0] or type(error).__name__
        raise BadCheckpoint(f"{path} cannot be gone on from ({first}); delete it and begin anew.") from error
