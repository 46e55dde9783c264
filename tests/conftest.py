"""What tests share: where real weights and faces are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real weights and faces, or a skip that says what to set."""
    folder = os.environ.get("BAUTA_MIRROR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real weights and faces: set BAUTA_MIRROR to a folder that holds them")
    return Path(folder)
