"""Who may talk to the page, and what it takes: as strangers, hostile files and hostile names try it."""

from __future__ import annotations

import io
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from bauta.web.security import OUR_POLICY, REPORT_POLICY, TOKEN, UPLOAD_BYTES
from bauta.web.server import Server

from .conftest import headers_of

STRANGER = httpx.Client(verify=False, trust_env=False)  # what it sends is what a test says


def asked(server: Server, path: str, method: str = "GET", **headers: str | None) -> httpx.Response:
    """A request like the page's own, with some headers changed or (None) left out."""
    changed = {key.replace("_", "-"): value for key, value in headers.items()}
    given = {**headers_of(server), **changed}
    kept = {key: value for key, value in given.items() if value is not None}
    return STRANGER.request(method, f"http://127.0.0.1:{server.port}{path}", headers=kept)


@pytest.mark.parametrize(
    "path", ["/api/options", "/api/photos", "/api/masks", "/api/reports", "/api/events", "/api/nothing", "/apifoo"]
)
def test_nothing_under_api_without_the_token(server: Server, path: str) -> None:
    for token in (None, "", "wrong", server.token[:-1], server.token + "x", "\u00fc"):
        given = {} if token is None else {TOKEN: token.encode("latin-1")}
        answer = STRANGER.get(f"http://127.0.0.1:{server.port}{path}", headers=given)
        assert answer.status_code == 401, (path, token)
        assert "token" in answer.json()["error"]
    assert f"token={server.token}" in server.url


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"host": "127.0.0.1:1"}, 421),
        ({"host": "localhost.evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://127.0.0.1"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "none"}, 403),
    ],
)
def test_strangers_are_refused_even_with_the_token(server: Server, headers: dict[str, str], status: int) -> None:
    """DNS rebinding fails at the Host, other sites at the Origin or at what the browser says of itself."""
    for path, method in (("/api/photos", "GET"), ("/api/wipe", "POST")):
        answer = asked(server, path, method, **headers)
        assert answer.status_code == status
        assert answer.json()["error"]


def test_a_change_needs_an_origin(server: Server) -> None:
    assert asked(server, "/api/wipe", "POST", origin=None).status_code == 403
    assert asked(server, "/api/wipe", "POST").status_code == 200
    assert asked(server, "/api/photos", origin=None).status_code == 200  # browsers send none with a plain GET


def test_localhost_is_the_same_machine_but_another_origin(server: Server) -> None:
    here = f"localhost:{server.port}"
    assert asked(server, "/api/photos", host=here, origin=f"http://{here}").status_code == 200
    assert asked(server, "/api/photos", host=here).status_code == 403


def test_two_hosts_are_none(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nHost: evil.example\r\n\r\n"
        plain.sendall(request.encode())
        assert plain.recv(4096).split(b" ")[1] in (b"400", b"421")


def test_the_page_itself_needs_no_token_and_may_be_linked_to(server: Server) -> None:
    strange = {"sec_fetch_site": "cross-site", "origin": None, TOKEN: None}
    assert asked(server, "/", sec_fetch_dest="document", **strange).status_code == 200
    assert asked(server, "/", sec_fetch_dest="iframe", **strange).status_code == 403
    assert asked(server, "/static/main.js", sec_fetch_dest="script", **strange).status_code == 403
    for path in ("/", "/static/main.js", "/static/style.css"):
        shell = asked(server, path, origin=None, **{TOKEN: None})
        assert shell.status_code == 200
        assert server.token not in shell.text


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 200),
        ("/static/style.css", "GET", 200),
        ("/static/../app.py", "GET", 404),
        ("/static/%2e%2e%2fapp.py", "GET", 404),
        ("/nothing", "GET", 404),
        ("/docs", "GET", 404),
        ("/openapi.json", "GET", 404),
        ("/api/options", "GET", 200),
        ("/api/options", "DELETE", 405),
        ("/api/jobs", "POST", 400),
        ("/report/guess", "GET", 404),
    ],
)
def test_every_answer_carries_the_headers(server: Server, path: str, method: str, status: int) -> None:
    answer = asked(server, path, method)
    assert answer.status_code == status
    assert answer.headers.get_list("content-security-policy") == [
        REPORT_POLICY if path.startswith("/report/") else OUR_POLICY
    ]
    for name, value in {
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }.items():
        assert answer.headers.get_list(name) == [value]
    assert "x-frame-options" in answer.headers
    for name in ("set-cookie", "access-control-allow-origin", "server"):
        assert name not in answer.headers


def test_refusals_carry_them_too(server: Server) -> None:
    for answer in (asked(server, "/", host="evil.example"), asked(server, "/api/photos", **{TOKEN: None})):
        assert answer.headers["content-security-policy"] == OUR_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_cross_origin_request_is_invited(server: Server) -> None:
    answer = asked(server, "/api/photos", "OPTIONS", origin="http://evil.example", access_control_request_method="POST")
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("identity", ["..", "%2e%2e%2fjobs", "..%2f..%2fetc%2fpasswd", "0" * 32, "a/b", "%00"])
def test_an_identity_is_never_a_path(client: httpx.Client, identity: str) -> None:
    for path in (
        f"/api/photos/{identity}/preview",
        f"/api/masks/{identity}/file",
        f"/api/jobs/{identity}/zip",
        f"/api/jobs/{identity}/pictures/1/file",
        f"/api/reports/{identity}/tables/0",
    ):
        answer = client.get(path)
        assert answer.status_code in (400, 404, 405), path
        assert answer.json()["error"]


def test_an_order_may_name_nothing_but_what_is_offered(
    client: httpx.Client, upload: Callable[..., Any], pictures: list[Path]
) -> None:
    photo = upload(pictures[0])["id"]
    fine = {"task": "protect", "photos": [{"photo": photo}], "recognizers": ["mine"]}
    for change, says in (
        ({"recognizers": ["os:system"]}, "No recognizer here is called 'os:system'; there are "),
        ({"recognizers": ["/etc"]}, "No recognizer here is called '/etc'"),
        ({"recognizers": ["mobilefacenet-casia"]}, "No recognizer here is called 'mobilefacenet-casia'"),
        ({"recognizers": []}, "recognizers: "),
        ({"steps": 10**9}, "steps: "),
        ({"steps": "80"}, "steps: "),
        ({"protection": "PMT()"}, "protection: "),
        ({"task": "train"}, "The request: "),
        ({"photos": []}, "photos: "),
        ({"photos": [{"photo": "../../x"}]}, "photos.0.photo: "),
        ({"photos": [{"photo": "0" * 32}]}, "This photo is not here any more"),
        ({"photos": [{"photo": photo}, {"photo": photo}]}, "The same photo was chosen twice"),
        ({"photos": [{"photo": photo, "faces": [1]}]}, "shows 1 faces; choose among those"),
        ({"photos": [{"photo": photo, "faces": [-1]}]}, "photos.0.faces.0: "),
        ({"task": "apply", "mask": "/etc/passwd", "recognizers": None}, "mask: "),
    ):
        order = {key: value for key, value in {**fine, **change}.items() if value is not None}
        answer = client.post("/api/jobs", json=order)
        assert answer.status_code in (400, 404), order
        assert says in answer.json()["error"], answer.text


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def sent(client: httpx.Client, content: bytes, name: str = "photo.png", path: str = "/api/photos") -> httpx.Response:
    """An upload."""
    return client.post(path, content=content, headers={"x-name": name})


def left(server: Server) -> list[Path]:
    """The uploads on disk."""
    return list((server.private.folder / "shelf").glob("*"))


def test_a_picture_too_large_to_decode_is_refused_by_its_header(client: httpx.Client, server: Server) -> None:
    for side, says in (
        (8_000, "photo.png unpacks to 8000 x 8000 pixels, more than the limit of 60,000,000"),
        (20_000, "photo.png unpacks to more pixels than Pillow allows"),
    ):
        answer = sent(client, png_header(side, side))
        assert answer.status_code == 422
        assert says in answer.json()["error"]
    assert left(server) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"dear diary", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\nbroken", b"%PDF-1.7", b"\xff\xd8\xff\xe0"],
)
def test_what_is_no_picture_is_said_and_not_kept(client: httpx.Client, server: Server, content: bytes) -> None:
    answer = sent(client, content)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("photo.png is ")
    assert str(server.private.folder) not in answer.text
    assert left(server) == []


def test_a_file_cut_short(client: httpx.Client, server: Server, pictures: list[Path]) -> None:
    answer = sent(client, pictures[0].read_bytes()[:2000])
    assert answer.status_code == 422
    assert "damaged or cut short" in answer.json()["error"]
    assert left(server) == []


def test_an_upload_too_long_is_refused_before_it_is_read(client: httpx.Client, server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        lines = [f"{key}: {value}" for key, value in headers_of(server).items()]
        request = ["POST /api/photos HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *lines]
        plain.sendall("\r\n".join([*request, f"Content-Length: {UPLOAD_BYTES + 1}", "", ""]).encode())
        assert plain.recv(4096).split(b" ")[1] == b"413"
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        plain.sendall("\r\n".join([*request, "Transfer-Encoding: chunked", "", "ffffffff", ""]).encode())
        assert plain.recv(4096).split(b" ")[1] == b"411"
    answer = client.post("/api/jobs", content=b"[" * 70_000)
    assert answer.status_code == 413
    assert left(server) == []


def test_too_many_photos(
    client: httpx.Client,
    server: Server,
    upload: Callable[..., Any],
    pictures: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bauta.web.shelf.PHOTOS", 2)
    first = upload(pictures[0])
    upload(pictures[1])
    answer = sent(client, pictures[2].read_bytes())
    assert answer.status_code == 400
    assert answer.json()["error"] == "At most 2 photos lie here at once; take some away first."
    client.delete(f"/api/photos/{first['id']}")
    upload(pictures[2])
    monkeypatch.setattr("bauta.web.shelf.PHOTOS", 9)
    monkeypatch.setattr("bauta.web.shelf.ALL_BYTES", 1000)
    assert "At most 1,000 bytes of photos" in sent(client, pictures[3].read_bytes()).json()["error"]
    assert len(left(server)) == 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("%3Cimg%20src=x%20onerror=alert(1)%3E.png", "<img src=x onerror=alert(1)>.png"),
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("C:%5CUsers%5Cme%5Cme.jpg", "me.jpg"),
        ("a%00b%0d%0aSet-Cookie:%20x%E2%80%AEgnp.exe", "abSet-Cookie: xgnp.exe"),
        ("%ff%fe", "\ufffd\ufffd"),
        ("%2F", "photo"),
        ("x" * 500 + ".png", "x" * 80),
    ],
)
def test_a_name_is_text_and_no_path(
    client: httpx.Client, server: Server, pictures: list[Path], name: str, shown: str
) -> None:
    answer = client.post("/api/photos?aligned=true", content=pictures[0].read_bytes(), headers={"x-name": name})
    assert answer.status_code == 200
    assert answer.json()["name"] == shown
    (folder,) = left(server)
    assert folder.name == answer.json()["id"]
    assert sorted(p.name for p in folder.iterdir()) == ["face-0.png", "original", "preview.jpg"]


def test_a_hostile_mask_file(client: httpx.Client, server: Server) -> None:
    for content in (b"", b"PK\x03\x04", b"\x80\x04.", struct.pack("<Q", 1 << 60) + b"{}"):
        answer = sent(client, content, "key.mask", "/api/masks")
        assert answer.status_code == 422
        assert answer.json()["error"].startswith("key.mask is no mask file")
    assert left(server) == []
    assert sent(client, bytes(5 << 20), "key.mask", "/api/masks").json()["error"].startswith("A mask may have")


def test_what_is_looked_at_holds_no_metadata(client: httpx.Client, home: Path, upload: Callable[..., Any]) -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRETCAMERA"
    Image.new("RGB", (112, 112), "gray").save(home / "exif.jpg", exif=exif)
    preview = client.get(f"/api/photos/{upload(home / 'exif.jpg')['id']}/preview")
    assert preview.headers["content-type"] == "image/jpeg"
    assert b"SECRETCAMERA" not in preview.content
    assert Image.open(io.BytesIO(preview.content)).size == (112, 112)
