"""Running the page: an address on this machine alone, a token, and a private folder that is gone at the end."""

from __future__ import annotations

import asyncio
import atexit
import secrets
import signal
import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn

from bauta.errors import UsageError
from bauta.web.app import Page, create_app, kept
from bauta.web.connections import BACKLOG, Patient
from bauta.web.files import Private
from bauta.web.jobs import Jobs
from bauta.web.process import SILENCE, Worker
from bauta.web.reports import Reports
from bauta.web.shelf import Shelf

HOST = "127.0.0.1"
GRACE = 3  # seconds that open answers get at the end
LOOK = 0.1  # the share of a job's patience that looking at one upload gets, since the other uploads wait for it


class Leaving(uvicorn.Server):
    """Ends what is being done before it waits for those who wait for it."""

    def __init__(self, config: uvicorn.Config, page: Page) -> None:
        super().__init__(config)
        self.page = page

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, after the processes have ended."""
        await asyncio.to_thread(self.page.close)
        await super().shutdown(sockets)


class Server:
    """One page, bound to its port from the start. `url` is for its user alone: it holds the token.

    port: 0 for a free one. reports: a folder whose reports can be read, or None. recognizers: folders of trainings.
    device: as the command line takes it. patience: for how many seconds a job may tell nothing of itself. `code`: what
    the process should end with. Raises `UsageError`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        reports: Path | None = None,
        recognizers: Sequence[str] = (),
        device: str = "auto",
        patience: float = SILENCE,
    ) -> None:
        found = Reports(reports)
        self.socket = listening(port)
        self.port = int(self.socket.getsockname()[1])
        self.token = secrets.token_urlsafe(32)
        self.code = 0
        self.private = Private()
        atexit.register(self.private.wipe)
        shelf = Shelf(self.private.folder / "shelf")
        jobs = Jobs(self.private.folder / "jobs", Worker(patience), partial(kept, shelf))
        self.page = Page(self.token, self.port, shelf, jobs, Worker(LOOK * patience), found, list(recognizers), device)
        config = uvicorn.Config(
            create_app(self.page),
            http=Patient,
            backlog=BACKLOG,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # there is none, and nobody may speak for one
            timeout_graceful_shutdown=GRACE,
        )
        self.server = Leaving(config, self.page)
        self.page.leaving = lambda: self.server.should_exit

    @property
    def url(self) -> str:
        """The address with the token, in the fragment, which no browser sends anywhere."""
        return f"http://{HOST}:{self.port}/#token={self.token}"

    def run(self) -> None:
        """Serve until a signal or `stop`; then nothing is left. Raises `KeyboardInterrupt` after Ctrl-C."""
        try:
            self.server.run(sockets=[self.socket])
        finally:
            self.close()

    def stop(self) -> None:
        """Let `run` come to its end."""
        self.server.should_exit = True

    def close(self) -> None:
        """End the processes, wipe the private folder and give the port back. May be called again."""
        self.page.close()
        self.socket.close()
        self.private.wipe()
        atexit.unregister(self.private.wipe)


def listening(port: int) -> socket.socket:
    """A socket on this machine alone. Raises `UsageError`."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
    except (OSError, OverflowError) as error:
        made.close()
        raise UsageError(f"Port {port} cannot be had ({error}); leave --port out for a free one.") from error
    return made


def end_well(server: Server) -> None:
    """Have a closed terminal and `kill` end a server as Ctrl-C does, wiped. For the main thread."""

    def leave(number: int, frame: FrameType | None) -> None:
        server.code = 128 + number
        server.stop()

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), leave)
