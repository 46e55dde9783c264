"""Photos in Parquet files: one column of bytes, one of names.

Such a file comes from anywhere. Its Arrow schema may name extension types, and those that a process has registered
(Ray registers some) build themselves from what the file says, by unpickling. So a file that names any is refused
before Arrow looks at it, and only plain bytes and plain text are read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bauta.errors import BadFile, BadImage, MissingPackage
from bauta.faces.images import MAX_BYTES
from bauta.job.sources import Names, Photo, Refused
from bauta.job.tarshards import opened_shard

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

NAMED = ("name", "path", "file", "file_name", "filename", "key", "__key__")
"""Columns that are taken for names, the first that is there."""
EXTENSION = b"ARROW:extension:name"
MAX_HEADER = 1 << 24  # bytes of text or entries of lists in a file's own description


@dataclass(frozen=True)
class ParquetPhoto(Photo):
    """A row. group: the row group, row: the place in it, column: that of the bytes."""

    shard: Photo
    group: int
    row: int
    column: str

    @property
    def where(self) -> str:
        return f"{self.file} in {self.shard.where}"

    def read(self) -> bytes:
        content = group_of(self.shard, self.group, self.column)[self.row].as_py()
        if content is None:
            raise BadImage(f"{self.where} is empty; write the shard again.")
        return bytes(content)


@lru_cache(maxsize=1)
def group_of(shard: Photo, group: int, column: str) -> pa.Array:
    """The bytes of one row group; the last one is kept, since rows are read in order. Raises `BadFile`."""
    import pyarrow as pa

    with parquet(shard, dictionaries=[column]) as file:
        read = file.read_row_group(group, columns=[column], use_threads=False).column(0)
        # as a dictionary, or a value that is said once and meant a million times would be a million values
        return pa.concat_arrays([c.cast(pa.dictionary(pa.int32(), pa.binary())) for c in read.chunks], None)


def in_parquet(shard: Photo, under: str) -> Iterator[Photo]:
    """The rows of a Parquet file as photos below `under`; what cannot be used stands there as `Refused`.

    Raises `BadFile` for what is no Parquet file, or one without exactly one column of bytes and a column of names.
    """
    names = Names()
    with parquet(shard) as file:
        content, named = columns(file, shard)
        number = 0
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).total_byte_size
            for row, name in enumerate(names_of(file, group, named)):
                number += 1
                why = names.wrong(name or "")
                if not 0 <= size <= MAX_BYTES:
                    why = f"lies in a row group of {size:,} bytes, more than the {MAX_BYTES:,} that are read"
                if why:
                    said = f"Row {number} of {shard.where} ({str(name)[:200]!r}) {why}; it is left out."
                    yield Refused(f"{under}#{number}", said)
                else:
                    yield ParquetPhoto(f"{under}{name}", shard, group, row, content)


def names_of(file: pq.ParquetFile, group: int, column: str) -> Iterator[str | None]:
    """The names in a row group, a few at a time."""
    for batch in file.iter_batches(1024, row_groups=[group], columns=[column], use_threads=False):
        yield from batch.column(0).to_pylist()


def columns(file: pq.ParquetFile, shard: Photo) -> tuple[str, str]:
    """The column of bytes and that of names. Raises `BadFile`."""
    import pyarrow as pa

    schema = file.schema_arrow
    plain = [f.name for f in schema if pa.types.is_binary(f.type) or pa.types.is_large_binary(f.type)]
    texts = {f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)}
    named = next((name for name in NAMED if name in texts), None)
    if len(plain) != 1 or named is None or len(set(schema.names)) != len(schema.names):
        raise BadFile(
            f"{shard.where} should have one column of bytes and one of names (text, called {', '.join(NAMED)}), got "
            f"{', '.join(f'{f.name}: {f.type}' for f in schema)[:500]}; write it so."
        )
    return plain[0], named


@contextmanager
def parquet(shard: Photo, dictionaries: list[str] | None = None) -> Iterator[pq.ParquetFile]:
    """A Parquet file that was looked at before it was opened. Raises `BadFile`, `MissingPackage`."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingPackage("Parquet files need pyarrow: pip install 'bauta[scale]'.") from error
    limits: dict[str, Any] = {"thrift_string_size_limit": MAX_HEADER, "thrift_container_size_limit": MAX_HEADER}
    try:
        with opened_shard(shard) as raw:
            described = pq.read_metadata(raw).metadata or {}
            if EXTENSION in base64.b64decode(described.get(b"ARROW:schema", b"")):
                raise BadFile(f"{shard.where} has columns of types of its own; write plain bytes and text.")
            raw.seek(0)
            yield pq.ParquetFile(raw, read_dictionary=dictionaries, **limits)
    except (pa.ArrowException, binascii.Error, OSError, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile(f"{shard.where} is damaged or no Parquet file ({error}); copy it again.") from error
