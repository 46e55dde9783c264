"""What the page makes, beside what the same functions make without it."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import torch

from bauta.faces import read_image
from bauta.faces.images import decode
from bauta.job.asked import method
from bauta.job.maskfile import MaskFile
from bauta.job.maskmaking import MaskMaking
from bauta.job.maskphotos import Masking
from bauta.job.portraits import AlignedAlready, largest, pictures_in, portraits
from bauta.protections.images.team import Team
from bauta.recognizers import load
from bauta.web.server import Server

Upload = Callable[..., Any]
Finished = Callable[[dict[str, Any]], Any]


def order(photos: list[Any], **changes: Any) -> dict[str, Any]:
    """A quick protection of all of them."""
    chosen = [{"photo": photo["id"]} for photo in photos]
    return {"task": "protect", "photos": chosen, "recognizers": ["mine"], "steps": 3, **changes}


def endless(photos: list[Any]) -> dict[str, Any]:
    """A job that takes minutes."""
    chosen = [{"photo": photo["id"]} for photo in photos]
    return {"task": "learn", "photos": chosen, "team": ["mine"], "epochs": 200, "variants": 16}


def state_of(client: httpx.Client, identity: str) -> Any:
    """What the stream says of a job, at once."""
    with client.stream("GET", "/api/events") as stream:
        first = next(line for line in stream.iter_lines() if line.startswith("data: "))
    return next((job for job in json.loads(first[6:]) if job["id"] == identity), None)


def waits(client: httpx.Client, identity: str, state: str) -> Any:
    """The job, when it has come to that state."""
    for _ in range(1500):
        job = state_of(client, identity)
        if job["state"] == state:
            return job
        time.sleep(0.1)
    raise AssertionError(job)


def test_protect_and_its_zip(
    client: httpx.Client, upload: Upload, finished: Finished, pictures: list[Path], server: Server
) -> None:
    job = finished(order([upload(file) for file in pictures[:3]]))
    assert job["state"] == "done"
    assert (job["at"], job["of"]) == (3, 3)
    result = job["result"]
    assert result["failed"] == []
    row, *others = result["table"]
    assert {other["role"] for other in others} == {"foreign"}  # those that come with bauta
    assert (row["recognizer"], row["role"], row["n"]) == ("mine", "authorized", 3)
    assert row["accepted"]["low"] < row["accepted"]["value"] <= 1
    assert result["refused"] == {"mine": 3 - round(3 * row["accepted"]["value"])}
    assert job["files"] == ["face 0.png", "face 1.png", "face 2.png"]
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/jobs/{job['id']}/zip").content))
    assert archive.namelist() == [*job["files"], "bauta.json"]
    assert json.loads(archive.read("bauta.json"))["protection"] == "PMT(steps=3)"
    network = load("mine")
    for number, name in enumerate(job["files"], 1):
        seen = {
            side: client.get(f"/api/jobs/{job['id']}/pictures/{number}/{side}") for side in ("before", "after", "file")
        }
        assert archive.read(name) == seen["file"].content == seen["after"].content
        before, after = (decode(seen[side].content, side).image for side in ("before", "after"))
        assert (before - read_image(pictures[number - 1])).abs().max() < 1.01 / 255
        # the proof's mean cosine is of these very pictures
        cosine = float((network.embed(before[None]) * network.embed(after[None])).sum())
        assert row["cosine"]["low"] - 0.05 < cosine < row["cosine"]["high"] + 0.05
    assert client.get(f"/api/jobs/{job['id']}/pictures/4/file").status_code == 404
    folder = server.private.folder / "jobs" / job["id"]
    assert folder.is_dir()
    client.delete(f"/api/jobs/{job['id']}")
    assert not folder.exists()


def test_a_mask_is_that_of_the_command_line(
    client: httpx.Client, upload: Upload, finished: Finished, pictures: list[Path], tmp_path: Path
) -> None:
    """Learned, saved, put on and taken off: the same bytes as from the job's own functions."""
    photos = [upload(file) for file in pictures]
    chosen = [{"photo": photo["id"]} for photo in photos]
    learned = finished({"task": "learn", "photos": chosen, "team": ["mine"], "epochs": 8})
    assert [row["epoch"] for row in learned["result"]["history"]] == list(range(1, 9))
    mask = learned["result"]["mask"]
    saved = client.get(f"/api/masks/{mask['id']}/file")
    assert saved.headers["content-disposition"] == "attachment; filename*=utf-8''face%200.mask"
    (tmp_path / "page.mask").write_bytes(saved.content)

    network = load("mine")
    making = MaskMaking(method("TransferMask", epochs=8, epsilon=16, budget=0.03, strength=1, seed=0), tmp_path / "own")
    own = making.run(portraits(pictures[0].parent, network, 0.01, AlignedAlready()), Team(network), lambda row: None)
    theirs = MaskFile.load(tmp_path / "page.mask")
    torch.testing.assert_close(theirs.masks, own.masks, atol=1e-4, rtol=0)
    assert theirs.made.protection == own.made.protection

    client.delete(f"/api/masks/{mask['id']}")
    key = client.post("/api/masks", content=saved.content, headers={"x-name": "alice.mask"}).json()
    assert (key["name"], key["photos"], key["team"], key["epochs"]) == ("alice.mask", 4, ["mine"], 8)
    on = finished({"task": "apply", "photos": chosen, "mask": key["id"], "face": "largest"})
    Masking(theirs, tmp_path / "on", AlignedAlready(), choose=largest).run(pictures_in(pictures), lambda done: None)
    masked = []
    for number, file in enumerate(pictures, 1):
        made = client.get(f"/api/jobs/{on['id']}/pictures/{number}/file").content
        assert made == (tmp_path / "on" / file.name).read_bytes()
        masked.append(tmp_path / f"masked {number}.png")
        masked[-1].write_bytes(made)

    again = [upload(file) for file in (*masked[:2], pictures[2])]
    off = finished({"task": "remove", "photos": [{"photo": photo["id"]} for photo in again], "mask": key["id"]})
    assert [picture["photo"] for picture in off["result"]["pictures"]] == [0, 1]
    assert off["result"]["failed"][0]["name"] == "face 2.png"
    assert "does not carry this mask" in off["result"]["failed"][0]["error"]
    for number, file in enumerate(pictures[:2], 1):
        back = decode(client.get(f"/api/jobs/{off['id']}/pictures/{number}/file").content, "back").image
        assert torch.equal(back, read_image(file))  # no clipping: the pictures are away from black and white


def test_cancel_in_the_middle_and_in_the_queue(
    client: httpx.Client, upload: Upload, pictures: list[Path], server: Server
) -> None:
    photos = [upload(file) for file in pictures]
    running = client.post("/api/jobs", json=endless(photos)).json()
    waiting = client.post("/api/jobs", json=order(photos)).json()
    third = client.post("/api/jobs", json=order(photos[:1])).json()
    waits(client, running["id"], "running")
    assert client.get(f"/api/jobs/{running['id']}").status_code == 400  # not done
    for _ in range(1500):
        if (server.private.folder / "jobs" / running["id"] / ".mask.part").exists():
            break
        time.sleep(0.05)
    assert state_of(client, waiting["id"])["state"] == "waiting"
    for photo in photos:  # a job keeps its own
        client.delete(f"/api/photos/{photo['id']}")
    worker = server.page.jobs.worker._process
    assert worker is not None
    for identity in (waiting["id"], running["id"]):
        assert client.post(f"/api/jobs/{identity}/cancel").json()["state"] == "canceled"
        assert not (server.private.folder / "jobs" / identity).exists()
    assert not worker.is_alive()
    assert waits(client, third["id"], "done")["of"] == 1  # in a new process
    assert state_of(client, running["id"])["state"] == "canceled"


def test_what_fails_is_said_as_the_command_line_says_it(
    client: httpx.Client, upload: Upload, pictures: list[Path], server: Server
) -> None:
    photos = [upload(file) for file in pictures[:1]]
    for asked, says in (
        (order(photos, cut=99), "a cut must lie in 1..10; got 99."),
        ({"task": "learn", "photos": order(photos)["photos"], "team": ["mine"]}, "at least two photos of one person"),
    ):
        job = client.post("/api/jobs", json=asked).json()
        failed = waits(client, job["id"], "failed")
        assert says in failed["error"]
        assert not (server.private.folder / "jobs" / job["id"]).exists()


def test_aligned_faces_and_photos_do_not_mix(
    client: httpx.Client, upload: Upload, pictures: list[Path], server: Server
) -> None:
    one, two = upload(pictures[0]), upload(pictures[1])
    photo = server.page.shelf.photos.pop(two["id"])
    server.page.shelf.photos[two["id"]] = type(photo)(**{**photo.__dict__, "aligned": False})
    answer = client.post("/api/jobs", json=order([one, two]))
    assert answer.json()["error"].startswith("Some of these photos are aligned faces and some are not")
