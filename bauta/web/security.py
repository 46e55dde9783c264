"""Who may talk to the page: checked on every request, before anything else looks at it.

The page listens on 127.0.0.1, where every site that is open in the browser and every program on the machine can send
requests. A site that makes its own name point here (DNS rebinding) fails at the Host, one that posts from its own
origin at the Origin, and everybody who was not given the printed address at the token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN = "x-bauta-token"  # noqa: S105, the header's name
UPLOADS = ("/api/photos", "/api/masks")
UPLOAD_BYTES = 25 << 20
ASKED_BYTES = 64 << 10
DIGITS = 12  # of a length
FRAMED = "/report/"  # what an iframe navigates to, which can send no header: a path that is known once

COMMON = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), clipboard-read=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
OUR_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "frame-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
OUR_SCRIPT = base64.b64encode(
    hashlib.sha256((resources.files("bauta.report") / "page.js").read_bytes()).digest()
).decode()
REPORT_POLICY = (
    f"default-src 'none'; script-src 'sha256-{OUR_SCRIPT}'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)
"""A report is a file that somebody else may have written: it draws, runs the script that this bauta gives its own
reports (which sorts tables) and no other, and reaches nothing."""


class Refused(Exception):
    """Why a request is not answered, with its status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Guard:
    """Wraps an application: answers only requests of its own page, and puts the security headers on every answer.

    token: what everything under /api needs in the header `TOKEN`. port: where the page listens.
    """

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection. Websockets are refused; there are none."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        framed = scope["path"].startswith(FRAMED)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": list(with_ours(message["headers"], framed))}
            await send(message)

        try:
            self.check(scope["method"], scope["path"], Headers(scope=scope))
        except Refused as refusal:
            await answer(guarded, refusal)
        else:
            await self.app(scope, receive, guarded)

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Raise `Refused` for a request that is not our page's."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            raise Refused(421, "This page answers on 127.0.0.1 alone; open the address that bauta serve printed.")
        self._came_from_here(method, path, headers, f"http://{hosts[0]}")
        self._has_token(path, headers)
        self._fits(path, headers)

    def _came_from_here(self, method: str, path: str, headers: Headers, here: str) -> None:
        origins = headers.getlist("origin")
        if any(origin != here for origin in origins) or len(origins) > 1:
            raise Refused(403, "Another site asked for this; open the address that bauta serve printed.")
        if method not in ("GET", "HEAD") and not origins:
            raise Refused(403, "A request that changes something must say its Origin; send it from the page.")
        sites = {"same-origin"} if path.startswith("/api") else {"same-origin", "none"}
        link = path == "/" and headers.get("sec-fetch-dest") == "document"  # the empty page, opened from anywhere
        if not sites.issuperset(headers.getlist("sec-fetch-site")) and not link:
            raise Refused(403, "Another site asked for this; open the address that bauta serve printed.")

    def _has_token(self, path: str, headers: Headers) -> None:
        given = "".join(headers.getlist(TOKEN))
        if path.startswith("/api") and not hmac.compare_digest(given.encode(), self.token.encode()):
            raise Refused(401, "The token is missing or wrong; open the address that bauta serve printed.")

    def _fits(self, path: str, headers: Headers) -> None:
        if "transfer-encoding" in headers:
            raise Refused(411, "A request must say how long it is; send it from the page.")
        most = UPLOAD_BYTES if path in UPLOADS else ASKED_BYTES
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > DIGITS or int(length) > most:
            raise Refused(413, f"That is more than the {most:,} bytes that are taken; make it smaller.")


def with_ours(headers: Iterable[tuple[bytes, bytes]], framed: bool) -> Iterable[tuple[bytes, bytes]]:
    """The answer's own headers, and ours over them."""
    ours = {
        **COMMON,
        "content-security-policy": REPORT_POLICY if framed else OUR_POLICY,
        "x-frame-options": "SAMEORIGIN" if framed else "DENY",
    }
    yield from ((name, value) for name, value in headers if name.decode("latin-1").lower() not in ours)
    yield from ((name.encode(), value.encode()) for name, value in ours.items())


async def answer(send: Send, refusal: Refused) -> None:
    """A refusal as JSON."""
    body = json.dumps(said(refusal)).encode()
    kind: Mapping[bytes, bytes] = {b"content-type": b"application/json", b"connection": b"close"}
    headers = [*kind.items(), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def said(error: Exception) -> dict[str, Any]:
    """What the page shows of an error: its sentence."""
    return {"error": str(error)}
