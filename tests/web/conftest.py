"""A page that really listens, with one network that its processes know: "mine", in a home of its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bauta import zoo
from bauta.faces import write_image
from bauta.recognizers import Preprocess
from bauta.recognizers.mobileface import MobileFaceV3
from bauta.web.security import TOKEN
from bauta.web.server import Server


def smooth(number: int) -> torch.Tensor:
    """An aligned picture (3, 112, 112) of its own, away from black and white, with some grain."""
    draws = torch.Generator().manual_seed(number)
    coarse = torch.rand(1, 3, 6, 6, generator=draws)
    wide = nn.functional.interpolate(coarse, (112, 112), mode="bicubic")[0].clamp(0, 1)
    return 0.2 + 0.6 * wide + 0.01 * torch.randn(3, 112, 112, generator=draws)


@pytest.fixture(scope="module")
def given_mirror() -> str | None:
    """BAUTA_MIRROR, before the home takes it away."""
    return os.environ.get("BAUTA_MIRROR")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, given_mirror: str | None) -> Iterator[Path]:
    """A home that knows "mine", also to processes that are started from here; given back with the file's last test."""
    folder = tmp_path_factory.mktemp("web")
    network = MobileFaceV3(Preprocess())
    g = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = torch.randn(module.weight.shape, generator=g) * (2 / module.weight[0].numel()) ** 0.5
    save_file(network.state_dict(), folder / "mine.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAUTA_HOME", str(folder / "home"))
        patch.delenv("BAUTA_MIRROR", raising=False)
        zoo.register("mine", folder / "mine.safetensors", "mobileface-v3", embedding=256, threshold=0.01, cut=3)
        yield folder


@pytest.fixture(scope="module")
def reports(home: Path) -> Path:
    """A folder with one report, which holds what a report must not do."""
    folder = home / "reports" / "pmt"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text('{"budget": "10m", "name": "<b>bold</b>"}')
    (folder / "rows.csv").write_text("attack,leak\nmirror,0.5\n")
    (folder / "report.html").write_text(
        "<!doctype html><title>Report</title><style>h1 { color: rgb(1, 2, 3) }</style><h1>Verdicts</h1>"
        "<p id=p>untouched</p><script>document.getElementById('p').textContent = 'touched'</script>"
    )
    return folder.parent


@pytest.fixture(scope="module")
def pictures(home: Path) -> list[Path]:
    """Four aligned pictures."""
    files = [home / "pictures" / f"face {number}.png" for number in range(4)]
    for number, file in enumerate(files):
        write_image(file, smooth(number))
    return files


def listening(server: Server) -> threading.Thread:
    """Run a server beside the test until it answers."""
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(1500):
        if server.server.started:
            return thread
        time.sleep(0.05)
    raise AssertionError("the page did not start")


@pytest.fixture(scope="module")
def server(home: Path, reports: Path) -> Iterator[Server]:
    """The page."""
    made = Server(reports=reports, device="cpu")
    thread = listening(made)
    yield made
    made.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert not made.private.folder.exists()


def headers_of(server: Server) -> dict[str, str]:
    """What the page's own script sends."""
    return {TOKEN: server.token, "origin": f"http://127.0.0.1:{server.port}", "sec-fetch-site": "same-origin"}


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """Speaks as the page's script does; everything it put there is wiped after the test."""
    with httpx.Client(
        base_url=f"http://127.0.0.1:{server.port}",
        headers=headers_of(server),
        timeout=120,
        verify=False,
        trust_env=False,
    ) as made:
        yield made
        assert made.post("/api/wipe").status_code == 200


@pytest.fixture
def upload(client: httpx.Client) -> Callable[..., Any]:
    """Uploads an aligned picture; its facts."""

    def send(file: Path, **asked: Any) -> Any:
        answer = client.post(
            "/api/photos",
            params={"aligned": "true", **asked},
            content=file.read_bytes(),
            headers={"x-name": file.name.replace(" ", "%20")},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    return send


@pytest.fixture
def finished(client: httpx.Client) -> Callable[[dict[str, Any]], Any]:
    """Orders a job and waits for its result."""

    def wait(order: dict[str, Any]) -> Any:
        answer = client.post("/api/jobs", json=order)
        assert answer.status_code == 200, answer.text
        for _ in range(3000):
            now = client.get(f"/api/jobs/{answer.json()['id']}")
            if now.status_code == 200:
                return now.json()
            time.sleep(0.05)
        raise AssertionError(now.text)

    return wait
