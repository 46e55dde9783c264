"""The bytes that these tests serve, and what lies in a home after them."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

CONTENT = random.Random(1).randbytes(1_000_003)
WRONG = "0" * 64


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def lying(home: Path) -> list[str]:
    """All that lies in a home, but the locks and the tables."""
    found = [p.relative_to(home) for p in home.rglob("*") if p.is_file()]
    tables = {"digests.json", "pins.json"}
    return sorted(str(p) for p in found if p.parts[0] != ".locks" and str(p) not in tables)


def never(question: str) -> bool:
    raise AssertionError(question)
