"""The memory of a process that frees much, measured by the pages that the system hands it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from bauta.memory import freed_memory_kept

COUNTED = """
import resource, torch
from bauta.memory import freed_memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.empty(16 * 2**20).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def settled():
    # where the heap begins is drawn for each process, and a piece or two may not fit into what was freed at first
    return min(faults() for _ in range(4))

torch.set_num_threads(1)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

before = resident()
print(faults())
with freed_memory_kept() as kept:
    assert kept
    print(settled())
print(resident() - before)
"""


WORKER = """
from bauta.memory import keep_freed_memory
assert keep_freed_memory(2**30)
print(settled())
"""
NESTED = """
with freed_memory_kept(2**30):
    with freed_memory_kept():
        pass
    print(settled())
with freed_memory_kept(2**20):
    print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_freed_memory_is_used_again() -> None:
    """Eight tensors of 64 MB, one after the other: pages come anew each time, and afterwards not at all."""
    run = subprocess.run([sys.executable, "-c", COUNTED], check=True, capture_output=True, text=True)
    back, kept, left = map(int, run.stdout.split())
    assert kept < back / 10
    assert left < 2**26, "at the end it is given back"


def test_what_the_environment_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "65536")
    with freed_memory_kept() as kept:
        assert not kept


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_what_is_inside_leaves_what_is_around() -> None:
    """After the inner one the outer one still holds; it says how much stays, and more than that is given back."""
    run = subprocess.run([sys.executable, "-c", COUNTED + NESTED], check=True, capture_output=True, text=True)
    back, _, _, kept, beyond = map(int, run.stdout.split())
    assert kept < back / 10 < beyond


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_a_worker_keeps_it_as_long_as_it_lives() -> None:
    run = subprocess.run([sys.executable, "-c", COUNTED + WORKER], check=True, capture_output=True, text=True)
    back, _, _, kept = map(int, run.stdout.split())
    assert kept < back / 10
