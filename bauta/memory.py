"""What the C library does with memory that was freed."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["BETWEEN_BATCHES", "freed_memory_kept", "keep_freed_memory"]

BETWEEN_BATCHES = 2**30
"""Bytes that a command and its workers do not give back between two batches."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of malloc.h
_ALL = -1  # never trim
_within: list[int] = []  # of the contexts that are open, the innermost last: malloc cannot be asked how it is set


@contextmanager
def freed_memory_kept(most: int | None = None) -> Iterator[bool]:
    """Inside, this process keeps the memory of tensors that are freed, for the next ones; whether that could be said.

    glibc gives what is larger than 32 MB back to the system at once, and gets it anew page by page, each filled with
    zeros: on two cores that was half of the time of a training's step over 192 maps
    (`benchmarks/frequency_training.py`), and embedding in large batches loses time to it too.

    most: bytes that stay at the end of the heap; None for all. Nothing is done where the C library is another one, or
    where MALLOC_MMAP_MAX_ or MALLOC_TRIM_THRESHOLD_ says what is wanted. At the end it is as it was around, and what
    is free is given back.
    """
    library = _glibc()
    if library is None:
        yield False
        return
    kept = _keep(library, _ALL if most is None else most)
    _within.append(_ALL if most is None else most)
    try:
        yield kept
    finally:
        _within.pop()
        if _within:
            _keep(library, _within[-1])
        else:  # what glibc itself arrives at when it sees large blocks come and go
            for option, usual in ((_MMAP_MAX, 65536), (_MMAP_THRESHOLD, 2**25), (_TRIM_THRESHOLD, 2**26)):
                library.mallopt(option, usual)
        library.malloc_trim(0)


def keep_freed_memory(most: int) -> bool:
    """The same for as long as this process lives, which does one piece of work after the other and then ends."""
    library = _glibc()
    if library is None:
        return False
    _within.append(most)
    return _keep(library, most)


def _keep(library: ctypes.CDLL, most: int) -> bool:
    return bool(library.mallopt(_MMAP_MAX, 0)) and bool(library.mallopt(_TRIM_THRESHOLD, most))


def _glibc() -> ctypes.CDLL | None:
    """The C library, where it can be told, and nobody else has told it."""
    if {"MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_"} & set(os.environ):
        return None
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    except OSError:
        return None
