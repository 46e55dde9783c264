"""The page in a real browser: Chromium where it is installed, driven by playwright, against a real server."""

from __future__ import annotations

import io
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from bauta.web.server import Server
from bauta.zoo.ours import OURS

from .conftest import listening

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
Page = playwright.Page
expect = playwright.expect

pytestmark = pytest.mark.browser
SECONDS = 150_000  # ms: a machine may be busy


@pytest.fixture(scope="session")
def browser() -> Iterator[playwright.Browser]:
    """Chromium by its path."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium: install Debian's package chromium")
    rootless = [] if os.getuid() else ["--no-sandbox"]  # its sandbox refuses root
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=rootless)
        yield chromium
        chromium.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser wrote to the page's console; a refused upload is a line of its own there."""
    return []


@pytest.fixture
def page(browser: playwright.Browser, server: Server, complaints: list[str]) -> Iterator[Page]:
    """The page, opened as a user opens it; at the end nothing may be left to complain of."""
    context = browser.new_context(accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(SECONDS)
    expect.set_options(timeout=SECONDS)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.goto(server.url)
    opened.wait_for_selector("body[data-ready]")
    yield opened
    opened.evaluate("fetch('/api/wipe', {method: 'POST', headers: {'x-bauta-token': sessionStorage['bauta-token']}})")
    context.close()
    assert [line for line in complaints if "422" not in line] == []


def dropped(page: Page, files: list[Path]) -> None:
    """Drop files onto the page as a mouse does."""
    contents = [{"name": file.name, "bytes": list(file.read_bytes())} for file in files]
    data = page.evaluate_handle(
        """files => files.reduce((data, {name, bytes}) => {
            data.items.add(new File([new Uint8Array(bytes)], name));
            return data;
        }, new DataTransfer())""",
        contents,
    )
    page.dispatch_event("#drop", "dragover", {"dataTransfer": data})
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})


def test_from_drop_to_download(page: Page, pictures: list[Path], tmp_path: Path) -> None:
    """Two photos and a broken one, one face left out again and taken in, protected, compared, saved."""
    assert "token" not in page.url
    broken = tmp_path / "<img src=x onerror=alert(1)>.png"
    broken.write_text("dear diary")
    page.check("#aligned")
    dropped(page, [*pictures[:2], broken])
    expect(page.locator("#photos .caption")).to_have_count(2)
    expect(page.locator("#refused li")).to_have_count(1)
    expect(page.locator("#refused li")).to_have_text(re.compile(re.escape(f"{broken.name} is not a picture")))
    assert page.locator("#refused img").count() == 0
    first = page.get_by_role("button", name="Face 1 of 1 in face 0.png")
    first.click()
    expect(first).to_have_attribute("aria-pressed", "false")
    expect(page.locator("#start")).to_have_text("Protect 1 face")
    first.click()
    expect(page.locator("#start")).to_have_text("Protect 2 faces")
    page.select_option("#steps", "20")
    page.click("#start")
    expect(page.locator("#result")).to_be_visible(timeout=SECONDS)
    expect(page.locator("#news")).to_have_text("Protect 2 faces in 2 photos for bauta-residual: done.")
    expect(page.locator(".verdict")).to_contain_text(re.compile("bauta-residual accepts [0-2] of 2"))
    expect(page.locator("#result tbody tr")).to_have_count(len(OURS))
    expect(page.locator(".thumb")).to_have_count(2)
    slider = page.get_by_role("slider")
    assert page.locator("img.after").evaluate("e => e.style.clipPath") == "inset(0px 50% 0px 0px)"
    slider.press("End")
    assert page.locator("img.after").evaluate("e => e.style.clipPath").startswith("inset(0px")
    assert slider.get_attribute("aria-valuetext") == "100 % result, 0 % original"
    with page.expect_download() as download:
        page.click("#save-zip")
    archive = zipfile.ZipFile(download.value.path())
    assert archive.namelist() == ["face 0.png", "face 1.png", "bauta.json"]
    assert Image.open(io.BytesIO(archive.read("face 0.png"))).size == (112, 112)


def test_by_keyboard_alone(page: Page, pictures: list[Path]) -> None:
    """Everything is reached by Tab, and worked by Space, Enter and arrows."""
    # from now on Chromium tells of it: asked for right before the key it may be late
    page.on("filechooser", lambda _: None)
    page.set_input_files("#files", [])
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        if "aligned" in reached:
            break
    assert {"skip", "to-work", "to-reports", "wipe", "files", "aligned"} <= reached
    page.keyboard.press("Space")
    assert page.is_checked("#aligned")
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#files")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(pictures[:2])
    expect(page.locator("#photos .caption")).to_have_count(2)
    page.focus("#aligned")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator(".face").first).to_have_attribute("aria-pressed", "false")
    assert page.locator(".face").first.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # takes the first photo away; the focus goes on to the next one's button
    expect(page.locator("#photos .caption")).to_have_count(1)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Take face 1.png away"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#start")).to_have_text("Learn a mask from 1 photo")
    expect(page.locator("#start-hint")).to_have_text("A mask needs at least two photos of its person.")
    page.keyboard.press("ArrowUp")
    here = ""
    for _ in range(30):  # a stop for each recognizer that is here
        page.keyboard.press("Tab")
        here = page.evaluate("document.activeElement.id")
        if here == "steps":
            page.keyboard.press("ArrowUp")
            expect(page.locator("#steps")).to_have_value("20")
        if here == "start":
            break
    assert here == "start"
    page.keyboard.press("Enter")
    expect(page.locator("#jobs li[data-state=done]")).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#result-title")).to_be_focused()


def test_a_reload_in_the_middle_and_then_cancel(page: Page, pictures: list[Path], server: Server) -> None:
    page.check("#aligned")
    page.set_input_files("#files", pictures)
    expect(page.locator("#photos .caption")).to_have_count(4)
    page.check("input[value=learn]")
    page.fill("#epochs", "200")
    page.fill("#variants", "16")
    page.click("#start")
    status = page.locator("#jobs .status")
    expect(status).to_contain_text(re.compile("[1-9][0-9]* of 3200 epochs, about"))
    page.reload()
    page.wait_for_selector("body[data-ready]")
    expect(page.locator("#photos .caption")).to_have_count(4)
    expect(page.locator("#jobs li[data-state=running]")).to_have_count(1)
    expect(status).to_contain_text(re.compile("[1-9][0-9]* of 3200 epochs"))
    assert float(page.locator("progress").get_attribute("value") or 0) > 0
    page.get_by_role("button", name=re.compile("^Cancel")).press("Enter")
    expect(page.locator("#jobs li[data-state=canceled]")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("^Take away: Learn"))).to_be_focused()
    for _ in range(50):
        left = list((server.private.folder / "jobs").iterdir())
        if not left:
            break
        page.wait_for_timeout(100)
    assert left == []


def test_a_report_is_shown_and_does_nothing(page: Page, complaints: list[str]) -> None:
    page.click("#to-reports")
    page.get_by_role("button", name="Read pmt").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("Verdicts")
    assert frame.locator("h1").evaluate("e => getComputedStyle(e).color") == "rgb(1, 2, 3)"
    expect(frame.locator("#p")).to_have_text("untouched")  # its script is not ours
    for _ in range(100):  # the console's lines come when they come
        if complaints:
            break
        page.wait_for_timeout(100)
    assert "inline script" in complaints.pop()
    page.locator("summary").click()
    expect(page.locator("pre")).to_contain_text('"<b>bold</b>"')
    with page.expect_download() as download:
        page.get_by_role("button", name="Save rows.csv").click()
    assert download.value.path().read_text() == "attack,leak\nmirror,0.5\n"


def test_without_the_token_there_is_nothing(browser: playwright.Browser, server: Server) -> None:
    for address in ("", "#token=wrong"):
        page = browser.new_page()
        page.set_default_timeout(SECONDS)
        page.goto(f"http://127.0.0.1:{server.port}/{address}")
        expect(page.locator("#locked")).to_be_visible()
        expect(page.locator("#work")).to_be_hidden()
        page.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(page: Page, width: int, scheme: str) -> None:
    """No sideways scrolling at either width, every field has a name, and text stands out by 4.5 to 1 (WCAG AA)."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 740})
    for task in ("protect", "learn", "apply"):
        page.check(f"input[value={task}]")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for field in page.locator("input:visible, select:visible, button:visible").all():
            name = field.evaluate("e => e.ariaLabel || e.labels?.[0]?.innerText || e.innerText")
            assert name.strip(), field
    worst = page.evaluate(
        """() => {
        const parts = (color) => color.match(/[\\d.]+/g).map(Number);
        const light = (rgb) => {
            const straight = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
            const [r, g, b] = rgb.slice(0, 3).map((v) => straight(v / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const under = (e) => {
            for (; e; e = e.parentElement) {
                const color = parts(getComputedStyle(e).backgroundColor);
                if (color.length === 3 || color[3] > 0) return color;
            }
            return [255, 255, 255];
        };
        const texts = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility()
            && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()));
        return texts.map((e) => {
            const [a, b] = [light(parts(getComputedStyle(e).color)), light(under(e))];
            return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.slice(0, 40)];
        }).sort((a, b) => a[0] - b[0])[0];
        }"""
    )
    assert worst[0] >= 4.5, worst


@pytest.mark.mirror
def test_real_photos(
    browser: playwright.Browser, home: Path, given_mirror: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faces are found and marked where they are; only the authorized recognizer accepts the chosen one."""
    if given_mirror is None:
        pytest.skip("needs real weights and faces: set BAUTA_MIRROR to a folder that holds them")
    mirror = Path(given_mirror)
    monkeypatch.setenv("BAUTA_MIRROR", given_mirror)
    real = Server(device="cpu")
    thread = listening(real)
    try:
        page = browser.new_page()
        page.set_default_timeout(SECONDS)
        expect.set_options(timeout=SECONDS)
        page.goto(real.url)
        page.wait_for_selector("body[data-ready]")  # before it, nobody listens to the files
        page.set_input_files("#files", mirror / "photos" / "deepface_couple.jpg")
        expect(page.locator(".face")).to_have_count(2)
        boxes = [face.bounding_box() for face in page.locator(".face").all()]
        stage = page.locator(".stage").bounding_box()
        assert stage is not None
        for box in boxes:
            assert box is not None
            assert stage["x"] <= box["x"] < box["x"] + box["width"] <= stage["x"] + stage["width"] + 1
            assert 0.1 < box["width"] / stage["width"] < 0.4
        page.get_by_role("button", name="Face 2 of 2").click()
        page.click("#start")
        expect(page.locator("#result")).to_be_visible(timeout=2 * SECONDS)
        verdict = page.locator(".verdict").text_content() or ""
        assert "mobilefacenet-casia accepts 1 of 1." in verdict
        assert f"Of {3 + len(OURS)} other recognizers" in verdict
        expect(page.locator("#result tbody tr")).to_have_count(4 + len(OURS))
        expect(page.locator(".note")).to_contain_text("deepface_couple_face1.png")
    finally:
        real.stop()
        thread.join(30)
