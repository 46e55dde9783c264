"""Work on a Ray cluster: Ray Data streams the pieces to a pool of actors, each of which holds the networks once.

Ray does what a scheduler does: it bounds what waits for the actors and what lies in the object store, starts actors
anew that died, and gives their pieces to others. Pieces are names of photos and results are names and digests; the
pixels are read and written where the work is done and never pass through the object store.

Ray's own processes speak to each other in pickles: a cluster is trusted as this machine is.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from bauta.errors import BautaError, MissingPackage, UsageError
from bauta.job.engine import limit_threads
from bauta.memory import BETWEEN_BATCHES, keep_freed_memory

P = TypeVar("P")
R = TypeVar("R")

STORE = 1 << 28  # bytes of the object store of a cluster that is started here: names and networks are all that it holds
BLOCKS = 4096  # pieces are handed out in at most so many blocks, each of which is done again as a whole


@dataclass(frozen=True)
class Ray:
    """address: of a running cluster ("auto", "ray://..." or host:port); RAY_ADDRESS where None, else one of this
    machine alone, which ends with the job. workers: actors; as many as the cluster has processors for where None. cpus,
    gpus: of each actor; a fraction of a GPU lets several share one. An actor computes on as many threads as it has
    cpus.
    """

    address: str | None = None
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def run(self, worker: Callable[[P], Iterator[R]], pieces: Sequence[P]) -> Iterator[R]:
        """The results, a piece's together. Raises `MissingPackage`, `UsageError` where no cluster answers."""
        if not pieces:
            return
        with cluster(self.address) as ray:
            quiet(ray)
            # in envelopes, since Ray would make columns of what it knows
            rows = ray.data.from_items(
                [{"piece": Envelope(piece)} for piece in pieces], override_num_blocks=min(len(pieces), BLOCKS)
            )
            shared = ray.put(worker)  # kept here, or an actor that starts anew would not find it
            done = rows.map_batches(  # Ray Data starts actors anew that died, and does their blocks again
                Actor,
                fn_constructor_args=(shared, max(1, int(self.cpus))),
                batch_size=1,
                num_cpus=self.cpus,
                num_gpus=self.gpus,
                compute=ray.data.ActorPoolStrategy(size=self.actors(ray, len(pieces))),
            )
            try:
                for row in done.iter_rows():
                    yield from opened(row["results"])
            except ray.exceptions.RayError as error:
                raise BautaError(
                    f"The Ray cluster gave up ({' '.join(str(error).split())[:500]}); run it again to go on."
                ) from error

    def actors(self, ray: Any, pieces: int) -> int:
        """How many actors there is room and work for. Raises `UsageError` where there is room for none."""
        has = ray.cluster_resources()
        room = int(has.get("CPU", 0) // self.cpus) if self.cpus else pieces
        if self.gpus:
            room = min(room, int(has.get("GPU", 0) // self.gpus))
        if room < 1:
            raise UsageError(
                f"A worker needs {self.cpus:g} processors and {self.gpus:g} GPUs, and the cluster has "
                f"{has.get('CPU', 0):g} and {has.get('GPU', 0):g}; ask for less."
            )
        return min(self.workers or room, pieces)


@dataclass(frozen=True)
class Envelope:
    """Something on its way through Ray. failed: whether it is an error to be raised at the other end."""

    content: Any
    failed: bool = False


class Actor:
    """Holds a worker in a process of the cluster, and answers batches of one piece with one list of results."""

    def __init__(self, worker: Any, threads: int) -> None:
        import ray

        limit_threads(threads)
        keep_freed_memory(BETWEEN_BATCHES)
        self.worker: Callable[[Any], Iterator[Any]] = ray.get(worker)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Envelope]]:
        """One row in, one row out."""
        return {"results": [self.answer(piece.content) for piece in batch["piece"]]}

    def answer(self, piece: Any) -> Envelope:
        """The results of a piece, or the error that another try would meet again."""
        try:
            return Envelope(list(self.worker(piece)))
        except (BautaError, OSError) as error:
            return Envelope(error, failed=True)


def opened(envelope: Envelope) -> Sequence[Any]:
    """What is in it. Raises the error that is in it."""
    if envelope.failed:
        raise envelope.content
    return envelope.content  # type: ignore[no-any-return]


@contextmanager
def cluster(address: str | None) -> Iterator[Any]:
    """Ray, connected; a cluster that is started here ends with it. Raises `MissingPackage`, `UsageError`."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before the import: nobody is told what is computed here
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the coming default; else a warning
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray's own errors come as exceptions too
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingPackage("--engine ray needs Ray: pip install 'bauta[scale]'.") from error
    if ray.is_initialized():  # by whoever calls, who also ends it
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS")
    with nullcontext() if address else private_folder() as folder:
        own = {"object_store_memory": STORE, "include_dashboard": False, "_temp_dir": folder} if folder else {}
        connect(ray, address, own)
        try:
            yield ray
        finally:
            ray.shutdown()


def connect(ray: Any, address: str | None, own: Mapping[str, Any]) -> None:
    """Join the cluster, or start one with the options `own`. Raises `UsageError`."""
    try:
        ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # Ray raises that itself where its processes start too slowly
        ray.shutdown()
        raise UsageError(
            f"No Ray cluster answers at {address or 'this machine'} ({' '.join(str(error).split())[:300]}); start one "
            "with `ray start --head`, or take --engine local."
        ) from error


@contextmanager
def private_folder() -> Iterator[str]:
    """A folder for Ray's logs and sockets that nobody else may read, wiped in the end. Its name is short: the names of
    sockets may have some hundred characters."""
    short = "/tmp" if os.path.isdir("/tmp") else None  # noqa: S108 the folder in it is made with mode 0700
    with tempfile.TemporaryDirectory(prefix="bauta-", dir=short, ignore_cleanup_errors=True) as folder:
        yield folder


def quiet(ray: Any) -> None:
    """No bars and no plans on the terminal: the job says itself how far it is."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
