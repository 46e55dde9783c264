"""Downloads from a real server that misbehaves; a real full disk."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from zoo.served import CONTENT, WRONG, lying, never, sha

from bauta import zoo
from bauta.errors import BadFile, MissingData, MissingWeights
from bauta.zoo import download


def test_a_download_lies_in_the_cache_whole_and_is_not_fetched_twice(home: Path, site: Any) -> None:
    file = site.file("folder/net.bin", CONTENT)
    path = zoo.locate(file, never)
    assert path == home / "folder" / "net.bin"
    assert path.read_bytes() == CONTENT
    assert lying(home) == ["folder/net.bin"]
    assert zoo.locate(file) == path
    assert len(site.asked) == 1


def test_a_connection_that_breaks_once_is_resumed_at_its_last_byte(home: Path, site: Any) -> None:
    site.breaks = 1
    assert zoo.locate(site.file("net.bin", CONTENT)).read_bytes() == CONTENT
    assert site.asked == [("/net.bin", None), ("/net.bin", f"bytes={len(CONTENT) // 2}-")]
    assert lying(home) == ["net.bin"]


def test_what_came_before_a_break_is_kept_for_the_next_run(
    home: Path, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    site.breaks = 1
    file = site.file("net.bin", CONTENT)
    with pytest.raises(MissingWeights, match="broke off after 500,001 bytes"):
        zoo.locate(file)
    assert (home / "net.bin.part").read_bytes() == CONTENT[:500_001]
    assert zoo.find(file) is None
    assert zoo.locate(file).read_bytes() == CONTENT
    assert site.asked[-1] == ("/net.bin", "bytes=500001-")
    assert lying(home) == ["net.bin"]


def test_a_part_of_another_address_is_not_continued(home: Path, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    site.breaks = 1
    first = site.file("net.bin", CONTENT)
    with pytest.raises(MissingWeights):
        zoo.locate(first)
    other = site.file("elsewhere", CONTENT[::-1])
    moved = zoo.File("net.bin", other.urls, other.sha256)
    assert zoo.locate(moved).read_bytes() == CONTENT[::-1]
    assert site.asked[-1] == ("/elsewhere", None)


def test_a_part_of_an_older_version_is_not_continued(home: Path, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    site.breaks = 1
    with pytest.raises(MissingWeights):
        zoo.locate(site.file("net.bin", CONTENT))
    changed = site.file("net.bin", CONTENT[::-1])
    assert zoo.locate(changed).read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_begins_again(home: Path, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    site.ranges = False
    site.breaks = 1
    assert zoo.locate(site.file("net.bin", CONTENT)).read_bytes() == CONTENT


def test_a_part_that_is_already_whole_is_no_dead_end(home: Path, site: Any) -> None:
    file = site.file("net.bin", CONTENT)
    home.mkdir()
    (home / "net.bin.part").write_bytes(CONTENT)
    (home / "net.bin.part.json").write_text(json.dumps({"url": file.urls[0], "etag": None}))
    assert zoo.locate(file).read_bytes() == CONTENT
    assert lying(home) == ["net.bin"]


def test_a_stream_of_unknown_length_that_breaks_is_not_taken_for_whole(
    home: Path, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    site.chunked, site.breaks = True, 1
    file = site.file("net.bin", CONTENT, sha256=None)
    with pytest.raises(MissingWeights, match="broke off"):
        zoo.locate(file, lambda question: True)
    assert zoo.find(file) is None
    assert zoo.locate(file, lambda question: True).read_bytes() == CONTENT


def test_wrong_bytes_are_thrown_away(home: Path, site: Any) -> None:
    file = site.file("net.bin", CONTENT, sha256=WRONG)
    with pytest.raises(BadFile, match=f"{WRONG} expected, {sha(CONTENT)} came"):
        zoo.locate(file)
    assert lying(home) == []


def test_the_second_address_stands_in_for_the_first(home: Path, site: Any) -> None:
    good = site.file("good", CONTENT)
    site.file("bad", b"something else")
    file = zoo.File("net.bin", (f"{site.address}/none", f"{site.address}/bad", *good.urls), good.sha256)
    assert zoo.locate(file).read_bytes() == CONTENT
    assert [path for path, _ in site.asked] == ["/none", "/bad", "/good"]


def test_404_a_closed_port_no_name_and_a_web_page_are_one_sentence_each(home: Path, site: Any) -> None:
    file = site.file("net.bin", CONTENT)
    with pytest.raises(MissingWeights, match="answered 404 Not Found"):
        zoo.locate(zoo.File("a.bin", (f"{site.address}/none",), WRONG))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/a.bin"
    with pytest.raises(MissingWeights, match=r"cannot be reached .Connection refused."):
        zoo.locate(zoo.File("a.bin", (closed,), WRONG))
    with pytest.raises(MissingData, match=r"nowhere\.invalid cannot be reached"):
        zoo.locate(zoo.DataFile("a.bin", ("http://nowhere.invalid/a.bin",), WRONG))
    site.kind = "text/html"
    with pytest.raises(MissingWeights, match="answered with a web page"):
        zoo.locate(file)
    assert lying(home) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(home: Path, site: Any) -> None:
    """The kernel's own /dev/full in the place of the part."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, as Linux has it")
    home.mkdir()
    (home / "net.bin.part").symlink_to("/dev/full")
    with pytest.raises(MissingWeights, match=r"the disk under .* is full; make room, or set BAUTA_HOME"):
        zoo.locate(site.file("net.bin", CONTENT))
    assert lying(home) == []
    assert not (home / "net.bin.part").is_symlink()


def test_a_small_file_system_fills_up(site: Any, tmp_path: Path) -> None:
    """A file system of 256 KiB, mounted in a namespace of its own."""
    file = site.file("net.bin", CONTENT)
    code = (
        "from bauta import zoo\n"
        f"try: zoo.locate(zoo.File('net.bin', {file.urls!r}, {file.sha256!r}))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        "import os; print([n for n in os.listdir(zoo.home()) if n.startswith('net')])"
    )
    mount = f"mount -t tmpfs -o size=256k tmpfs '{tmp_path}' && exec '{sys.executable}' -c \"$0\""
    environment = {**os.environ, "BAUTA_HOME": str(tmp_path)}
    environment.pop("BAUTA_MIRROR", None)
    command = ["unshare", "-Urm", "sh", "-c", mount, code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except FileNotFoundError:
        pytest.skip("needs unshare, as Linux has it")
    if done.returncode:
        pytest.skip(f"needs the right to mount a small file system: {done.stderr.strip()}")
    said, left = done.stdout.splitlines()
    assert said.startswith(f"MissingWeights net.bin could not be stored: the disk under {tmp_path} is full")
    assert left == "[]"


def test_a_home_that_cannot_be_made_is_one_sentence(home: Path, site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAUTA_HOME", "/proc/no/home")
    with pytest.raises(MissingWeights, match="/proc/no/home cannot be written"):
        zoo.locate(site.file("net.bin", CONTENT))


def test_processes_that_want_one_file_at_once_fetch_it_once(home: Path, site: Any) -> None:
    file = site.file("net.bin", CONTENT)
    code = f"from bauta import zoo; print(zoo.locate(zoo.File('net.bin', {file.urls!r}, {file.sha256!r})))"
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ})
        for _ in range(4)
    ]
    assert [process.communicate()[0].strip() for process in running] == [str(home / "net.bin")] * 4
    assert (home / "net.bin").read_bytes() == CONTENT
    assert len(site.asked) == 1


def test_a_process_killed_in_the_middle_leaves_no_file_and_resumes(home: Path) -> None:
    """A server that stalls after half; the client is killed; the next one asks for the rest."""
    half = len(CONTENT) // 2
    asked: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for start, body in ((0, CONTENT[:half]), (half, CONTENT[half:])):
            connection, _ = server.accept()
            asked.append(connection.recv(65536).decode())
            state = f"206 Partial Content\r\nContent-Range: bytes {half}-{len(CONTENT) - 1}/{len(CONTENT)}"
            head = f"HTTP/1.1 {state if start else '200 OK'}\r\nContent-Length: {len(CONTENT) - start}\r\n\r\n"
            connection.sendall(head.encode() + body)
            held.append(connection)

    held: list[socket.socket] = []
    threading.Thread(target=serve, daemon=True).start()
    file = zoo.File("net.bin", (f"http://127.0.0.1:{server.getsockname()[1]}/net.bin",), sha(CONTENT))
    code = f"from bauta import zoo; zoo.locate(zoo.File('net.bin', {file.urls!r}, {file.sha256!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ})
    part = home / "net.bin.part"
    until = time.monotonic() + 10
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert zoo.find(file) is None
    kept = part.stat().st_size
    assert 0 < kept <= half
    if kept < half:  # what was buffered died with the process: this server only knows one other range
        part.write_bytes(CONTENT[:half])
    assert zoo.locate(file).read_bytes() == CONTENT
    assert f"Range: bytes={half}-" in asked[1]
    for connection in held:
        connection.close()
    server.close()
