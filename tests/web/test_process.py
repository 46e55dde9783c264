"""The server's end of a worker process: what hangs is ended, and another process does what comes next."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bauta.errors import MissingData
from bauta.web.process import Stopped, Worker

ASKED: dict[str, Any] = {"path": "/nowhere/at/all"}


@pytest.fixture
def worker() -> Any:
    """One that has answered once, so that it has loaded what it needs."""
    made = Worker()
    with pytest.raises(MissingData):
        made.run("describe", ASKED)
    yield made
    made.close()


def process_of(worker: Worker) -> int:
    """The number of its process."""
    assert worker._process is not None
    assert worker._process.pid is not None
    return worker._process.pid


def test_a_task_that_hangs_is_ended_and_the_next_is_done(worker: Worker) -> None:
    hung = process_of(worker)
    os.kill(hung, signal.SIGSTOP)  # as one that waits for ever: it does not even hear that it should end
    worker.silence, began = 0.2, time.monotonic()
    with pytest.raises(Stopped, match=r"told nothing for 0\.00333 minutes and was ended; try fewer or smaller photos"):
        worker.run("describe", ASKED)
    assert time.monotonic() - began < 60
    assert not Path(f"/proc/{hung}").exists() or not Path("/proc").exists()
    assert process_of(worker) != hung
    worker.silence = 300
    with pytest.raises(MissingData):
        worker.run("describe", ASKED)


def test_who_waits_is_told_of_a_stop_and_not_of_silence(worker: Worker) -> None:
    os.kill(process_of(worker), signal.SIGSTOP)
    threading.Timer(0.3, worker.stop).start()
    with pytest.raises(Stopped, match="The process that did this ended"):
        worker.run("describe", ASKED)
