"""The routes: the page itself, and what it asks for under /api. They parse, call and answer; nothing is done here."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from bauta import __version__
from bauta.errors import BadFile, BautaError, MissingData, MissingError, UsageError
from bauta.web.files import file_stem, shown_name
from bauta.web.jobs import Job, Jobs
from bauta.web.options import PHOTOS, TEAM, Learn, Order, Protect
from bauta.web.orders import download_names, offered, placed, zipped
from bauta.web.process import Worker
from bauta.web.reports import Reports
from bauta.web.security import UPLOAD_BYTES, Guard, said
from bauta.web.shelf import Shelf

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass
class Page:
    """What one running page has. looker: the process that looks at uploads, beside the one that does the jobs.
    folders: of trainings, offered as recognizers. leaving: whether the server is on its way out. turn: at the
    looker."""

    token: str
    port: int
    shelf: Shelf
    jobs: Jobs
    looker: Worker
    reports: Reports
    folders: list[str] = field(default_factory=list)
    device: str = "auto"
    leaving: Callable[[], bool] = lambda: False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def looked(self, task: str, asked: dict[str, Any]) -> dict[str, Any]:
        """What the looker says. Those who wait for it wait here, and not in the few threads that all share."""
        async with self.turn:
            return await asyncio.to_thread(self.looker.run, task, asked)

    def close(self) -> None:
        """End both processes for good. May be called again."""
        self.jobs.worker.close()
        self.looker.close()


def create_app(page: Page) -> ASGIApp:
    """The guarded application of a page."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        page.looker.start()
        page.jobs.worker.start()
        work = asyncio.create_task(page.jobs.work())
        yield
        work.cancel()

    app = FastAPI(title="bauta", lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    shell(app)
    tray(app, page)
    working(app, page)
    reading(app, page.reports)
    failures(app)
    return Guard(app, token=page.token, port=page.port)


def shell(app: FastAPI) -> None:
    """The page as everybody may see it: it holds no data."""
    files = {f.name: f.read_bytes() for f in (resources.files("bauta.web") / "static").iterdir() if f.is_file()}

    def served(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "There is no such file.")
        return Response(files[name], media_type=KINDS[name[name.rindex(".") :]])

    @app.get("/")
    async def index() -> Response:
        return served("index.html")

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        return served(name)


def tray(app: FastAPI, page: Page) -> None:
    """What can be chosen, photos and masks."""
    shelf = page.shelf

    @app.get("/api/options")
    async def options() -> dict[str, Any]:
        return {
            "version": __version__,
            "recognizers": offered(page.folders),
            "limits": {"bytes": UPLOAD_BYTES, "photos": PHOTOS},
            "defaults": {"protect": defaults_of(Protect), "learn": {**defaults_of(Learn), "team": TEAM}},
            "reports": page.reports.root is not None,
        }

    async def uploaded(request: Request, task: str, **asked: Any) -> tuple[Any, str, dict[str, Any]]:
        """The folder of an upload, its name, and what the looker says of it."""
        name = shown_name(unquote(request.headers.get("x-name", "")))
        folder = await shelf.received(request.stream(), mask=task == "describe")
        more = {"into": str(folder), "name": name} if task == "look" else {}
        try:
            found = await page.looked(task, {"path": str(folder / "original"), **more, **asked})
        except BautaError as error:
            shelf.drop(folder)
            raise type(error)(str(error).replace(str(folder / "original"), name)) from error
        except BaseException:
            shelf.drop(folder)
            raise
        return folder, name, found

    @app.get("/api/photos")
    async def photos() -> list[dict[str, Any]]:
        return [photo.facts() for photo in shelf.photos.values()]

    @app.post("/api/photos")
    async def add_photo(request: Request, aligned: bool = False) -> dict[str, Any]:
        folder, name, found = await uploaded(request, "look", aligned=aligned)
        return shelf.add_photo(folder, name, aligned, found).facts()

    @app.get("/api/photos/{identity}/preview")
    async def preview(identity: str) -> Response:
        return FileResponse(shelf.photo(identity).preview, media_type="image/jpeg")

    @app.delete("/api/photos/{identity}")
    async def take_photo(identity: str) -> dict[str, Any]:
        shelf.take_photo(identity)
        return {}

    @app.get("/api/masks")
    async def masks() -> list[dict[str, Any]]:
        return [mask.facts() for mask in shelf.masks.values()]

    @app.post("/api/masks")
    async def add_mask(request: Request) -> dict[str, Any]:
        return shelf.add_mask(*await uploaded(request, "describe")).facts()

    @app.get("/api/masks/{identity}/file")
    async def mask_file(identity: str) -> Response:
        mask = shelf.mask(identity)
        return FileResponse(mask.file, filename=f"{file_stem(mask.name)}.mask")

    @app.delete("/api/masks/{identity}")
    async def take_mask(identity: str) -> dict[str, Any]:
        shelf.take_mask(identity)
        return {}

    @app.post("/api/wipe")
    async def wipe() -> dict[str, Any]:
        for job in list(page.jobs.jobs.values()):
            await page.jobs.take(job)
        for identity in list(shelf.photos):
            shelf.take_photo(identity)
        for identity in list(shelf.masks):
            shelf.take_mask(identity)
        return {}


def working(app: FastAPI, page: Page) -> None:
    """Jobs and what they made."""
    jobs = page.jobs

    @app.post("/api/jobs")
    async def order(order: Annotated[Order, Body(discriminator="task")]) -> dict[str, Any]:
        names = [one["name"] for one in offered(page.folders)]
        return placed(order, page.shelf, jobs, names, page.device).facts()

    @app.get("/api/jobs/{identity}")
    async def job(identity: str) -> dict[str, Any]:
        one = jobs.job(identity)
        return {**one.result(), "files": download_names(one)}

    @app.post("/api/jobs/{identity}/cancel")
    async def cancel(identity: str) -> dict[str, Any]:
        one = jobs.job(identity)
        await jobs.cancel(one)
        return one.facts()

    @app.delete("/api/jobs/{identity}")
    async def take(identity: str) -> dict[str, Any]:
        await jobs.take(jobs.job(identity))
        return {}

    @app.get("/api/jobs/{identity}/pictures/{number}/{which}")
    async def picture(identity: str, number: int, which: Literal["file", "before", "after"]) -> Response:
        return FileResponse(jobs.job(identity).picture(number, which), media_type="image/png")

    @app.get("/api/jobs/{identity}/zip")
    async def archive(identity: str) -> Response:
        path = await asyncio.to_thread(zipped, jobs.job(identity))
        return FileResponse(path, filename="bauta.zip", media_type="application/zip")

    @app.get("/api/events")
    async def events() -> Response:
        async def stream() -> AsyncIterator[bytes]:
            async for news in jobs.news(page.leaving):
                yield b": quiet\n\n" if news is None else f"data: {json.dumps(news)}\n\n".encode()

        return StreamingResponse(stream(), media_type="text/event-stream")


def reading(app: FastAPI, reports: Reports) -> None:
    """Reports of audits."""

    @app.get("/api/reports")
    async def listed() -> list[dict[str, Any]]:
        return await asyncio.to_thread(lambda: [report.facts() for report in reports.all()])

    @app.post("/api/reports/{identity}/ticket")
    async def ticket(identity: str) -> dict[str, Any]:
        return {"path": f"/report/{reports.ticket(reports.report(identity))}"}

    @app.get("/api/reports/{identity}/tables/{number}")
    async def table(identity: str, number: int) -> Response:
        tables = reports.report(identity).tables
        if not 0 <= number < len(tables):
            raise MissingData("This report has no such table; reload the page.")
        return FileResponse(tables[number], filename=file_stem(tables[number].name) + tables[number].suffix)

    @app.get("/report/{ticket}")
    async def framed(ticket: str) -> Response:
        return Response(await asyncio.to_thread(reports.redeem, ticket), media_type="text/html")


def failures(app: FastAPI) -> None:
    """Errors as JSON with one sentence."""

    @app.exception_handler(BautaError)
    async def known(request: Request, error: BautaError) -> Response:
        kinds = {MissingError: 404, UsageError: 400, BadFile: 422}
        return JSONResponse(said(error), next((code for kind, code in kinds.items() if isinstance(error, kind)), 500))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(
            str(part) for part in first["loc"][1:] if not re.match("(protect|learn|apply|remove)$", str(part))
        )
        return JSONResponse({"error": f"{where or 'The request'}: {first['msg']}."}, 400)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": str(error.detail)}, error.status_code)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return JSONResponse({"error": "The upload was broken off."}, 400)


def defaults_of(kind: type[Protect | Learn]) -> dict[str, Any]:
    """What a form shows first."""
    return {name: field.default for name, field in kind.model_fields.items() if not field.is_required()}


def kept(shelf: Shelf, job: Job) -> None:
    """Put the mask that a job learned among the others."""
    if job.task == "learn" and job.answer is not None:
        mask = shelf.adopt_mask(job.folder / "mask", f"{file_stem(job.names[0])}.mask", job.answer["mask"])
        job.answer["mask"] = mask.facts()
