"""Requests that the page of `bauta serve` should not get: strange paths, headers, orders and uploads.

They are handed to the guarded application itself. What the page does in processes of its own is done in the worker
here, so that its time and its memory count.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote_to_bytes

import torch

from bauta.errors import BautaError
from bauta.faces.images import encode_png, write_image
from bauta.job.maskfile import Made, MaskFile
from bauta.web.app import Page, create_app, kept
from bauta.web.jobs import Jobs
from bauta.web.process import Told, Worker
from bauta.web.reports import Reports
from bauta.web.security import COMMON, TOKEN
from bauta.web.shelf import Shelf
from bauta.web.tasks import TASKS
from campaigns.arena import GIB, Kind
from campaigns.damage import damaged, json_bytes
from campaigns.pictures import FORMATS

SECRET, PORT = "the-token-of-this-page", 8600
HOST = f"127.0.0.1:{PORT}"
Headers = list[tuple[bytes, bytes]]

PHOTO, MASK, JOB = "a" * 32, "b" * 32, "c" * 32
NAMES = (
    *("..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a%0d%0ab", "%ff%fe", "index.html", "main.js", "%", "~"),
    *("0" * 32, "g" * 32, "0" * 31, "f" * 5000, "a" * 300, "%F0%9F%92%A9", ".", "con"),
    *("-1", "0", "1", "2", "1" * 300, "9" * 5000, "1.5", "file", "before"),
)
# what is there, by method and path
ROUTES = (
    *("GET /", "GET /static/main.js", "GET /api/options", "GET /api/photos", "POST /api/photos", "POST /api/photos"),
    *("GET /api/masks", "POST /api/masks", f"GET /api/photos/{PHOTO}/preview", f"DELETE /api/photos/{PHOTO}"),
    *(f"GET /api/masks/{MASK}/file", f"DELETE /api/masks/{MASK}", "POST /api/wipe", "GET /api/events"),
    *(*("POST /api/jobs",) * 8, f"GET /api/jobs/{JOB}", f"POST /api/jobs/{JOB}/cancel", f"DELETE /api/jobs/{JOB}"),
    *(
        f"GET /api/jobs/{JOB}/pictures/1/file",
        f"GET /api/jobs/{JOB}/pictures/{'1' * 300}/file",
        f"GET /api/jobs/{JOB}/zip",
        "GET /api/reports",
        "GET /report/ticket",
    ),
    *("POST /api/reports/REPORT/ticket", "GET /api/reports/REPORT/tables/0", "GET /openapi.json", "GET //api/photos"),
)
METHODS = ("GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "x", "")


class Here(Worker):
    """Does a task where it is asked, with the same JSON both ways."""

    def start(self) -> None:
        """There is no process."""

    def run(
        self,
        task: str,
        asked: dict[str, Any],
        told: Told = lambda done, total: None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> dict[str, Any]:
        """The task's answer."""
        return dict(json.loads(json.dumps(TASKS[task](told, **json.loads(json.dumps(asked))))))


@dataclass
class Request:
    """What comes over the wire."""

    method: str
    path: str
    headers: Headers
    body: bytes = b""
    query: bytes = b""
    place: Path = field(default=Path(), repr=False)


class Requests(Kind):
    """Requests to a page that has a photo, a mask, a finished job and a report."""

    name = "page"
    bound = 2 * GIB  # a photo of 60 million pixels, which an upload may unpack to, is 0.7 GB, and is looked at

    def prepare(self, folder: Path) -> None:
        image = torch.rand(3, 112, 112, generator=torch.Generator().manual_seed(0))
        self.folder = folder
        write_image(folder / "photo.png", image)
        person = torch.nn.functional.normalize(torch.ones(16), dim=0)
        MaskFile(image[None] * 0.1, person, Made("TransferMask()", {"small": ""}, 5, 1.0)).save(folder / "key.mask")
        report = folder / "reports" / "one"
        report.mkdir(parents=True)
        (report / "report.html").write_text("<h1>Report</h1>")
        (report / "rows.csv").write_text("a,b\n1,2\n")
        (report / "settings.json").write_text("{}")
        self.samples = [sample for make, _ in FORMATS.values() for sample in make()]
        self.samples += [encode_png(image), (folder / "key.mask").read_bytes()]

    def page(self, place: Path) -> Page:
        """A page with something on it."""
        shelf = Shelf(place / "shelf")
        jobs = Jobs(place / "jobs", Here(), partial(kept, shelf))
        page = Page(SECRET, PORT, shelf, jobs, Here(), Reports(self.folder / "reports"), leaving=lambda: True)
        for identity, file in ((PHOTO, "photo.png"), (MASK, "key.mask")):
            (shelf.folder / identity).mkdir(parents=True)
            shutil.copy(self.folder / file, shelf.folder / identity / "original")
        for name in ("face-0.png", "preview.jpg"):
            shutil.copy(self.folder / "photo.png", shelf.folder / PHOTO / name)
        found = {"width": 112, "height": 112, "faces": [[0.0, 0.0, 112.0, 112.0]]}
        shelf.add_photo(shelf.folder / PHOTO, "me.png", True, found)
        shelf.add_mask(shelf.folder / MASK, "me.mask", {"photos": 5})
        job = jobs.new("apply", "Put a mask on 1 photo", ["me.png"])
        job.identity, job.state, job.asked = JOB, "done", {"aligned": True}
        job.answer = {"pictures": [{"photo": 0, "face": None}], "failed": []}
        shutil.copy(self.folder / "photo.png", job.folder / "pictures" / "1.png")
        jobs.jobs[job.identity] = job
        return page

    def damaged(self, draw: Random, folder: Path) -> Request:
        (report,) = Reports(self.folder / "reports").all()
        method, _, path = draw.choice(ROUTES).replace("REPORT", report.identity).partition(" ")
        if draw.random() < 0.3:  # another part of the path
            parts = path.split("/")
            parts[draw.randrange(1, len(parts))] = draw.choice((*NAMES, PHOTO, MASK, JOB, report.identity))
            path = "/".join(parts)
        request = Request(method if draw.random() < 0.9 else draw.choice(METHODS), path, [], place=folder)
        if path == "/api/jobs":
            order = self.order(draw)
            request.body = json_bytes(draw, order) if draw.random() < 0.8 else json.dumps(order).encode()
        elif path in ("/api/photos", "/api/masks"):
            sample = self.samples[-1] if path == "/api/masks" and draw.random() < 0.7 else draw.choice(self.samples)
            request.body = damaged(draw, sample) if draw.random() < 0.6 else sample
        elif draw.random() < 0.2:
            request.body = draw.randbytes(draw.choice((1, 100, 70_000)))
        request.query = draw.choice(
            (b"aligned=true", b"aligned=1", b"aligned=true", b"", b"aligned=x", b"%ff=%00", b"a" * 9000)
        )
        request.headers = list(self.headers(draw, len(request.body)))
        return request

    def order(self, draw: Random) -> dict[str, Any]:
        """An order that could be taken."""
        photos = [{"photo": PHOTO, "faces": draw.choice((None, [0]))}]
        return draw.choice(
            (
                {"task": "protect", "photos": photos, "recognizers": ["mobilefacenet-casia"], "steps": 3},
                {"task": "learn", "photos": photos, "team": ["mobilefacenet-casia"], "epochs": 2},
                {"task": "apply", "photos": photos, "mask": MASK, "face": "all"},
                {"task": "remove", "photos": photos, "mask": MASK, "strength": 0.5},
            )
        )

    def headers(self, draw: Random, size: int) -> Iterator[tuple[bytes, bytes]]:
        """The page's own, of which one may be another, twice, or missing; rarely further ones."""
        good = {
            b"host": HOST.encode(),
            b"origin": f"http://{HOST}".encode(),
            TOKEN.encode(): SECRET.encode(),
            b"sec-fetch-site": b"same-origin",
            b"content-length": str(size).encode(),
            b"content-type": b"application/json",
            b"x-name": draw.choice(
                (b"me.png", b"%ff%00", b"..%2f..%2fx", b"\xff\xfe", b"<b>" * 200, b"%F0%9F%92%A9", b"")
            ),
        }
        odd = draw.choice(list(good)) if draw.random() < 0.15 else None
        for name, value in good.items():
            if name != odd:
                yield name, value
                continue
            for _ in range(draw.choice((0, 1, 2))):
                other = (b"", b"\xff" * 10, b"x" * 70_000, b"-1", b"1e9", b"9" * 5000, b"null", b"evil.example", value)
                yield name, draw.choice(other)
        if draw.random() < 0.1:
            extra = ((b"transfer-encoding", b"chunked"), (b"range", b"bytes=0-,5-1,-9"), (b"range", b"x" * 999))
            yield draw.choice((*extra, (b"if-modified-since", b"\xff"), (b"cookie", b"a=b"), (b"range", b"bytes=9-1")))

    def read(self, thing: Request) -> None:
        page = self.page(thing.place)
        status, headers, body = asyncio.run(answered(create_app(page), thing))
        for name, value in COMMON.items():
            if headers.get(name) != value:
                raise AssertionError(f"the answer {status} lacks {name}")
        if SECRET.encode() in body or "content-security-policy" not in headers:
            raise AssertionError(f"the answer {status} holds the token, or has no policy")
        if status >= 500:
            raise AssertionError(f"the answer {status} {body[:200]!r}")
        if status >= 400:
            said = headers.get("content-type") == "application/json" and thing.method != "HEAD"
            raise BautaError(json.loads(body)["error"] if said else f"The answer {status}.")  # HEAD, or a wrong range


async def answered(app: Any, request: Request) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that an application gives to a request."""
    came: list[Any] = [{"type": "http.request", "body": request.body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        return came.pop() if came else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote_to_bytes(request.path).decode("utf-8", "replace"),
        "raw_path": request.path.encode(),
        "query_string": request.query,
        "root_path": "",
        "headers": request.headers,
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", PORT),
    }
    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    return start["status"], headers, b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")


def kinds() -> list[Kind]:
    """The one kind."""
    return [Requests()]
