"""A real `bauta serve` in a process of its own, spoken to over a socket by those who may and by those who may not."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bauta.web.security import TOKEN

COMMAND = [sys.executable, "-c", "from bauta.cli import main; main()", "serve"]
START = 120.0  # seconds until it listens
FILES = 1024  # that its processes may have open, as most systems let a user's
LOOKED = 0.2  # seconds between two looks of a bystander
WAITS = 60.0  # seconds for an answer


@dataclass(frozen=True)
class Answer:
    """What came back. status: 0 where the connection was closed without an answer. headers: names in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Served:
    """One page. folder: for its home, its temporary files and its reports."""

    def __init__(self, folder: Path) -> None:
        for name in ("home", "tmp", "reports"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        here = Path(__file__).parents[1]
        given = {"BAUTA_HOME": folder / "home", "TMPDIR": folder / "tmp", "BAUTA_MIRROR": "", "OMP_NUM_THREADS": "1"}
        self.tmp = folder / "tmp"
        self.said = (folder / "said.txt").open("w+")
        self.process = subprocess.Popen(
            [*COMMAND, "--device", "cpu", "--reports", str(folder / "reports")],
            env={**os.environ, **{name: str(value) for name, value in given.items()}, "PYTHONPATH": str(here)},
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
        )
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        assert self.process.stdout is not None
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/#token=([\w-]+)", self.process.stdout.readline().strip())
        if found is None:
            self.said.seek(0)
            raise RuntimeError(f"the page did not start: {self.said.read()[-1000:]}")
        self.port, self.token = int(found[1]), found[2]
        self.host = f"127.0.0.1:{self.port}"
        self._ready()

    def _ready(self) -> None:
        end = time.monotonic() + START
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if self.ask("GET", "/api/options").status == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError("the page does not answer")

    def close(self) -> list[str]:
        """End it as Ctrl-C does; what is wrong about that."""
        self.process.terminate()
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.said.seek(0)
        said = self.said.read()
        self.said.close()
        wrong = [] if code == 143 else [f"it ended with {code} and not with 143"]
        wrong += [f"it left {path.name}" for path in self.tmp.glob("bauta-web-*")]
        if "Traceback" in said:
            wrong.append(f"it printed a trace: {said[said.index('Traceback') :][-600:]}")
        return wrong

    def connect(self, patience: float = WAITS) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=patience)

    def raw(self, request: bytes, *, patience: float = WAITS) -> Answer:
        """What it answers to these bytes."""
        began = time.monotonic()
        with self.connect(patience) as open_one:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before it was read
                open_one.sendall(request)
            return received(open_one, began, head=request.startswith(b"HEAD "))

    def headers(self) -> dict[str, str]:
        """What the page's own script sends."""
        return {
            "Host": self.host,
            TOKEN: self.token,
            "Origin": f"http://{self.host}",
            "Sec-Fetch-Site": "same-origin",
            "Connection": "close",
        }

    def request(self, method: str, path: str, body: bytes = b"", **changed: str | None) -> bytes:
        """The bytes of a request like the page's own, with some headers changed or (None) left out."""
        given: dict[str, str | None] = {**self.headers(), "Content-Length": str(len(body))}
        given |= {name.replace("_", "-"): value for name, value in changed.items()}
        lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
        return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body

    def ask(self, method: str, path: str, body: bytes = b"", **changed: str | None) -> Answer:
        """What it answers to a request like the page's own."""
        return self.raw(self.request(method, path, body, **changed))

    def upload(
        self, content: bytes, name: str = "me.png", path: str = "/api/photos?aligned=true", patience: float = WAITS
    ) -> Answer:
        """A photo or a mask."""
        return self.raw(self.request("POST", path, content, **{"x-name": quote(name)}), patience=patience)

    def tree(self) -> list[int]:
        """The process and all below it."""
        parents = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        found = [self.process.pid]
        for process in found:
            found += [child for child, parent in parents.items() if parent == process]
        return found

    def memory(self) -> int:
        """Resident bytes of all its processes; what they share counts once in each part (PSS)."""
        total = 0
        for process in self.tree():
            with contextlib.suppress(OSError, IndexError):
                said = Path(f"/proc/{process}/smaps_rollup").read_text()
                total += int(said.partition("\nPss:")[2].split()[0]) << 10
        return total

    def disk(self) -> int:
        """Bytes of the files in its private folder."""
        total = 0
        for file in self.tmp.rglob("*"):
            with contextlib.suppress(OSError):
                total += file.stat().st_size if file.is_file() else 0
        return total


def received(open_one: socket.socket, began: float, *, head: bool = False) -> Answer:
    """One answer, read whole; of status 0 where there is none."""
    data = bytearray()
    try:
        while b"\r\n\r\n" not in data and (came := open_one.recv(1 << 16)):
            data += came
        text, _, body = bytes(data).partition(b"\r\n\r\n")
        first, *lines = text.decode("latin-1").split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        size = 0 if head else int(headers.get("content-length", "-1"))
        whole = bytearray(body)
        while (size < 0 or len(whole) < size) and (came := open_one.recv(1 << 16)):
            whole += came
    except (ConnectionResetError, BrokenPipeError):
        return Answer(0, seconds=time.monotonic() - began)
    status = int(first.split(" ")[1]) if first.startswith("HTTP/1.") else 0
    return Answer(status, headers, bytes(whole), time.monotonic() - began)


class Bystander(threading.Thread):
    """Somebody else who uses the page in the meantime: how long each of the simple things took at most."""

    ASKS = ("/", "/api/options", "/api/photos", "/api/reports")

    def __init__(self, page: Served) -> None:
        super().__init__(daemon=True)
        self.page, self.slowest, self.memory, self.wrong = page, 0.0, 0, list[str]()
        self._over = threading.Event()

    def run(self) -> None:
        """Ask until it is over."""
        turn = 0
        while not self._over.wait(LOOKED):
            path, began = self.ASKS[turn % len(self.ASKS)], time.monotonic()
            try:
                status = self.page.ask("GET", path).status
                if status != 200:
                    self.wrong.append(f"somebody else got {status} for {path}")
            except OSError as error:
                self.wrong.append(f"somebody else got no {path}: {type(error).__name__} {error}")
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.memory = max(self.memory, self.page.memory())
            turn += 1

    def end(self) -> None:
        """Ask no more."""
        self._over.set()
        self.join(2 * WAITS)


@contextlib.contextmanager
def watched(page: Served) -> Iterator[Bystander]:
    """A bystander beside what is done."""
    made = Bystander(page)
    made.start()
    try:
        yield made
    finally:
        made.end()
