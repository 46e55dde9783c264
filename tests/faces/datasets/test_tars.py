"""LFW as it is published, in a .tgz: fetched, read in any order, and nothing of it lands where it says."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from bauta import zoo
from bauta.errors import BadFile, MissingData
from bauta.faces import load_pairs
from bauta.faces.datasets import LFW, open_data
from bauta.faces.datasets.store import open_store
from bauta.faces.datasets.tars import as_zip

from .made import numbers, png
from .test_lfw import PAIRS, PEOPLE


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *words: object) -> None:
        """Nothing."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty BAUTA_HOME, and no mirror."""
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    return tmp_path / "home"


def member(name: str, content: bytes, **facts: object) -> tuple[tarfile.TarInfo, io.BytesIO]:
    """One entry of a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info, io.BytesIO(content)


def tar(path: Path, entries: list[tuple[tarfile.TarInfo, io.BytesIO]]) -> Path:
    """A compressed tar of the entries, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as file:
        for info, content in entries:
            file.addfile(info, content)
    return path


def lfw(path: Path) -> Path:
    """LFW's five pictures under the top folder that the published one has, last first."""
    return tar(path, [member(f"./lfw/{name}", png(i)) for i, name in reversed(list(enumerate(PEOPLE)))])


@pytest.fixture
def published(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server that holds lfw-color, whose record names it; gives what was asked of it."""
    site = tmp_path / "site"
    lfw(site / "lfw.tgz")
    (site / "lfw_pairs.txt").write_text(PAIRS)
    asked: list[str] = []

    class Handler(Quiet):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    record = zoo.dataset("lfw-color")
    assert [file.name for file in record.files] == ["lfw.tgz", "lfw_pairs.txt"]
    files = tuple(
        replace(
            file,
            urls=(f"http://127.0.0.1:{server.server_port}/{file.name}",),
            sha256=hashlib.sha256((site / file.name).read_bytes()).hexdigest(),
        )
        for file in record.files
    )
    monkeypatch.setattr(zoo, "DATASETS", (replace(record, files=files),))
    yield asked
    server.shutdown()
    server.server_close()


def test_a_published_set_is_fetched_and_gives_its_official_pairs(published: list[str], home: Path) -> None:
    pairs = load_pairs("lfw-color")
    of = numbers(pairs.faces.images)
    assert [(of[a], of[b]) for a, b in zip(pairs.first, pairs.second, strict=True)] == [(0, 1), (0, 3), (2, 3), (2, 4)]
    assert pairs.same.tolist() == [True, False, True, False]
    assert sorted(published) == ["/lfw.tgz", "/lfw_pairs.txt"]
    again = load_pairs("lfw-color")
    assert torch.equal(again.faces.images, pairs.faces.images)
    assert len(published) == 2
    assert len(list((home / "unpacked").iterdir())) == 1


def test_a_tar_that_its_user_registered(home: Path, tmp_path: Path) -> None:
    pictures = [member(f"lfw/{name}", png(i)) for i, name in enumerate(PEOPLE)]
    path = tar(tmp_path / "mine" / "lfw.tgz", [*pictures, member("lfw/pairs.txt", PAIRS.encode())])
    zoo.register_dataset("lfw-color", path)
    data = open_data("lfw-color")
    assert isinstance(data, LFW)
    assert numbers(data.faces().images) == list(range(5))
    assert len(data.pairs()) == 4


def test_a_tar_that_changed_is_read_again(home: Path, tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar.gz", [member("a/b.png", png(1))])
    assert open_store(path).read("a/b.png") == png(1)
    tar(path, [member("a/b.png", png(2)), member("a/c.png", png(3))])
    assert open_store(path).names == ["a/b.png", "a/c.png"]
    assert open_store(path).read("a/b.png") == png(2)


def test_names_that_lead_elsewhere_and_links_write_nothing(home: Path, tmp_path: Path) -> None:
    """What a hostile tar names is at most the name of an entry, and never a place on the disk."""
    path = tar(
        tmp_path / "deep" / "down" / "evil.tgz",
        [
            member("../../escaped.png", png(1)),
            member(str(tmp_path / "absolute.png"), png(2)),
            member("secret.png", b"", type=tarfile.SYMTYPE, linkname="/etc/hostname"),
            member("hard.png", b"", type=tarfile.LNKTYPE, linkname="good.png"),
            member("pipe.png", b"", type=tarfile.FIFOTYPE),
            member("good.png", png(3)),
            member("good.png", png(4)),
        ],
    )
    before = {p for p in tmp_path.rglob("*") if home not in (p, *p.parents)}
    store = open_store(path)
    assert store.read("good.png") == png(3)
    assert not {"secret.png", "hard.png", "pipe.png"} & set(store.names)
    assert {p for p in tmp_path.rglob("*") if home not in (p, *p.parents)} == before
    (made,) = (home / "unpacked").iterdir()
    assert made.suffix == ".zip"


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"no tar at all", lambda b: b[:40] + b[60:]])
def test_a_damaged_tar_is_one_sentence_and_leaves_nothing(
    home: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = lfw(tmp_path / "lfw.tgz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadFile, match="damaged or cut short"):
        as_zip(path)
    assert list((home / "unpacked").iterdir()) == []


def test_a_home_that_cannot_be_written_is_one_sentence(home: Path, tmp_path: Path) -> None:
    path = lfw(tmp_path / "lfw.tgz")
    home.mkdir()
    (home / "unpacked").write_text("in the way")
    with pytest.raises(MissingData, match="could not be copied"):
        as_zip(path)
