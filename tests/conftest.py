"""What tests share: where real weights and faces are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bauta.memory import BETWEEN_BATCHES, keep_freed_memory

LONG = {"slow": 10, "mirror": 1}  # a marker, and how much sooner its file is to be run

# as commands do: tests that learn had the same pages handed out again and again
keep_freed_memory(BETWEEN_BATCHES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests that take long come first, so that in the end no process works while the others wait.

    `make test` hands out whole files in this order; the files with few tests, which these are, would come last.
    """
    weights = dict.fromkeys((item.path for item in items), 0)
    for item in items:
        weights[item.path] += sum(weight for name, weight in LONG.items() if item.get_closest_marker(name))
    items.sort(key=lambda item: -weights[item.path])


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real weights and faces, or a skip that says what to set."""
    folder = os.environ.get("BAUTA_MIRROR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real weights and faces: set BAUTA_MIRROR to a folder that holds them")
    return Path(folder)
