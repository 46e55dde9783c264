"""Where work is done: this process, and several."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import torch

from bauta.errors import BadFile, BautaError
from bauta.job import ProtectJob
from bauta.job.engine import Here, Processes, processors

from .conftest import content

SEED = 11


def twice(piece: int) -> Iterator[tuple[int, int]]:
    """Two results a piece, and how many threads there were."""
    yield from [(piece, torch.get_num_threads()), (-piece, torch.get_num_threads())]


def fails(piece: int) -> Iterator[int]:
    """Cannot do the second piece."""
    if piece == 2:
        raise BadFile("Two cannot be done; give three.")
    yield piece


def dies(piece: int) -> Iterator[int]:
    """As when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)
    yield piece


def test_this_process_answers_in_order_and_at_once() -> None:
    asked = []

    def worker(piece: int) -> Iterator[int]:
        asked.append(piece)
        yield piece * 10

    results = Here().run(worker, [1, 2, 3])
    assert next(results) == 10
    assert asked == [1]
    assert list(results) == [20, 30]


def test_processes_answer_once_and_share_the_processors_out() -> None:
    found = list(Processes(2).run(twice, [1, 2, 3]))
    assert sorted(number for number, _ in found) == [-3, -2, -1, 1, 2, 3]
    assert {threads for _, threads in found} == {max(1, processors() // 2)}
    assert list(Processes(2).run(twice, [])) == []


def test_what_a_worker_raises_is_raised_here() -> None:
    with pytest.raises(BadFile, match="Two cannot be done; give three"):
        list(Processes(1, threads=1).run(fails, [1, 2, 3]))
    with pytest.raises(BautaError, match="A worker process died, as when memory runs out; take fewer --workers"):
        list(Processes(1, threads=1).run(dies, [1]))


def sleeps(piece: int) -> Iterator[int]:
    """Takes so many seconds."""
    time.sleep(piece)
    yield piece


def test_who_takes_no_more_does_not_wait_for_what_is_being_done() -> None:
    results = Processes(2, threads=1).run(sleeps, [0, 1000, 1000])
    assert next(results) == 0
    began = time.monotonic()
    assert isinstance(results, Generator)
    results.close()
    assert time.monotonic() - began < 100


@pytest.mark.slow
def test_processes_write_the_same_bytes_and_go_on(job: Callable[..., ProtectJob], photos: Path) -> None:
    (photos / "bad.png").write_bytes(b"no picture")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        one, several = job("one"), job("several", engine=Processes(2, threads=1))
        first, second = one.run(SEED), several.run(SEED)
        assert content(one.out) == content(several.out)
        assert (one.out / "manifest.jsonl").read_bytes() == (several.out / "manifest.jsonl").read_bytes()
        assert (
            (second.written, list(second.failed))
            == (first.written, list(first.failed))
            == (
                ["a.png", "b.png", "c.png", "deep/d.png", "e.png"],
                ["bad.png"],
            )
        )
        (several.out / "c.png").unlink()
        again = job("several").run()  # what one engine began another goes on with
        assert again.written == ["c.png"]
        assert content(one.out) == content(several.out)
    finally:
        torch.set_num_threads(before)
