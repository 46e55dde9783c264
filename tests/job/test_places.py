"""Folders of this machine and behind URLs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bauta.errors import BadFile, UsageError
from bauta.job.manifest import read_manifest, write_manifest
from bauta.job.places import Disk, Folder, folder_called


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """An empty folder."""
    if request.param == "disk":
        return folder_called(tmp_path / "out")
    pytest.importorskip("fsspec", reason="needs fsspec: pip install 'bauta[scale]'")
    return folder_called(f"memory://places-{tmp_path.name}/out/")


def test_what_is_written_can_be_read_and_taken_away(folder: Folder) -> None:
    folder.write("deep/a.png", b"one")
    folder.write("deep/a.png", b"two")
    assert folder.read("deep/a.png") == b"two"
    assert folder.digest("deep/a.png") == hashlib.sha256(b"two").hexdigest()
    assert folder.among(["deep/a.png", "b.png"]) == {"deep/a.png"}
    folder.remove("deep/a.png")
    assert folder.digest("deep/a.png") == ""
    with pytest.raises(OSError):  # noqa: PT011 its kind and words are the file system's
        folder.read("deep/a.png")


def test_what_lies_in_it(folder: Folder) -> None:
    assert folder.name == "out"
    assert folder.holds(folder.address)
    assert folder.holds(f"{folder.address}/deep/a.png")
    assert not folder.holds(f"{folder.address}side/a.png")


def test_a_manifest_holds_names_and_digests_in_order(folder: Folder) -> None:
    assert read_manifest(folder) == {}
    write_manifest(folder, {"b.png": "22", "a/ä.png": "11"})
    assert folder.read("manifest.jsonl").startswith(b'{"name": "a/\\u00e4.png", "sha256": "11"}\n{"name": "b.png"')
    assert read_manifest(folder) == {"a/ä.png": "11", "b.png": "22"}
    folder.write("manifest.jsonl", b'{"name": 1')
    with pytest.raises(BadFile, match=r"manifest.jsonl cannot be read; delete it"):
        read_manifest(folder)


def test_addresses_that_are_not_opened(tmp_path: Path) -> None:
    assert folder_called(f"file://{tmp_path}") == Disk(tmp_path)
    for kind in ("http", "simplecache::s3", "reference", "sftp"):
        with pytest.raises(UsageError, match=f"{kind}:// is no kind of address that is opened here"):
            folder_called(f"{kind}://somewhere/x")
    with pytest.raises(UsageError, match="holds no user and no password here; put credentials in the environment"):
        folder_called("s3://me:secret@bucket/x")
