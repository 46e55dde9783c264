"""The learning curve as a file: log.csv, one row an epoch, and the same for TensorBoard where that is asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from bauta.errors import MissingPackage
from bauta.zoo.cache import write_whole

__all__ = ["check_tensorboard", "write_curve", "write_tensorboard"]


def write_curve(folder: Path, rows: Sequence[dict[str, float]]) -> None:
    """log.csv, whole. Numbers have all their digits, so that two curves can be compared bit for bit."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    made = io.StringIO()
    table = csv.DictWriter(made, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_whole(folder / "log.csv", made.getvalue().encode())


def check_tensorboard() -> None:
    """Raise `MissingPackage` where TensorBoard's writer is not installed."""
    if find_spec("tensorboard") is None:
        raise MissingPackage("TensorBoard is not installed: pip install tensorboard, or leave it out.")


def write_tensorboard(folder: Path, row: dict[str, float]) -> None:
    """One more row in TensorBoard's own format; a run that goes on overwrites what was written after it."""
    from torch.utils.tensorboard import SummaryWriter

    epoch = int(row["epoch"])
    writer = SummaryWriter(folder / "tensorboard", purge_step=epoch)
    for name, value in row.items():
        if name != "epoch":
            writer.add_scalar(name, value, epoch)
    writer.close()
