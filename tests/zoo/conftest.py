"""A home of one's own, and a server on the loopback that can be told to misbehave."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bauta import zoo


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty BAUTA_HOME, and no mirror."""
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    return tmp_path / "home"


@dataclass
class Site:
    """What a server serves, how it misbehaves, and what it was asked."""

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    breaks: int = 0  # how many answers end in the middle of what they promised
    ranges: bool = True
    kind: str = "application/octet-stream"
    chunked: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path and Range header

    def file(self, name: str, content: bytes, sha256: str | None = "") -> zoo.File:
        """Serve `content` and give its record; sha256 is its own unless said otherwise."""
        self.files[f"/{name}"] = content
        wanted = hashlib.sha256(content).hexdigest() if sha256 == "" else sha256
        return zoo.File(name, (f"{self.address}/{name}",), wanted)


@pytest.fixture
def site() -> Iterator[Site]:
    """A server with ranges and ETags."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            told.asked.append((self.path, asked))
            content = told.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            etag = f'"{hashlib.md5(content).hexdigest()}"'
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and told.ranges else 0
            if start and self.headers.get("If-Range", etag) != etag:
                start = 0
            if start >= len(content) > 0:
                self.send_error(416)
                return
            body = content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("ETag", etag)
            self.send_header("Content-Type", told.kind)
            self.send_header("Connection", "close")
            self.close_connection = True
            if told.chunked:
                self.send_header("Transfer-Encoding", "chunked")
                body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if told.breaks:
                told.breaks -= 1
                body = body[: len(body) // 2]
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
