"""Using the page for a long time: photo, mask, job, download, delete, while memory and disk are watched."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch

from bauta.job.maskfile import Made, MaskFile
from campaigns.served import Answer, Served
from campaigns.visitors import ANSWERED, Tally, small

MIB = 1 << 20
GROWTH = 48 * MIB  # of all the page's processes, between the first and the last fifth of the rounds after the warm-up
WARM = 12  # rounds in which libraries are loaded, threads are begun and pools are filled
FEWEST = 10  # rounds after the warm-up that say anything
SHARE = 0.5  # of the time that is worked; in the rest others may
PROTECTS = 8  # every so many rounds a face is protected, which takes a network
RECOGNIZER = "bauta-residual"  # comes with bauta
JOB = 120.0  # seconds for a job


def mask_file(path: Path) -> bytes:
    """A key that was learned from nobody."""
    person = torch.nn.functional.normalize(torch.ones(16), dim=0)
    mask = torch.rand(1, 3, 112, 112, generator=torch.Generator().manual_seed(0)) * 0.1
    MaskFile(mask, person, Made("TransferMask()", {"small": ""}, 5, 1.0)).save(path)
    return path.read_bytes()


def soak(page: Served, key: bytes, draw: Random, minutes: float, tally: Tally) -> None:
    """Rounds for so many minutes, at least one; what is left of each is looked at."""
    end, memory, empty = time.monotonic() + minutes * 60, list[int](), page.disk()
    rounds = 0
    while not rounds or time.monotonic() < end:
        began = time.monotonic()
        once(page, key, draw, rounds, tally)
        rounds += 1
        memory.append(page.memory())
        if page.disk() != empty:
            tally.failures.append(f"{page.disk() - empty:,} bytes are left on disk after round {rounds}")
        time.sleep(min((time.monotonic() - began) * (1 / SHARE - 1), max(0.0, end - time.monotonic())))
    if (grown := growth(memory)) is not None and grown > GROWTH:
        tally.failures.append(f"memory grew by {grown / MIB:.0f} MiB in {rounds} rounds")


def growth(memory: Sequence[int]) -> int | None:
    """By how many bytes the last fifth is above the first one after the warm-up; None where there were too few."""
    warm = memory[WARM:]
    if len(warm) < FEWEST:
        return None
    fifth = max(2, len(warm) // 5)
    return int(statistics.median(warm[-fifth:]) - statistics.median(warm[:fifth]))


def once(page: Served, key: bytes, draw: Random, number: int, tally: Tally) -> None:
    """A round: everything that is put there is taken away again."""

    def ask(method: str, path: str, what: str) -> Answer:
        return tally.count(page.ask(method, path), ANSWERED, what)

    photos = [tally.count(page.upload(small(draw.randrange(1000)), f"me {n}.png"), ANSWERED, "a photo") for n in (1, 2)]
    mask = tally.count(page.upload(key, "me.mask", "/api/masks"), ANSWERED, "a mask")
    if any(one.status != 200 for one in (*photos, mask)):
        return
    chosen: list[dict[str, Any]] = [{"photo": photo.json["id"]} for photo in photos]
    order: dict[str, Any] = {"task": "apply", "photos": chosen, "mask": mask.json["id"], "face": "all"}
    if number % PROTECTS == PROTECTS - 1:
        order = {"task": "protect", "photos": chosen, "recognizers": [RECOGNIZER], "steps": 1, "proof": False}
    said = {"Content-Type": "application/json"}
    placed = tally.count(page.ask("POST", "/api/jobs", json.dumps(order).encode(), **said), ANSWERED, "an order")
    if placed.status == 200:
        job = placed.json["id"]
        if number % 5 == 4:  # in the middle of it, or before
            ask("POST", f"/api/jobs/{job}/cancel", "canceling")
        elif over(lambda: page.ask("GET", f"/api/jobs/{job}")):
            made = page.ask("GET", f"/api/jobs/{job}").json["result"]["pictures"]
            if len(made) != 2:
                tally.failures.append(f"{len(made)} of 2 pictures were made")
            for picture in range(1, len(made) + 1):
                ask("GET", f"/api/jobs/{job}/pictures/{picture}/file", "a picture")
            ask("GET", f"/api/jobs/{job}/zip", "the zip")
        else:
            tally.failures.append(f"a job was not over in {JOB:.0f} s")
        ask("DELETE", f"/api/jobs/{job}", "taking the job away")
    for photo in photos:
        ask("GET", f"/api/photos/{photo.json['id']}/preview", "a preview")
        ask("DELETE", f"/api/photos/{photo.json['id']}", "deleting a photo")
    ask("DELETE", f"/api/masks/{mask.json['id']}", "deleting a mask")


def over(result: Callable[[], Answer]) -> bool:
    """Wait for a job; whether it came to its end."""
    end = time.monotonic() + JOB
    while time.monotonic() < end:
        if result().status == 200:
            return True
        time.sleep(0.05)
    return False
