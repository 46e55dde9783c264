"""The worker process: reads orders from a pipe, does them, and tells how far it is. JSON both ways, never a pickle,
so that a picture that breaks its decoder reaches this process and no other."""

from __future__ import annotations

import json
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from bauta.errors import BautaError

UNEXPECTED = "Something failed that bauta did not expect; the terminal where bauta serve runs says what."


def main(pipe: Connection) -> None:
    """Work until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which ends this process
    from bauta.web.tasks import TASKS  # before the first order, so that torch is there when it comes

    def tell(kind: str, value: Any) -> None:
        pipe.send_bytes(json.dumps([kind, value]).encode())

    while True:
        try:
            task, asked = json.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        try:
            tell("done", TASKS[task](lambda done, total: tell("progress", [done, total]), **asked))
        except BautaError as error:
            tell("failed", [type(error).__name__, str(error)])
        except (BrokenPipeError, ConnectionResetError):
            return  # nobody hears us any more
        except Exception:  # a job that fails is an answer, and no reason to stop
            traceback.print_exc(file=sys.stderr)
            tell("failed", ["BautaError", UNEXPECTED])
