"""Connections that keep the page waiting are let go, and the others are answered."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from bauta.web import connections
from bauta.web.security import COMMON, OUR_POLICY
from bauta.web.server import Server

from .conftest import headers_of


def connected(server: Server, said: bytes) -> socket.socket:
    """A connection on which something was said."""
    made = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    made.sendall(said)
    return made


def closed(one: socket.socket) -> bool:
    """Whether the other side lets go of it, whatever it says before."""
    try:
        while one.recv(1 << 16):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def lines(server: Server, first: str, **more: str) -> bytes:
    """The head of a request of the page's own."""
    headers = {"Host": f"127.0.0.1:{server.port}", **headers_of(server), **more}
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


@pytest.mark.parametrize("said", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b"])
def test_a_head_that_does_not_come(server: Server, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(connections, "HEAD", 0.3)
    with connected(server, said) as one:
        if said:
            for _ in range(5):  # a byte now and then does not help
                time.sleep(0.1)
                try:
                    one.sendall(b"a")
                except OSError:
                    break
        assert closed(one)


def test_the_second_head_on_a_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD", 1.5)
    with connected(server, lines(server, "GET /api/options HTTP/1.1")) as one:
        assert one.recv(1 << 16).startswith(b"HTTP/1.1 200")
        one.sendall(b"GET /api/opt")
        assert closed(one)


def test_a_body_that_stops(server: Server, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY", 0.5)
    with connected(server, lines(server, "POST /api/photos HTTP/1.1", **{"Content-Length": "1000"}) + b"x") as one:
        assert closed(one)
    for _ in range(100):
        if not list((server.private.folder / "shelf").glob("*")):
            break
        time.sleep(0.05)
    assert list((server.private.folder / "shelf").glob("*")) == [], "what came of it is deleted"


def test_more_connections_than_there_is_room_for(
    server: Server, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST", 8)
    with ExitStack() as stack:
        opened = [stack.enter_context(connected(server, b"GET / HT")) for _ in range(40)]
        began = time.monotonic()
        assert client.get("/api/options").status_code == 200
        assert time.monotonic() - began < 10
        assert closed(opened[0])
        assert len(server.server.server_state.connections) <= 8


def test_a_burst_of_connections_fits_into_the_files_of_a_process(server: Server) -> None:
    """The loop takes so many in a turn, and some turns pass before the first that is too many is closed."""
    assert server.server.config.backlog == connections.BACKLOG
    assert connections.MOST + 5 * connections.BACKLOG < 1024 - 200


def test_what_is_answered_is_not_let_go(
    server: Server, upload: Callable[..., Any], pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long an upload is looked at: its request has come whole."""
    monkeypatch.setattr(connections, "HEAD", 0.2)
    monkeypatch.setattr(connections, "BODY", 0.2)
    looked = server.page.looker.run

    def slowly(task: str, asked: dict[str, Any]) -> dict[str, Any]:
        time.sleep(1.0)
        return looked(task, asked)

    monkeypatch.setattr(server.page.looker, "run", slowly)
    assert upload(pictures[0])["width"] == 112


def test_what_is_no_http_gets_our_headers_too(server: Server) -> None:
    with connected(server, b"\x16\x03\x01\x02\x00 no http\r\n\r\n") as one:
        head, _, body = one.makefile("rb").read().partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    assert first.split(" ")[1] == "400"
    headers = dict(line.split(": ", 1) for line in rest)
    assert headers["content-security-policy"] == OUR_POLICY
    assert headers.items() >= COMMON.items()
    assert b"That is no HTTP" in body


def test_uploads_that_wait_do_not_take_the_threads_of_others(
    server: Server,
    client: httpx.Client,
    pictures: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thread pool has six on two cores: with as many uploads waiting, no job could begin, nor a report be read."""
    hold = threading.Event()
    looked = server.page.looker.run

    def held(task: str, asked: dict[str, Any]) -> dict[str, Any]:
        hold.wait(60)
        return looked(task, asked)

    monkeypatch.setattr(server.page.looker, "run", held)
    content = pictures[0].read_bytes()

    def send() -> None:
        with httpx.Client(headers=headers_of(server), timeout=120, trust_env=False, verify=False) as own:
            own.post(f"http://127.0.0.1:{server.port}/api/photos?aligned=true", content=content)

    threads = [threading.Thread(target=send) for _ in range(40)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            if len(list((server.private.folder / "shelf").glob("*"))) == 40:
                break
            time.sleep(0.05)
        assert client.get("/api/reports", timeout=20).status_code == 200
    finally:
        hold.set()
        for thread in threads:
            thread.join(60)
