"""Time: how a budget is read, divided and kept; and the memory that lets a stopped audit see the same pictures."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.pipeline import Pipeline
from bauta.protections import PMT, ImageProtection, WhiteNoise
from bauta.study.audit.budget import Clock, seconds, shared
from bauta.study.audit.subjects import Once, separated, warmed
from bauta.types import Faces


@pytest.mark.parametrize(("text", "found"), [("90", 90), ("90s", 90), ("1.5m", 90), (" 2 h ", 7200)])
def test_a_budget_is_read(text: str, found: float) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize("text", ["", "0", "0m", "-5m", "5 days", "1e3", "m", "10m 5s"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a time like"):
        seconds(text)


def test_all_get_the_same_time_and_what_is_left_goes_to_the_others() -> None:
    costs = [lambda s: 2 * s, lambda s: 100 * s, lambda s: 10 + 100 * s]
    shares = shared(62, costs)
    assert shares[0] == 1.0
    assert shares[1] == pytest.approx(0.3, abs=1e-4)
    assert shares[2] == pytest.approx(0.2, abs=1e-4)
    assert sum(cost(share) for cost, share in zip(costs, shares, strict=True)) <= 62
    assert shared(1000, costs) == [1.0, 1.0, 1.0]
    assert shared(5, costs[2:]) == [0.0], "even the least costs more"
    assert shared(0, []) == []


def test_the_clock_learns_how_slow_things_are() -> None:
    now = [0.0]
    clock = Clock(100, now=lambda: now[0])
    assert clock.fits(100)
    assert not clock.fits(101)
    for _ in range(30):
        clock.took(10, 20)
    assert clock.drag == pytest.approx(2, abs=0.01)
    assert not clock.fits(60)
    assert clock.fits(49)
    clock.took(0.01, 0.2)
    assert clock.drag == pytest.approx(2, abs=0.01), "what takes no time teaches nothing"
    now[0] = 99
    assert not clock.fits(1)
    assert clock.left == 1


class Counted(ImageProtection):
    """Adds to a picture how many came with it: a result that depends on the batch."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.seen: list[int] = []

    def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
        self.seen.append(len(x))
        return (0 * x + (len(x) + self.seed) / 255).clamp(0, 1)


def test_a_picture_is_protected_once_and_the_warmed_batches_count() -> None:
    faces, inner = tiny.faces(10), Counted()
    pipeline = Pipeline(tiny.recognizer(), Once(inner))
    warmed(pipeline, faces, batch=8)
    assert inner.seen == [8, 2]
    again = pipeline.images(faces[3:])
    assert inner.seen == [8, 2]
    assert torch.equal(again[0], torch.full_like(again[0], 8 / 255))
    assert torch.equal(again[-1], torch.full_like(again[-1], 2 / 255))


def test_another_key_is_another_memory_and_the_same_key_the_same() -> None:
    once = Once(Counted())
    faces = tiny.faces(2)
    assert once.rekeyed(1) is once.rekeyed(1)
    mine, theirs = once(faces.images, faces), once.rekeyed(1)(faces.images, faces)
    assert not torch.equal(mine, theirs)
    assert torch.equal(once(faces.images, faces), mine)


def test_the_memory_gives_what_the_protection_gives_and_lets_gradients_pass() -> None:
    faces, r = tiny.faces(4), tiny.recognizer()
    for protection in (PMT(steps=2).fit(None, r), WhiteNoise(0.1)):
        plain, kept = Pipeline(r, protection), Pipeline(r, Once(protection))
        assert torch.equal(plain.images(faces), kept.images(faces))
    wanted = faces.images.clone().requires_grad_(True)
    Once(WhiteNoise(0.1))(wanted, faces).sum().backward()
    assert wanted.grad is not None


@pytest.mark.parametrize(
    ("text", "parts"),
    [("PMT(steps=3)@5", ("PMT(steps=3)", 5)), (" PMT() @ 12 ", ("PMT()", 12)), ("JPEG(50)", ("JPEG(50)", None))],
)
def test_a_spec_may_end_in_a_cut(text: str, parts: tuple[str, int | None]) -> None:
    assert separated(text) == parts
