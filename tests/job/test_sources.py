"""Photos wherever they lie: one job gives the same pictures for all."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bauta.errors import BadFile, MissingData
from bauta.job import ProtectJob
from bauta.job.listing import photos_in
from bauta.job.places import folder_called
from bauta.job.sources import Names

from .conftest import content

SEED = 11


def tar_of(folder: Path, path: Path) -> Path:
    """A tar of all files below a folder."""
    with tarfile.open(path, "w") as tar:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            tar.add(file, file.relative_to(folder).as_posix())
    return path


def parquet_of(folder: Path, path: Path, rows: int = 2) -> Path:
    """A Parquet file of all files below a folder, so many a row group."""
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'bauta[scale]'")
    pq = pytest.importorskip("pyarrow.parquet")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    table = pa.table(
        {"name": [p.relative_to(folder).as_posix() for p in files], "image": [p.read_bytes() for p in files]}
    )
    pq.write_table(table, path, row_group_size=rows)
    return path


def in_memory(folder: Path, url: str) -> str:
    """A copy of a folder at an address of this process."""
    pytest.importorskip("fsspec", reason="needs fsspec: pip install 'bauta[scale]'")
    for file in (p for p in folder.rglob("*") if p.is_file()):
        folder_called(url).write(file.relative_to(folder).as_posix(), file.read_bytes())
    return url


@pytest.mark.parametrize("kind", ["tar", "parquet", "memory", "a tar in memory"])
def test_every_source_gives_the_pictures_of_the_folder(
    kind: str, job: Callable[..., ProtectJob], photos: Path, tmp_path: Path
) -> None:
    make: dict[str, Callable[[], Path | str]] = {
        "tar": lambda: tar_of(photos, tmp_path / "shard.tar"),
        "parquet": lambda: parquet_of(photos, tmp_path / "shard.parquet"),
        "memory": lambda: in_memory(photos, f"memory://{tmp_path.name}/in"),
        "a tar in memory": lambda: (
            in_memory(tar_of(photos, (tmp_path / "shards" / "s.tar")).parent, f"memory://{tmp_path.name}/shards/")
            + "s.tar"
        ),
    }
    (tmp_path / "shards").mkdir()
    plain, other = job("plain"), job("other", source=make[kind]())
    plain.run(SEED)
    result = other.run(SEED)
    assert (len(result.written), result.failed) == (5, {})
    assert content(other.out) == content(plain.out)
    assert other.run().skipped == result.written


def test_pictures_go_to_an_address(job: Callable[..., ProtectJob], tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install 'bauta[scale]'")
    plain, far = job("plain"), job(out=f"memory://{tmp_path.name}/out")
    far.out = f"memory://{tmp_path.name}/out"
    plain.run(SEED)
    assert far.run(SEED).written == ["a.png", "b.png", "c.png", "deep/d.png", "e.png"]
    there = folder_called(far.out)
    for name in (*content(plain.out), "manifest.jsonl"):
        assert there.read(name) == (plain.out / name).read_bytes()
    assert far.run().written == []


def test_a_folder_of_shards_is_parted_as_they_are(photos: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shards.mkdir()
    tar_of(photos, shards / "0.tar")
    tar_of(photos, shards / "1.tar")
    (shards / "2.tar").write_bytes(b"no tar at all" * 100)
    found = photos_in(shards)
    assert [p.file for p in found[4:8]] == ["0/e.jpg", "1/a.png", "1/b.png", "1/c.png"]
    assert found[5].read() == (photos / "a.png").read_bytes()
    with pytest.raises(BadFile, match=r"2\.tar is damaged or no plain tar"):
        found[-1].read()  # the others are done all the same
    with pytest.raises(BadFile, match=r"2\.tar is damaged or no plain tar"):
        photos_in(shards / "2.tar")


def test_a_file_url_is_a_path(photos: Path) -> None:
    assert photos_in(f"file://{photos}") == photos_in(photos)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="holds no pictures"):
        photos_in(tmp_path)
    pytest.importorskip("fsspec", reason="needs fsspec: pip install 'bauta[scale]'")
    with pytest.raises(MissingData, match="is not there; give a folder of photos"):
        photos_in(f"memory://{tmp_path.name}/nowhere")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../a.png", "leads out of the folder"),
        ("/etc/a.png", "leads out of the folder"),
        ("a/../../b.png", "leads out of the folder"),
        ("c:\\a.png", "leads out of the folder"),
        ("a\x00.png", "not printable"),
        ("a\x1b[2J.png", "not printable"),
        ("", "empty"),
        ("a" * 300 + ".png", "too long"),
        ("GOOD.png", "has the name of another before it"),
    ],
)
def test_names_that_cannot_be_a_files(name: str, why: str) -> None:
    names = Names()
    assert names.wrong("good.png") == ""
    assert why in names.wrong(name)


def member(name: str, data: bytes = b"", **changes: object) -> tuple[tarfile.TarInfo, bytes]:
    """A member of a tar that says of itself what it likes."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for what, value in changes.items():
        setattr(info, what, value)
    return info, data


def test_hostile_members_of_a_tar_are_a_sentence_each(
    job: Callable[..., ProtectJob], photos: Path, tmp_path: Path
) -> None:
    good = (photos / "a.png").read_bytes()
    file = io.BytesIO()
    for info, data in (
        member("a.png", good),
        member("../escape.png", good),
        member("a.png", good),
        member("link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("liar.png", good, size=2**40),
    ):
        file.write(info.tobuf(tarfile.GNU_FORMAT) + data + b"\0" * (-len(data) % 512))
    (tmp_path / "bad.tar").write_bytes(file.getvalue())
    result = job(source=tmp_path / "bad.tar").run(SEED)
    assert result.written == ["a.png"]
    said = list(result.failed.values())
    assert len(said) == 5
    for why, sentence in zip(
        ("leads out", "name of another", "is a link", "bytes, more than", "damaged"), said, strict=True
    ):
        assert why in sentence
    assert not (tmp_path / "escape.png").exists()


def test_a_tar_that_is_cut_short_gives_what_is_whole(photos: Path, tmp_path: Path) -> None:
    whole = tar_of(photos, tmp_path / "whole.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    *good, last = photos_in(tmp_path / "cut.tar")
    assert good
    assert good[0].read() == (photos / "a.png").read_bytes()
    with pytest.raises(BadFile, match=r"damaged|larger than the shard"):
        last.read()
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as tar:
        tar.add(photos / "a.png", "a.png")
    with pytest.raises(BadFile, match="unpack a compressed one"):
        photos_in(tmp_path / "packed.tar")


def test_a_parquet_file_of_another_shape_or_damaged(photos: Path, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'bauta[scale]'")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"image": [b"x"]}), tmp_path / "a.parquet")
    with pytest.raises(BadFile, match=r"one column of bytes and one of names .* got image: binary"):
        photos_in(tmp_path / "a.parquet")
    pq.write_table(
        pa.table({"name": ["../x.png", "a.png", "a.png", None], "image": [b"1"] * 4}), tmp_path / "b.parquet"
    )
    good = [p for p in photos_in(tmp_path / "b.parquet") if "#" not in p.file]
    assert [(p.file, p.read()) for p in good] == [("a.png", b"1")]
    content = parquet_of(photos, tmp_path / "c.parquet").read_bytes()
    for damaged in (content[:-20], b"PAR1" * 30, content[:8] + bytes(400) + content[408:]):
        (tmp_path / "d.parquet").write_bytes(damaged)
        with pytest.raises(BadFile, match="damaged or no Parquet file"):
            _ = [p.read() for p in photos_in(tmp_path / "d.parquet")]


def test_a_value_that_is_meant_a_million_times_is_one(tmp_path: Path) -> None:
    """Dictionaries in Parquet: some kilobytes that would be gigabytes."""
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'bauta[scale]'")
    pq = pytest.importorskip("pyarrow.parquet")
    rows = 20_000
    value = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([b"\0" * 300_000]))
    table = pa.table({"name": [f"{i}.png" for i in range(rows)], "image": value})
    path = tmp_path / "bomb.parquet"
    pq.write_table(table, path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 2_000_000
    found = photos_in(path)
    assert len(found) == rows
    assert len(found[-1].read()) == 300_000
