"""The memory of a process that trains, measured by the pages that the system hands it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from bauta.train.engine import keep_freed_memory

COUNTED = """
import resource, torch
from bauta.train.engine import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.empty(16 * 2**20).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
print(faults())
assert keep_freed_memory()
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_freed_memory_is_used_again() -> None:
    """Eight tensors of 64 MB, one after the other: pages come anew each time, and afterwards not at all."""
    run = subprocess.run([sys.executable, "-c", COUNTED], check=True, capture_output=True, text=True)
    back, kept = map(int, run.stdout.split())
    assert kept < back / 10


def test_what_the_environment_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "65536")
    assert not keep_freed_memory()
