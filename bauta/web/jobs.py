"""The jobs of a page: one at a time in the worker, the others wait; each a folder, wiped with it."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bauta.errors import BautaError, MissingData, UsageError
from bauta.web.process import Stopped, Worker

MOST = 40
MANY = 1_000_000  # more pictures than a job can make
OFTEN = 0.15  # seconds between two looks at how far everything is

State = Literal["waiting", "running", "done", "failed", "canceled"]


@dataclass(eq=False)
class Job:
    """title: what was asked for, in words. asked: the task's arguments beside its folder. names: what the user calls
    the photos. at, of: how far it is. answer: the task's, when it is done. began, ended: seconds since the epoch."""

    identity: str
    task: str
    title: str
    folder: Path = field(repr=False)
    asked: dict[str, Any] = field(repr=False)
    names: list[str]
    state: State = "waiting"
    at: int = 0
    of: int = 0
    error: str = ""
    answer: dict[str, Any] | None = field(default=None, repr=False)
    began: float | None = None
    ended: float | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state not in ("waiting", "running")

    def facts(self) -> dict[str, Any]:
        """What the page shows of it, while it runs and after."""
        shown = ("task", "title", "state", "at", "of", "error")
        seconds = None if self.began is None else (self.ended or time.time()) - self.began
        return {"id": self.identity, **{key: getattr(self, key) for key in shown}, "seconds": seconds}

    def result(self) -> dict[str, Any]:
        """What it made. Raises `UsageError` while it is not done."""
        if self.answer is None:
            raise UsageError("This job has made nothing yet; wait until it is done.")
        return {**self.facts(), "names": self.names, "result": self.answer}

    def picture(self, number: int, which: Literal["file", "before", "after"]) -> Path:
        """A picture that it made, from 1. Raises `MissingData`."""
        ending = "" if which == "file" else f"-{which}"
        path = self.folder / "pictures" / f"{number}{ending}.png"
        if not 0 < number < MANY or not path.is_file():  # a longer number is no name of a file
            raise MissingData("This job has made no such picture; reload the page.")
        return path


class Jobs:
    """A queue before one worker. done: called with each job that is done, before anybody hears of it."""

    def __init__(self, folder: Path, worker: Worker, done: Callable[[Job], None]) -> None:
        self.folder, self.worker, self.done = folder, worker, done
        self.jobs: dict[str, Job] = {}
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._version = 0

    def new(self, task: str, title: str, names: list[str]) -> Job:
        """A job with an empty folder, not yet waiting. Raises `UsageError` where there are too many."""
        if len(self.jobs) >= MOST:
            raise UsageError(f"At most {MOST} jobs lie here at once; take finished ones away first.")
        identity = secrets.token_hex(16)
        folder = self.folder / identity
        for part in ("photos", "faces", "pictures"):
            (folder / part).mkdir(parents=True, mode=0o700)
        return Job(identity, task, title, folder, {}, names)

    def submit(self, job: Job, asked: dict[str, Any]) -> None:
        """Let a job wait for its turn."""
        job.asked = {**asked, "folder": str(job.folder)}
        self.jobs[job.identity] = job
        self._queue.put_nowait(job)
        self._version += 1

    def job(self, identity: str) -> Job:
        """Raises `MissingData`."""
        if identity not in self.jobs:
            raise MissingData("This job is not here any more; reload the page.")
        return self.jobs[identity]

    async def cancel(self, job: Job) -> None:
        """End a job, also in the middle of what it does, and wipe its files."""
        if job.over:
            return
        running, job.state, job.ended = job.state == "running", "canceled", time.time()
        if running:
            await asyncio.to_thread(self.worker.stop)
            self.worker.start()
        shutil.rmtree(job.folder, ignore_errors=True)
        self._version += 1

    async def take(self, job: Job) -> None:
        """Take a job away with all that it made."""
        await self.cancel(job)
        shutil.rmtree(job.folder, ignore_errors=True)
        self.jobs.pop(job.identity, None)
        self._version += 1

    async def work(self) -> None:
        """Do the jobs as they come, for ever."""
        while True:
            job = await self._queue.get()
            if job.state == "waiting":
                await self._do(job)

    async def _do(self, job: Job) -> None:
        job.state, job.began = "running", time.time()
        self._version += 1

        def told(at: int, of: int) -> None:  # in the thread that waits for the worker
            job.at, job.of = at, of
            self._version += 1

        def wanted() -> bool:
            return not job.over

        state: State
        try:
            answer = await asyncio.to_thread(self.worker.run, job.task, job.asked, told, wanted)
            state, job.answer, job.at = "done", answer, job.of
            if wanted():
                self.done(job)
        except Stopped as error:  # also by `cancel`, who has said so already
            state, job.error = "failed", str(error)
        except BautaError as error:
            state, job.error = "failed", str(error)
        if not job.over:
            job.state, job.ended = state, time.time()
        if job.state != "done":
            shutil.rmtree(job.folder, ignore_errors=True)  # also what the process wrote while it was being ended
        self._version += 1

    async def news(self, leaving: Callable[[], bool]) -> AsyncIterator[list[dict[str, Any]] | None]:
        """All jobs at once and after each change, the newest first; None every ten seconds without one."""
        seen, quiet = -1, 0.0
        while not leaving():
            if seen != self._version:
                seen, quiet = self._version, 0.0
                yield [job.facts() for job in reversed(self.jobs.values())]
            elif quiet > 10:
                quiet = 0.0
                yield None
            await asyncio.sleep(OFTEN)
            quiet += OFTEN
