"""bauta: privacy in face recognition, protected, attacked and proven in one toolkit.

The public surface, loaded on first use, so that ``import bauta`` is quick and free of torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "ClientHolder": "attacks",
    "Comparison": "attacks",
    "Faces": "types",
    "ForeignRecognizer": "attacks",
    "JPEG": "protections",
    "Knowledge": "attacks",
    "Knows": "attacks",
    "Move": "protections",
    "PMT": "protections",
    "Pipeline": "pipeline",
    "Purify": "attacks",
    "Recognizer": "recognizers",
    "Resize": "protections",
    "Stage": "types",
    "System": "pipeline",
    "Victim": "attacks",
    "WhiteNoise": "protections",
    "audit": "report.auditing",
    "detector": "faces",
    "faces_in": "faces",
    "load": "recognizers",
    "load_dataset": "faces",
    "load_pairs": "faces",
    "protect": "job.protecting",
    "prove": "job",
    "read_image": "faces",
    "to_text": "report",
    "write_image": "faces",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"bauta has no {name!r}; it has {', '.join(_HOME)}.")
    return getattr(importlib.import_module(f"bauta.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
