"""The report as a file: sound HTML that reaches nothing, escapes everything, and says what its document says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tiny

from bauta.errors import BadFile
from bauta.faces.images import encode_png
from bauta.metrics.base import Interval
from bauta.report.markup import VOID
from bauta.report.page import page
from bauta.report.sections import LEVELS
from bauta.study.audit.document import (
    Curve,
    Document,
    GalleryRow,
    Histogram,
    Line,
    Picture,
    Point,
    Threat,
    Verdict,
)
from bauta.study.audit.threats import THREATS
from bauta.study.audit.verdicts import HOLDS, OPEN, WORDS
from bauta.study.sanity import Flag
from bauta.study.tables.base import Table

HOSTILE = "<script>alert('1')</script>\"><img src=x onerror=y>{{SCRIPT}}"
WORST, BARE = Interval(0.8312, 0.7, 0.9, 40), Interval(0.99, 0.95, 1.0, 40)


def document(name: str = HOSTILE, pictures: tuple[str, ...] = ()) -> Document:
    """Everything that a page can show, under one name."""
    return Document(
        title=name,
        made=name,
        summary=[name],
        verdicts=[
            Verdict(threat, name, word, f"{name} is {word}.", name, "aware", "picture", WORST, BARE)
            for threat, word in zip((*THREATS, name), WORDS, strict=True)
        ],
        points=[
            Point(name, Interval(0.9123, 0.8, 0.95, 9), WORST, "picture", name),
            Point("bare", Interval(0.96, 0.9, 0.99, 9), BARE, "identity", "Linkage()", bare=True),
        ],
        curves=[
            Curve(name, name, name, "TAR", [Line(name, [0.01, 0.1, 1.0], [0.31416, 0.7, 1.0])], True, True, name),
            Curve("depth", name, "cut", name, [Line(name, [1.0, 2.0], [0.5, 0.6], [0.4, 0.5], [0.6, 0.7])]),
        ],
        histograms=[Histogram(name, name, [-1.0, 0.0, 1.0], [3, 7], [8, 2], 0.25)],
        gallery=[
            GalleryRow(name, label, [Picture(file, name, {name: "0.42"}) for file in pictures])
            for label in ("original", name)
            if pictures
        ],
        threats=[
            Threat(name, name, name, name, name, name),
            Threat("Map2V()", "", "", "", "", run=False, why_not=name),
        ],
        tables=[Table(name, name, name, [{name: name, "x": WORST}, {name: None, "x": BARE}], 4)],
        flags=[Flag(name, name)],
        cuts=[name],
        absent=[(name, name)],
        settings={name: {name: [1, name]}, "seed": 7, "none": None},
        versions={"bauta": "0.1.0", name: name},
        weights={name: "ab" * 32},
    )


class Parsed(HTMLParser):
    """A page's elements, its text, and whether every element that was opened was closed in turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[int] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text.append(data)

    def every(self, attribute: str) -> list[str]:
        """All values of an attribute."""
        return [str(attrs[attribute]) for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("report")
    for number, picture in enumerate(tiny.pictures(3)):
        (place / f"{number}.png").write_bytes(encode_png(picture))
    return place


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return page(document(pictures=("0.png", "1.png", "2.png")), folder)


def test_the_html_is_sound(text: str) -> None:
    parsed = Parsed(text)
    ids = parsed.every("id")
    assert len(set(ids)) == len(ids)
    assert {link.removeprefix("#") for link in parsed.every("href")} <= set(ids)
    for named in parsed.every("aria-labelledby"):
        assert set(named.split()) <= set(ids)
    assert parsed.headings[0] == 1
    assert parsed.headings.count(1) == 1
    steps = zip(parsed.headings[:-1], parsed.headings[1:], strict=True)
    assert all(after <= before + 1 for before, after in steps)
    assert dict(parsed.tags)["html"]["lang"] == "en"
    tables = [attrs for tag, attrs in parsed.tags if tag == "table"]
    assert len([tag for tag, _ in parsed.tags if tag == "caption"]) == len(tables) > 5
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        root = ElementTree.fromstring(svg)
        assert root.get("aria-hidden") == "true" or root.get("role") == "img"


def test_the_page_reaches_nothing(text: str) -> None:
    plain = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]*", "", text).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|url\(|@import|@font|fetch\(|XMLHttp|WebSocket|import\(|eval\(", plain)
    parsed = Parsed(text)
    assert all(source.startswith("data:image/png;base64,") for source in parsed.every("src"))
    assert all(link.startswith("#") for link in parsed.every("href"))
    assert {tag for tag, _ in parsed.tags} & {"link", "iframe", "object", "embed", "form", "base", "audio"} == set()
    assert not any(name == "style" or name.startswith("on") for _, attrs in parsed.tags for name in attrs)


def test_the_policy_lets_in_the_pages_own_style_and_script_alone(text: str) -> None:
    ((policy,),) = [
        (attrs["content"],) for _, attrs in Parsed(text).tags if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    for what in ("style", "script"):
        sources = re.findall(rf"<{what}>(.*?)</{what}>", text, re.DOTALL)
        hashed = [base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() for source in sources]
        assert rules.pop(f"{what}-src") == " ".join(f"'sha256-{one}'" for one in hashed)
        assert len(hashed) == 1
    assert rules == {
        "default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"
    }  # fmt: skip


def test_a_name_from_a_row_stays_a_name_wherever_it_stands(text: str, folder: Path) -> None:
    tame, wild = (Parsed(page(document(name, ("0.png",)), folder)) for name in ("QQ", HOSTILE))
    assert [tag for tag, _ in wild.tags] == [tag for tag, _ in tame.tags]
    assert "".join(wild.text).count(HOSTILE) == "".join(tame.text).count("QQ") > 40
    assert "alert('1')</script>" not in text
    assert "{{SCRIPT}}" in unescape(text)


def test_numbers_are_those_of_the_document(text: str) -> None:
    words = re.sub(r"\s+", " ", " ".join(Parsed(text).text))
    assert words.count("worst leak of picture 0.83 [0.70, 0.90]") == len(WORDS)
    assert "utility 0.91 [0.80, 0.95], worst leak 0.83 [0.70, 0.90] (picture)" in words
    assert "0.8312 [0.7000, 0.9000]" in words, "a table has the digits that it asks for"
    assert "0.912 [0.800, 0.950]" in words, "the frontier's points, as a table"
    assert "0.3142" in words, "a curve's points, as a table"
    assert "0.5000 [0.4000, 0.6000]" in words
    sorted_by = {float(str(attrs["data-value"])) for tag, attrs in Parsed(text).tags if "data-value" in attrs}
    assert {0.8312, 0.9123, 0.31416, 7.0, 8.0} <= sorted_by, "for sorting no digit is lost"
    assert "ab" * 32 in words
    assert f"{HOSTILE}, {HOSTILE} 1, {HOSTILE}" in words, "settings within settings"


def test_deep_settings_are_folded_and_all_there() -> None:
    settings = {"seed": 7, "plan": {"pairs": {"a, b": 60, "c": {}}, "steps": 30}, "empty": []}
    text = page(replace(document("QQ"), settings=settings))
    (folded,) = re.findall(r"<details><summary>1 line of detail</summary>(.*?)</details>", text)
    assert "plan, pairs, a, b" in folded
    assert "60" in folded
    assert "plan, steps" in text
    assert "plan, steps" not in folded


def test_a_verdict_is_said_in_words_and_in_an_outline(text: str, folder: Path) -> None:
    assert set(LEVELS) == set(WORDS)
    words = " ".join(Parsed(text).text)
    for word in WORDS:
        assert f"{HOSTILE}: {word}" in words
        assert f"{HOSTILE} is {word}." in words
    outlines = set()
    for word in (OPEN, HOLDS):
        only = replace(document(), verdicts=[v for v in document().verdicts if v.word == word])
        outlines |= set(re.findall(r'class="icon"[^>]*><path d="([^"]+)"', page(only, folder)))
    assert len(outlines) == 2
    unknown = replace(document(), verdicts=[replace(document().verdicts[0], word="brand new", worst=None)])
    assert 'class="verdict unknown"' in page(unknown)


def test_pictures_go_into_the_page_and_can_be_left_out(text: str, folder: Path) -> None:
    images = [attrs for tag, attrs in Parsed(text).tags if tag == "img"]
    told = [base64.b64decode(str(image["src"]).partition(",")[2]) for image in images]
    assert told == 2 * [(folder / f"{n}.png").read_bytes() for n in range(3)]
    assert [image["alt"] for image in images] == 3 * [f"original: {HOSTILE}"] + 3 * [f"{HOSTILE}: {HOSTILE}"]
    assert "".join(Parsed(text).text).count("0.42") == 6
    without = page(replace(document(), faces_left_out=True), folder)
    assert "<img" not in without
    assert "data:image" not in re.sub("img-src data:", "", without)
    assert "without faces" in without
    hole = page(document("A", ("", "1.png")), folder)
    assert hole.count("<img") == 2, "who was not attacked has an empty place"


def test_a_picture_is_a_png_of_the_reports_own_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "no.png").write_text("<svg onload=x>")
    (folder / "far.png").symlink_to(tmp_path / "elsewhere.png")
    (tmp_path / "elsewhere.png").write_bytes((folder / "0.png").read_bytes())
    for file in ("no.png", "missing.png", "../elsewhere.png", str(tmp_path / "elsewhere.png"), "far.png"):
        with pytest.raises(BadFile):
            page(document("A", (file,)), folder)


def test_what_there_is_nothing_of_is_not_headed() -> None:
    empty = Document("T", "", [], [], [], [], [], [], [], [], [], [], [], {}, {}, {})
    parsed = Parsed(page(empty))
    assert parsed.headings == [1, 2]
    assert [attrs.get("id") for tag, attrs in parsed.tags if tag == "section"] == ["reading"]


def test_many_figures_are_folded_and_the_page_stays_sound() -> None:
    made = document("A")
    many = replace(made, curves=[replace(made.curves[1], title=f"curve {n}") for n in range(20)])
    parsed = Parsed(page(many))
    assert "14 more" in "".join(parsed.text)
    assert len(set(parsed.every("id"))) == len(parsed.every("id"))
    assert all(f"curve {n}" in "".join(parsed.text) for n in range(20))


def test_the_script_sorts_numbers_as_numbers_with_words_last(text: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    cells = [{"v": "10"}, {"t": "-"}, {"v": "9.5"}, {"v": "-1e-3"}, {"t": "b10"}, {"t": "b9"}]
    made = json.dumps(
        [{"dataset": {"value": c["v"]} if "v" in c else {}, "textContent": c.get("t", "")} for c in cells]
    )
    code = (
        f"const document = {{ querySelectorAll: () => [] }};\n{script}\n"
        f"const made = {made};\n"
        "console.log(JSON.stringify([...made].sort(order).map(cell => made.indexOf(cell))));"
    )
    told = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == [3, 2, 0, 1, 5, 4]


def test_the_same_document_gives_the_same_bytes(text: str, folder: Path) -> None:
    assert page(document(pictures=("0.png", "1.png", "2.png")), folder) == text
