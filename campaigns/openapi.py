"""The page's own OpenAPI, with what it does not promise to take: by schemathesis, where that is installed."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable

from bauta.web.app import Page, create_app
from bauta.web.jobs import Jobs
from bauta.web.process import Worker
from bauta.web.reports import Reports
from bauta.web.shelf import Shelf
from campaigns.served import WAITS, Answer, Served
from campaigns.visitors import ANSWERED, REFUSED, Tally

ENDLESS = ("/api/events",)  # an answer that goes on until somebody leaves


def schema() -> dict[str, Any]:
    """What the page would say of itself; it serves no such file."""
    nowhere = Path("/nowhere")
    page = Page("", 0, Shelf(nowhere), Jobs(nowhere, Worker(), lambda _: None), Worker(), Reports(None))
    described: dict[str, Any] = create_app(page).app.openapi()  # type: ignore[attr-defined]
    return described


def openapi(page: Served, draw: Random, tries: int, tally: Tally) -> None:
    """So many calls of every operation, drawn from its description and from what contradicts it."""
    try:
        schemathesis: Any = importlib.import_module("schemathesis")
    except ModuleNotFoundError:
        tally.left_out = "left out: schemathesis is not installed"
        return
    described = schemathesis.openapi.from_dict(schema())
    own = {name: value for name, value in page.headers().items() if name != "Host"}
    for found in described.get_all_operations():
        operation = found.ok()
        if operation.path in ENDLESS:
            continue
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @seed(draw.randrange(1 << 32))
            @settings(
                max_examples=tries,
                database=None,
                deadline=None,
                phases=(Phase.generate,),
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def called(case: Any) -> None:
                answer = case.call(base_url=f"http://{page.host}", headers=own, timeout=WAITS)
                headers = {name.lower(): value[0] for name, value in answer.headers.items()}
                what = f"{case.method} {case.formatted_path}"
                tally.count(
                    Answer(answer.status_code, headers, answer.content, answer.elapsed), REFUSED | ANSWERED, what
                )

            with contextlib.suppress(Unsatisfiable):  # nothing can contradict a description without a parameter
                called()
    page.ask("POST", "/api/wipe")
