"""Where a file is looked for, and whose bytes are used."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from zoo.served import CONTENT, WRONG, lying, never, sha

from bauta import zoo
from bauta.errors import BadFile, MissingData, MissingWeights


def test_the_mirror_comes_before_the_cache_and_the_cache_before_the_address(
    home: Path, site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = site.file("net.bin", CONTENT)
    home.mkdir()
    (home / "net.bin").write_bytes(CONTENT)
    assert zoo.locate(file) == home / "net.bin"
    assert zoo.place(file) == "cache"
    monkeypatch.setenv("BAUTA_MIRROR", str(tmp_path / "mirror"))
    assert zoo.locate(file) == home / "net.bin"
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "net.bin").write_bytes(CONTENT)
    assert zoo.locate(file) == tmp_path / "mirror" / "net.bin"
    assert zoo.place(file) == "mirror"
    assert site.asked == []


def test_a_file_without_an_address_says_how_to_get_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = zoo.DataFile("set.zip", (), WRONG, "Ask its authors.")
    with pytest.raises(MissingData, match=r"BAUTA_MIRROR is not set; .*Ask its authors\.$"):
        zoo.locate(file)
    monkeypatch.setenv("BAUTA_MIRROR", "/no/such/folder")
    with pytest.raises(MissingData, match="/no/such/folder, which is no folder"):
        zoo.locate(file)


def test_unknown_bytes_need_a_yes_and_are_pinned(home: Path, site: Any) -> None:
    file = site.file("net.bin", CONTENT, sha256=None)
    with pytest.raises(MissingWeights, match="needs a yes"):
        zoo.locate(file)
    questions: list[str] = []
    with pytest.raises(MissingWeights, match="needs a yes"):
        zoo.locate(file, lambda question: bool(questions.append(question)))
    assert file.urls[0] in questions[0]
    assert site.asked == []
    path = zoo.locate(file, lambda question: True)
    assert json.loads((home / "pins.json").read_text()) == {"net.bin": sha(CONTENT)}
    assert zoo.locate(file, never) == zoo.verify(file) == path

    path.unlink()
    site.file("net.bin", b"changed at its address")
    with pytest.raises(BadFile, match=sha(CONTENT)):
        zoo.locate(file, never)
    assert lying(home) == []


def test_unknown_bytes_that_lie_here_are_asked_about_with_their_digest(home: Path, site: Any) -> None:
    file = site.file("net.bin", CONTENT, sha256=None)
    home.mkdir()
    (home / "net.bin").write_bytes(b"from a friend")
    with pytest.raises(MissingWeights, match=f"nobody has vouched for its SHA-256 {sha(b'from a friend')}"):
        zoo.verify(file)
    questions: list[str] = []
    zoo.locate(file, lambda question: not questions.append(question))
    assert sha(b"from a friend") in questions[0]


def test_what_its_user_put_here_by_hand_is_pinned_without_a_question(home: Path) -> None:
    file = zoo.DataFile("pack.bin", (), None, "Ask for it.")
    home.mkdir()
    (home / "pack.bin").write_bytes(CONTENT)
    assert zoo.locate(file, never) == home / "pack.bin"
    (home / "pack.bin").write_bytes(b"changed")
    with pytest.raises(BadFile):
        zoo.locate(file, never)


def test_a_mirror_serves_where_no_home_can_be_written(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAUTA_HOME", "/proc/no/home")
    monkeypatch.setenv("BAUTA_MIRROR", str(tmp_path))
    (tmp_path / "net.bin").write_bytes(CONTENT)
    assert zoo.locate(site.file("net.bin", CONTENT)) == tmp_path / "net.bin"


def test_threads_that_pin_at_once_lose_no_pin(home: Path, site: Any) -> None:
    files = [site.file(f"net{i}.bin", bytes([i]) * 100, sha256=None) for i in range(8)]
    threads = [threading.Thread(target=zoo.locate, args=(file, lambda question: True)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pins = json.loads((home / "pins.json").read_text())
    assert pins == {f"net{i}.bin": sha(bytes([i]) * 100) for i in range(8)}
