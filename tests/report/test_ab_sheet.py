"""The two-alternative sheet: its pictures and sides, that it reaches no network, and its scoring, run by node."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
import tiny
import torch

from bauta.errors import ShapeError
from bauta.faces.images import decode
from bauta.metrics import wilson
from bauta.ops.quantize import to_8bit
from bauta.report.ab_sheet import Sheet, ab_sheet, masked

COUNT = 12
FOUND, SAME, OTHER = (tiny.pictures(COUNT, seed=seed) for seed in (1, 2, 3))


class Pictures(HTMLParser):
    """Everything that a page points at, and the sides of its choices."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.pointers: list[str] = []
        self.sides: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.pointers += [str(value) for name, value in attrs if name in ("src", "href", "action", "srcset", "data")]
        if tag == "img":
            self.sources.append(str(given["src"]))
        if tag == "input":
            self.sides.append((str(given["name"]), str(given["value"])))


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    return ab_sheet(FOUND, SAME, OTHER, seed=5, title="Whose <face>?")


def test_every_question_has_its_three_pictures_on_the_sides_that_the_key_says(sheet: Sheet) -> None:
    parsed = Pictures(sheet.page)
    assert sorted(sheet.order) == list(range(COUNT))
    assert len(sheet.key) == COUNT
    seen = [decode(base64.b64decode(s.partition(",")[2]), "page").image for s in parsed.sources]
    for row, side, shown in zip(sheet.order, sheet.key, [seen[i : i + 3] for i in range(0, 36, 3)], strict=True):
        photos = (SAME[row], OTHER[row]) if side == "L" else (OTHER[row], SAME[row])
        for picture, right in zip(shown, (FOUND[row], *photos), strict=True):
            assert torch.equal(picture, to_8bit(right))
    assert parsed.sides == [(f"q{n}", side) for n in range(COUNT) for side in "LR"]


def test_sides_and_order_follow_the_seed_and_are_mixed(sheet: Sheet) -> None:
    assert ab_sheet(FOUND, SAME, OTHER, seed=5, title="Whose <face>?") == sheet
    other = ab_sheet(FOUND, SAME, OTHER, seed=6)
    assert other.order != sheet.order
    assert other.key != sheet.key
    keys = "".join(ab_sheet(FOUND, SAME, OTHER, seed=seed).key for seed in range(20))
    assert 0.4 < keys.count("L") / len(keys) < 0.6


def test_the_page_reaches_nothing_outside_and_does_not_say_the_key(sheet: Sheet) -> None:
    parsed = Pictures(sheet.page)
    assert all(pointer.startswith("data:image/png;base64,") for pointer in parsed.pointers)
    plain = re.sub(r"base64,[^\"]*", "", sheet.page)
    assert not re.search(r"https?:|//[a-z]|fetch|XMLHttp|import|url\(|@font", plain)
    assert "default-src 'none'" in plain
    assert "Whose &lt;face&gt;?" in plain
    assert "{{" not in plain
    assert sheet.key not in plain
    assert "".join(f"{ord(side):02x}" for side in sheet.key) not in plain
    # equal sides do not look equal
    assert len(set(re.findall("..", masked("L" * 64, 12345)))) > 20


def run(page: str, code: str) -> object:
    """What the page's own script says, by node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    told = subprocess.run(
        [node, "-e", f"{script}\nconsole.log(JSON.stringify({code}))"], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def test_the_page_scores_as_the_key_and_wilson_say(sheet: Sheet) -> None:
    assert run(sheet.page, "sides(KEY, START)") == list(sheet.key)
    for right in (COUNT, 7, 0):
        answers = [s if n < right else "LR".replace(s, "") for n, s in enumerate(sheet.key)]
        found = run(sheet.page, f"verdict({json.dumps(answers)})")
        assert isinstance(found, dict)
        assert (found["right"], found["marks"]) == (right, [n < right for n in range(COUNT)])
        own = wilson(right, COUNT)
        percent = [f"{100 * x:.1f}" for x in (own.value, own.low, own.high)]
        assert f"{right} of {COUNT} right, {percent[0]} % [{percent[1]}, {percent[2]}]" in found["text"]
    says = [run(sheet.page, f"wilson({right}, 40)") for right in (0, 11, 40)]
    for (low, high), right in zip(says, (0, 11, 40), strict=True):  # type: ignore[misc]
        assert (low, high) == pytest.approx((wilson(right, 40).low, wilson(right, 40).high), abs=1e-9)


def test_nothing_is_said_before_all_are_answered(sheet: Sheet) -> None:
    some = [*sheet.key[:-2], None, None]
    assert run(sheet.page, f"verdict({json.dumps(some)})") == {"text": "Answer all of them first; 2 are open."}


def test_sheets_need_three_pictures_of_each() -> None:
    with pytest.raises(ShapeError, match=r"12, 11 and 12"):
        ab_sheet(FOUND, SAME[:-1], OTHER, seed=0)
    with pytest.raises(ShapeError):
        ab_sheet(FOUND[:0], SAME[:0], OTHER[:0], seed=0)
