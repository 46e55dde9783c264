"""Processes, devices and precision, by Lightning Fabric: the same loop on two cores and on several GPUs."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from bauta.errors import MissingPackage

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["engine", "freed_memory_kept", "quick_bfloat16"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of malloc.h


def quick_bfloat16(kind: str) -> bool:
    """Whether this kind of device multiplies bfloat16 in hardware."""
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return kind == "cpu" and bool(torch.cpu._is_amx_tile_supported())


@contextmanager
def freed_memory_kept(kind: str = "cpu") -> Iterator[bool]:
    """Inside, this process keeps the memory of tensors that are freed, for the next ones; whether that could be said.

    glibc gives what is larger than 32 MB back to the system at once, and gets it anew page by page, each filled with
    zeros: on two cores that was half of the time of a step over 192 maps (`benchmarks/frequency_training.py`). Nothing
    is done for another kind of device, where the C library is another one, or where MALLOC_MMAP_MAX_ or
    MALLOC_TRIM_THRESHOLD_ says what is wanted. At the end all is given back.
    """
    said = {"MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_"} & set(os.environ)
    library = _glibc() if kind == "cpu" and not said else None
    if library is None:
        yield False
        return
    kept = bool(library.mallopt(_MMAP_MAX, 0)) and bool(library.mallopt(_TRIM_THRESHOLD, -1))
    try:
        yield kept
    finally:  # what glibc itself arrives at when it sees large blocks come and go
        for option, usual in ((_MMAP_MAX, 65536), (_MMAP_THRESHOLD, 2**25), (_TRIM_THRESHOLD, 2**26)):
            library.mallopt(option, usual)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libc.so.6")
        return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    except OSError:
        return None


def engine(kind: str = "cpu", *, devices: int = 1, bfloat16: bool | None = None) -> Fabric:
    """A launched Fabric: `devices` GPUs, or as many processes on the CPU, each with the whole network (DDP).

    kind: cpu, cuda or mps. bfloat16: mixed precision; where the machine has it, if None. With several devices the
    command runs again in further processes, which join here. Raises `MissingPackage`.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingPackage("Training needs Lightning Fabric: pip install 'bauta[train]'.") from error
    mixed = quick_bfloat16(kind) if bfloat16 is None else bfloat16
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision="bf16-mixed" if mixed else "32-true",
    )
    fabric.launch()
    return fabric
