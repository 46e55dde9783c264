"""Where the work of a job is done: in this process, in several of this machine, or on a Ray cluster.

A job is cut into pieces that do not depend on each other, and an engine gives each to a worker: a callable that holds
the networks and answers with results, which a process has one of. A worker may be given a piece twice, after a process
or a machine died, so what it writes has names of its own and appears whole; a result comes once.

The last bits of a sum depend on how many threads compute it, so two engines give the same bytes where their workers
have the same number of threads and a processor of the same kind.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Any, Protocol, TypeVar

import cv2
import torch

from bauta.errors import BautaError
from bauta.memory import BETWEEN_BATCHES, keep_freed_memory

P = TypeVar("P")
R = TypeVar("R")
Worker = Callable[[P], Iterator[R]]
AHEAD = 2  # pieces that wait for each worker, so that none idles and none piles up


class Engine(Protocol):
    """Gives pieces to workers."""

    def run(self, worker: Callable[[P], Iterator[R]], pieces: Sequence[P]) -> Iterator[R]:
        """The results of all pieces, as they come, in no promised order. What a worker raises is raised here.

        Raises `BautaError` where workers die again and again.
        """
        ...


@dataclass(frozen=True)
class Here:
    """This process: one piece after the other, each on as many threads as torch has."""

    def run(self, worker: Callable[[P], Iterator[R]], pieces: Sequence[P]) -> Iterator[R]:
        """The results, in order, as soon as they are there."""
        for piece in pieces:
            yield from worker(piece)


@dataclass(frozen=True)
class Processes:
    """workers: how many processes of this machine. threads: of each; the processors of this process, shared out."""

    workers: int
    threads: int = 0

    def run(self, worker: Callable[[P], Iterator[R]], pieces: Sequence[P]) -> Iterator[R]:
        """The results of a piece come together when it is over. Whoever takes no more ends what is being done."""
        threads = self.threads or max(1, processors() // self.workers)
        pool = ProcessPoolExecutor(
            min(self.workers, max(1, len(pieces))), get_context("spawn"), begin, (worker, threads)
        )
        todo, over = iter(pieces), False
        try:
            waiting = {pool.submit(work, piece) for piece in islice(todo, AHEAD * self.workers)}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= {pool.submit(work, piece) for piece in islice(todo, len(done))}
                yield from _results(done)
            over = True
        except BrokenProcessPool as error:
            raise BautaError(
                "A worker process died, as when memory runs out; take fewer --workers, and run it again to go on."
            ) from error
        finally:
            if not over:  # a piece may take an hour, and Ctrl-C is no time to wait for it
                for process in list((pool._processes or {}).values()):
                    process.terminate()
            pool.shutdown(cancel_futures=True)


def _results(done: set[Future[list[Any]]]) -> Iterator[Any]:
    for future in done:
        yield from future.result()


_worker: Callable[[Any], Iterator[Any]]  # of a process that `Processes` started


def begin(worker: Callable[[Any], Iterator[Any]], threads: int) -> None:
    """What a worker process does first: it takes its worker, no more threads than it was given, and keeps the memory
    that one batch frees for the next.

    Ctrl-C is the parent's to answer, and who has no parent any more ends.
    """
    global _worker
    _worker = worker
    limit_threads(threads)
    keep_freed_memory(BETWEEN_BATCHES)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=follow_parent, daemon=True).start()


def follow_parent() -> None:
    """End this process with its parent, which may be killed without a word."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work(piece: Any) -> list[Any]:
    """What it does with a piece."""
    return list(_worker(piece))


def limit_threads(threads: int) -> None:
    """Let torch and OpenCV use so many threads in this process: those of all workers together fill the machine once."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
