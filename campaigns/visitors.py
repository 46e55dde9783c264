"""Who should not get an answer from the page, or not at the cost of others; what came is counted."""

from __future__ import annotations

import contextlib
import io
import socket
import string
import struct
import time
import zipfile
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random

from PIL import Image

from bauta.web.options import PHOTOS
from bauta.web.security import COMMON, OUR_POLICY, REPORT_POLICY, TOKEN
from campaigns import pictures
from campaigns.pages import METHODS, NAMES, ROUTES
from campaigns.served import Answer, Served

REFUSED = frozenset(range(400, 500)) | {0}  # 0: closed without a word
ANSWERED = frozenset({200})
EVIL = ("evil.example", "null", "http://evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", "[::1]")


@dataclass
class Tally:
    """What came of one kind of visitor. others: the longest that somebody else waited. memory: by how many bytes the
    page's processes grew at most. slowest: of its own answers, in seconds."""

    name: str
    tries: int = 0
    refused: int = 0
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0
    others: float = 0.0
    memory: int = 0
    seconds: float = 0.0
    left_out: str = ""

    def count(self, answer: Answer, allowed: Collection[int], what: str) -> Answer:
        """Judge an answer by its status and by the headers that every answer has."""
        self.tries += 1
        self.slowest = max(self.slowest, answer.seconds)
        if answer.status in REFUSED:
            self.refused += 1
        else:
            self.answered += 1
        if answer.status not in allowed or answer.status >= 500:
            self.failures.append(f"{what}: {answer.status} {answer.body[:120]!r}")
        elif answer.status and (lacks := [n for n, value in COMMON.items() if answer.headers.get(n) != value]):
            self.failures.append(f"{what}: the answer {answer.status} lacks {', '.join(lacks)}")
        elif answer.status and answer.headers.get("content-security-policy") not in (OUR_POLICY, REPORT_POLICY):
            self.failures.append(f"{what}: the answer {answer.status} has no content security policy")
        return answer


Visit = Callable[[Served, Random, int, Tally], None]

STEPS = ("..", "%2e%2e", "%252e%252e", "..%2f", "..\\", "%c0%ae%c0%ae", ".%00.", "....//", "%5c..", ";/..", ".", "")
GOALS = ("etc/passwd", "app.py", "security.py", "../app.py", "lock", "original", "proc/self/environ", "index.html")
ROOTS = ("/static/", "/", "//", "/static", "/report/", "/api/", "/API/", "/%61pi/", "/./api/", "/api//", "/x/../api/")


def paths(page: Served, draw: Random, tries: int, tally: Tally) -> None:
    """Paths that lead out of the folder, in raw request lines, and ways around the token. Nobody here has it."""
    shell = {page.ask("GET", path).body for path in ("/", "/static/main.js", "/static/style.css")}
    for _ in range(tries):
        steps = "/".join(draw.choice(STEPS) for _ in range(draw.randrange(7)))
        target = draw.choice(ROOTS) + steps + draw.choice(("/", "")) + draw.choice((*GOALS, *NAMES))
        if draw.random() < 0.3:
            target = draw.choice(ROUTES).partition(" ")[2].replace("/api", draw.choice(ROOTS[2:]), 1)
        kind = draw.random()
        if kind < 0.1:
            target = f"http://{draw.choice((page.host, 'evil.example'))}{target}"
        elif kind < 0.15:
            target += draw.choice((" HTTP/1.1\r\nX: ", "\t", "#x", "?a=../../etc/passwd", "\0", "\xe9", " " * 9000))
        method = "GET" if draw.random() < 0.8 else draw.choice(METHODS)
        version = draw.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "x", ""))
        head = f"{method} {target} {version}\r\nHost: {page.host}\r\nOrigin: http://{page.host}\r\nConnection: close"
        answer = tally.count(page.raw(head.encode("latin-1") + b"\r\n\r\n"), REFUSED | ANSWERED, head[:90])
        if answer.status == 200 and answer.body not in shell and method != "HEAD":
            tally.failures.append(f"{head[:90]!r} was answered with {answer.body[:80]!r}")


def tokens(page: Served, draw: Random, tries: int, tally: Tally) -> None:
    """Guesses of the token, many of them nearly right."""
    letters = string.ascii_letters + string.digits + "-_"
    for turn in range(tries):
        token, at = page.token, draw.randrange(len(page.token))
        other = draw.choice(letters.replace(token[at], ""))
        guess = draw.choice(
            (
                "".join(draw.choices(letters, k=43)),
                token[:at],
                token[at:] if at else "",
                token[:at] + other + token[at + 1 :],
                token + other,
                token.swapcase(),
                "\xff" * draw.choice((1, 43, 3000)),
                token[::-1] + "\xe9",
            )
        )
        path = draw.choice(("/api/options", "/api/photos", "/api/events", "/api/reports"))
        if turn % 20:
            answer = page.ask("GET", path, b"", **{TOKEN: guess})
        else:  # in the address, where it does not belong, or in a header that is there twice
            twice = f"{token[:at]}\r\n{TOKEN}: {token[at:]}{other}"
            answer = page.ask("GET", f"{path}?token={token}", b"", **{TOKEN: draw.choice((None, twice))})
        tally.count(answer, {401}, f"token {guess[:60]!r}")


def rebinding(page: Served, draw: Random, tries: int, tally: Tally) -> None:
    """Hosts that are not this one, from somebody who has the token: a name that was made to point here."""
    names = (*EVIL, f"evil.example:{page.port}", f"127.0.0.1:{page.port}.evil.example", f"127.0.0.1:{page.port}@x", "")
    for _ in range(tries):
        path = draw.choice(("/", "/static/main.js", "/api/photos", "/api/options"))
        host = draw.choice((*names, None, f"{page.host}\r\nHost: evil.example", f"[::1]:{page.port}", "2130706433"))
        allowed = {421, 400}  # 400: two of them, or none, are no HTTP
        tally.count(page.ask("GET", path, Host=host), allowed, f"Host {host!r}")


def origins(page: Served, draw: Random, tries: int, tally: Tally) -> None:
    """What another site in the browser can send, even with the token."""
    for _ in range(tries):
        method, path = (
            draw.choice(("POST", "DELETE", "PUT", "GET")),
            draw.choice(("/api/wipe", "/api/jobs", "/api/photos")),
        )
        https, localhost = f"https://{page.host}", f"http://localhost:{page.port}"
        sites = ("cross-site", "same-site", "none", "x")
        choices: tuple[dict[str, str | None], ...] = (
            {"Origin": draw.choice((*EVIL, https, localhost, f"http://{page.host}.evil.example", "", page.host))},
            {"Sec-Fetch-Site": draw.choice(sites)},
            {"Origin": f"http://{page.host}\r\nOrigin: http://evil.example"},
            {"Origin": "null" if method == "GET" else None},
        )
        wrong = draw.choice(choices)
        tally.count(page.ask(method, path, b"{}", **wrong), {403}, f"{method} {path} with {wrong}")


def bombs(page: Served, draw: Random, tries: int, tally: Tally) -> None:
    """Uploads that unpack to much more than themselves, or say that they do."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("me.png", "../../me.png", "data.pkl"):
            made.writestr(name, bytes(50 << 20))
    black = pictures.large()
    makers: tuple[Callable[[], bytes], ...] = (
        archive.getvalue,
        lambda: flat(7_700, 7_700, 6),  # 59 million pixels, which is taken
        lambda: flat(7_700, 7_700, 2),
        lambda: flat(8_000, 8_000, 2),
        lambda: flat(60_000, 60_000, 0),
        lambda: flat(draw.choice((1, 2**31 - 1)), 2**31 - 1, 2),
        lambda: black,
        lambda: black[: len(black) // 2],
        lambda: pictures.crooked_png(draw),
        lambda: pictures.crooked_jpeg(draw),
        lambda: pictures.FORMATS["gif"][1](draw),
        lambda: pictures.FORMATS["tiff"][1](draw),
        lambda: pictures.FORMATS["webp"][1](draw),
    )
    for turn in range(tries):
        content = makers[turn % len(makers)]()
        path = "/api/masks" if draw.random() < 0.2 else f"/api/photos?aligned={draw.choice(('true', 'false'))}"
        if len(content) > 25 << 20:
            continue
        what = f"bomb {turn % len(makers)} of {len(content):,} bytes to {path}"
        answer = tally.count(page.upload(content, "bomb.png", path), REFUSED | ANSWERED, what)
        if answer.status == 200:
            page.ask("DELETE", f"{path.partition('?')[0]}/{answer.json['id']}")


def flat(width: int, height: int, color: int) -> bytes:
    """A PNG of one color; where it is beyond what anybody takes, its header alone is true."""
    row = 1 + width * {0: 1, 2: 3, 6: 4}[color]
    size = row * height if width * height < 10**8 else 1000
    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    parts = (pictures.chunk(b"IHDR", head), pictures.chunk(b"IDAT", pictures.zeros(size)), pictures.chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


SLOW = 15.0  # seconds that a slow client takes its time before it is asked whether it was let go


def slow(page: Served, draw: Random, tries: int, tally: Tally) -> None:
    """Connections that say nothing, heads that come a byte at a time, and bodies that stop: more than the page may have
    files open. Those of people without the token must be let go, and everybody else be answered."""
    opened = list[socket.socket]()
    head = f"GET / HTTP/1.1\r\nHost: {page.host}\r\nX-A: ".encode()
    body = page.request("POST", "/api/photos", b"", **{"Content-Length": "1000000"})
    starts = (b"", b"GET", head, head + b"b" * 3000, body + b"x" * 10)
    try:
        for turn in range(tries):
            with contextlib.suppress(OSError):
                made = page.connect(10)
                opened.append(made)
                made.sendall(starts[-1] if turn % 40 == 0 else draw.choice(starts[:-1]))
        began = time.monotonic()
        answer = page.ask("GET", "/api/options")
        tally.count(answer, ANSWERED, f"while {len(opened)} were half open")
        tally.count(page.upload(small()), ANSWERED, "an upload while others are half open")
        while time.monotonic() - began < SLOW:
            for one in draw.sample(opened, min(100, len(opened))):
                with contextlib.suppress(OSError):
                    one.sendall(b"a")
            time.sleep(0.5)
        tally.count(page.ask("GET", "/api/options"), ANSWERED, f"after {SLOW} s of {len(opened)} slow clients")
        held = sum(alive(one) for one in opened)
        tally.tries += len(opened)
        tally.refused += len(opened) - held
        if held > len(opened) // 20:  # bodies with the token may take longer
            tally.failures.append(f"{held} of {len(opened)} slow clients are still held after {SLOW:.0f} s")
    finally:
        for one in opened:
            one.close()
    page.ask("POST", "/api/wipe")


def alive(one: socket.socket) -> bool:
    """Whether the other side still holds a connection open."""
    one.setblocking(False)
    try:
        while came := one.recv(4096):
            del came
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def small(seed: int = 0) -> bytes:
    """An aligned picture."""
    return pictures.saved(pictures.scene(112, 112, seed), "PNG")


LONG = 600.0  # seconds for the last of a crowd, whose photos are looked at one by one


def crowd(page: Served, draw: Random, tries: int, tally: Tally) -> None:
    """All at once: uploads, of which as many are taken as lie on the page at most."""
    content = small()
    with ThreadPoolExecutor(tries) as pool:
        sent = [pool.submit(page.upload, content, f"me {number}.png", patience=LONG) for number in range(tries)]
        answers = [tally.count(one.result(), {200, 400}, "an upload in the crowd") for one in sent]
    taken = [answer.json for answer in answers if answer.status == 200]
    if len(taken) > PHOTOS or len(taken) < min(PHOTOS, tries):
        tally.failures.append(f"{len(taken)} of {tries} uploads were taken, {min(PHOTOS, tries)} have room")
    there = [photo["id"] for photo in page.ask("GET", "/api/photos").json]
    if sorted(there) != sorted(photo["id"] for photo in taken):
        tally.failures.append(f"{len(there)} photos lie there, {len(taken)} were taken")
    tally.count(page.ask("POST", "/api/wipe"), ANSWERED, "wiping after the crowd")
    if page.ask("GET", "/api/photos").json:
        tally.failures.append("photos are left after wiping")


MARKUP = (
    "<script>alert(1)</script>.png",
    '"><img src=x onerror=alert(1)>.png',
    "'-alert(1)-'.jpg",
    "${7*7}{{7*7}}.png",
    "a\r\nSet-Cookie: a=b\r\n\r\n<html>.png",
    "..\\..\\<svg onload=alert(1)>.png",
    "\u202egnp.<b>exe\u2028",
    "=cmd|' /C calc'!A1.png",
)


def markup(page: Served, draw: Random, tries: int, tally: Tally) -> None:
    """HTML in the names of files and in EXIF: it comes back as JSON, in headers as plain text, and in no picture."""
    photo = Image.new("RGB", (112, 112), "gray")
    for turn in range(tries):
        name, exif = MARKUP[turn % len(MARKUP)] + "x" * draw.choice((0, 0, 300)), Image.Exif()
        for tag in (0x010E, 0x010F, 0x013B, 0x8298):
            exif[tag] = MARKUP[0]
        file = io.BytesIO()
        photo.save(file, "JPEG", exif=exif, comment=MARKUP[1].encode())
        answer = tally.count(page.upload(file.getvalue(), name), ANSWERED, f"a photo called {name!r}")
        if answer.status != 200:
            continue
        identity = answer.json["id"]
        looked = [answer, page.ask("GET", "/api/photos"), page.ask("GET", f"/api/photos/{identity}/preview")]
        kinds = ("application/json", "application/json", "image/jpeg")
        for one, kind in zip(looked, kinds, strict=True):
            if one.headers.get("content-type") != kind or one.headers.get("x-content-type-options") != "nosniff":
                tally.failures.append(f"{name!r} came back as {one.headers.get('content-type')}")
            if "set-cookie" in one.headers or "a=b" in str(one.headers):
                tally.failures.append(f"{name!r} came back in the headers {one.headers}")
        if b"alert" in looked[2].body or b"Exif" in looked[2].body:
            tally.failures.append(f"the preview of {name!r} holds what the photo said of itself")
        tally.count(page.ask("DELETE", f"/api/photos/{identity}"), ANSWERED, "deleting")


VISITS: dict[str, tuple[Visit, int]] = {
    "paths": (paths, 3000),
    "token guesses": (tokens, 5000),
    "rebinding": (rebinding, 500),
    "cross origin": (origins, 500),
    "HTML in names": (markup, 60),
    "bombs": (bombs, 78),
    "slow clients": (slow, 1500),
    "200 at once": (crowd, 200),
}
"""By the name in the table, with how many tries."""
