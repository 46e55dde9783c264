"""Options that say where the work is done, for the commands that take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bauta.job.engine import Engine

EngineName = Annotated[str, typer.Option("--engine", help="local (this machine) or ray (a cluster).")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes; one with every thread, or on Ray as many as there is room for."),
]
Address = Annotated[str | None, typer.Option("--address", help="The Ray cluster; RAY_ADDRESS, or one of its own.")]
Cpus = Annotated[float, typer.Option("--worker-cpus", min=0.1, help="On Ray: processors, and threads, of a worker.")]
Gpus = Annotated[float, typer.Option("--worker-gpus", min=0, help="On Ray: of a worker; 0.25 lets four share a GPU.")]


def chosen_engine(name: str, workers: int | None, address: str | None, cpus: float, gpus: float) -> Engine:
    """The engine called so. Raises `UsageError`."""
    from bauta.job.asked import engine_called

    return engine_called(name, workers=workers, address=address, cpus=cpus, gpus=gpus)
