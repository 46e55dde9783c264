"""Killing a command in the middle, for tests of what goes on after a stop."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from bauta.study.records import read


def killed(command: list[str], rows: Path, more_than: int, *, seconds: float) -> None:
    """Run a command; SIGKILL it as soon as the file has more rows than so many, long before it would end.

    seconds: how long it may take to get there.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as job:
        late = time.monotonic() + seconds
        while job.poll() is None and time.monotonic() < late and len(list(read(rows))) <= more_than:
            time.sleep(0.02)
        assert job.stderr is not None
        assert job.poll() is None, job.stderr.read().decode()
        job.kill()
        assert job.wait() == -signal.SIGKILL
