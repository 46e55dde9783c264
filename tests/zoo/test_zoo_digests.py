"""Bytes that changed, and the memory of digests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from zoo.served import CONTENT

from bauta import zoo
from bauta.errors import BadFile


def test_a_changed_file_is_refused_at_its_next_use(home: Path, site: Any, tmp_path: Path, monkeypatch) -> None:
    file = site.file("net.bin", CONTENT)
    path = zoo.locate(file)
    path.write_bytes(CONTENT[:-1] + b"?")
    os.utime(path, ns=(1, 1))
    with pytest.raises(BadFile, match="delete it and run `bauta models pull` again"):
        zoo.locate(file)
    monkeypatch.setenv("BAUTA_MIRROR", str(home))
    with pytest.raises(BadFile, match="replace it in the mirror"):
        zoo.locate(file)
    with pytest.raises(BadFile, match="replace it in the mirror"):
        zoo.verify(file)


def test_verify_reads_the_bytes_where_locate_trusts_size_and_time(home: Path, site: Any) -> None:
    """A digest is computed once for each size and time of change; a change that hides from both is for `verify`."""
    file = site.file("net.bin", CONTENT)
    path = zoo.locate(file)
    zoo.locate(file)
    before = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert zoo.locate(file) == path
    with pytest.raises(BadFile):
        zoo.verify(file)


def test_a_damaged_memory_of_digests_is_no_memory(home: Path, site: Any) -> None:
    file = site.file("net.bin", CONTENT)
    zoo.locate(file)
    (home / "digests.json").write_text("{ no json")
    assert zoo.locate(file).read_bytes() == CONTENT
    (home / "net.bin").write_bytes(b"other")
    with pytest.raises(BadFile):
        zoo.locate(file)
