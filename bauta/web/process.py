"""The server's end of a worker process: started when needed, asked one thing at a time, ended when somebody cancels."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from bauta import errors
from bauta.errors import BautaError
from bauta.web.worker import main

PATIENCE = 5.0  # seconds between asking a process to end and ending it
LONGEST = 32 << 20  # bytes of an answer
SILENCE = 1800.0  # seconds; a batch of 32 faces takes a minute, ten where the machine has other work

Told = Callable[[int, int], None]


class Stopped(BautaError):
    """The process was ended before it answered."""


class Worker:
    """A process that does tasks (`bauta.web.tasks`), started anew after it was stopped or died.

    silence: for how many seconds a task may tell nothing of itself; then it hangs, and its process is ended.
    """

    def __init__(self, silence: float = SILENCE) -> None:
        self.silence = silence
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._closed = False
        self._guard = threading.Lock()  # of the two above
        self._turn = threading.Lock()  # one task at a time

    def start(self) -> None:
        """Have a process that loads what it needs. Does nothing where there is one."""
        with self._guard:
            self._started()

    def run(
        self,
        task: str,
        asked: dict[str, Any],
        told: Told = lambda done, total: None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> dict[str, Any]:
        """Have a task done and wait for it. wanted: asked right before it begins, whether it still should.

        Raises `Stopped` where it was stopped or hangs, and the task's own `BautaError`.
        """
        with self._turn:
            with self._guard:
                if not wanted():
                    raise Stopped("It was stopped before it began.")
                pipe = self._started()
            try:
                pipe.send_bytes(json.dumps([task, asked]).encode())
                while True:
                    if not pipe.poll(self.silence):
                        raise self._replaced()
                    kind, value = json.loads(pipe.recv_bytes(LONGEST))
                    if kind == "progress":
                        told(int(value[0]), int(value[1]))
                    elif kind == "done":
                        return dict(value)
                    else:
                        raise _known(*value)
            except (EOFError, OSError, ValueError) as error:
                if isinstance(error, BautaError):  # a UsageError is a ValueError too
                    raise
                self.stop()
                raise Stopped(
                    "The process that did this ended, perhaps for want of memory; try fewer photos."
                ) from error

    def stop(self) -> None:
        """End the process, in the middle of what it does."""
        with self._guard:
            process, self._process, self._pipe = self._process, None, None  # whoever waits at the pipe finds its end
            if process is not None:
                process.terminate()
                process.join(PATIENCE)
                if process.is_alive():
                    process.kill()
                    process.join()

    def _replaced(self) -> Stopped:
        """End a process that hangs, have another ready, and say so."""
        self.stop()
        self.start()
        return Stopped(
            f"It told nothing for {self.silence / 60:.3g} minutes and was ended; try fewer or smaller photos, or give "
            "bauta serve more --patience."
        )

    def close(self) -> None:
        """End the process for good."""
        self._closed = True
        self.stop()

    def _started(self) -> Connection:
        if self._closed:
            raise Stopped("The page is being closed.")
        if self._process is None or self._pipe is None or not self._process.is_alive():
            context = multiprocessing.get_context("spawn")  # a fork would take the server's token and files along
            ours, theirs = context.Pipe()
            process = context.Process(target=main, args=(theirs,), daemon=True, name="bauta-worker")
            process.start()
            theirs.close()
            self._process, self._pipe = process, ours
        return self._pipe


def _known(kind: str, sentence: str) -> BautaError:
    """An error as it was raised in the other process."""
    known = getattr(errors, str(kind), None)
    made = known if isinstance(known, type) and issubclass(known, BautaError) else BautaError
    return made(str(sentence))
