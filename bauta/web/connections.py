"""Connections that keep the page waiting: they are let go, so that whoever opens many does not shut out the others.

The token is looked at when a request's head is whole. Before that anybody on this machine may hold a connection, and a
process may have few files open.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from bauta.web.security import with_ours

HEAD = 10.0  # seconds for a request's first lines
BODY = 60.0  # seconds for the rest of it, 25 MB at most, from this same machine
MOST = 400  # connections; below the 1,024 files that a process may usually open, an upload's own included
BACKLOG = 64  # taken in one turn of the loop; those of some turns are open before the first of them is let go


class Patient(H11Protocol):
    """uvicorn's HTTP, with an end to waiting for a request. Beyond `MOST` connections the one that has kept the page
    waiting for longest makes room; those that are being answered stay."""

    def __init__(self, config: Config, *others: Any, **named: Any) -> None:
        super().__init__(config, *others, **named)
        self.waits = ""  # for what: "head", "body", or nothing
        self.since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait("head")
        if len(self.connections) > MOST:
            waiting = [one for one in self.connections if isinstance(one, Patient) and one.waits]
            min(waiting, key=lambda one: one.since).leave()  # at least this one waits

    def data_received(self, data: bytes) -> None:
        """As uvicorn's, and then to see what is still to come."""
        super().data_received(data)
        state = self.conn.their_state
        self._wait("head" if state is h11.IDLE else "body" if state is h11.SEND_BODY else "")

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self._wait("")
        super().connection_lost(exc)

    def leave(self) -> None:
        """Close the connection without a word, which an h11 in the middle of something has none for."""
        self._wait("")
        self.connections.discard(self)
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's for what is no HTTP, with the headers that all our answers have."""
        if self.transport.is_closing():
            return
        body = b'{"error": "That is no HTTP; open the address that bauta serve printed."}'
        own = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
        headers = list(with_ours([(name.encode(), value.encode()) for name, value in own.items()], framed=False))
        events = (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage())
        try:
            sent = [self.conn.send(event) for event in events]
        except h11.LocalProtocolError:  # an answer has begun already
            self.leave()
            return
        self.transport.write(b"".join(part for part in sent if part))
        self.transport.close()

    def _wait(self, what: str) -> None:
        """Begin to wait for something, go on waiting for the same, or stop."""
        if what == self.waits:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.waits, self.since = what, time.monotonic()
        if what:
            self._timer = self.loop.call_later(HEAD if what == "head" else BODY, self.leave)
