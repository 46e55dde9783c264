"""What somebody asks to be audited, and the settings of it that are kept."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bauta import __version__
from bauta.attacks import Attack, ForeignRecognizer
from bauta.errors import BadFile, UsageError
from bauta.recognizers import Recognizer
from bauta.recognizers.trainable import training_folder
from bauta.study.audit.cast import STANDARD
from bauta.study.audit.subjects import Asked
from bauta.zoo.digests import remembered

ROWS, SETTINGS = "rows.jsonl", "settings.json"
# what decides the numbers; a machine and a budget decide the time, and the plan that was made at first
DECISIVE = ("audit", "versions")


@dataclass(frozen=True)
class Request:
    """An audit as it was asked for.

    recognizer: a name, a folder of a training, or a network. data: a name or a place. public: whose faces attackers and
    provider have, None for other people of the data. attackers: one of `LEVELS`; attacks: those to be run instead.
    readers: foreign recognizers, None for all that are here. budget: seconds. pairs: None for as many as there is time
    for. faces: whether pictures are kept. code: what else decides, such as the digests of classes of one's own.
    """

    protections: Sequence[Asked]
    recognizer: str | Recognizer
    data: str | Path
    out: Path
    cut: int | None = None
    public: str | None = None
    attackers: str = STANDARD
    attacks: Sequence[Attack] = ()
    readers: Sequence[str | Recognizer] | None = None
    budget: float = 600.0
    pairs: int | None = None
    seed: int = 0
    faces: bool = True
    code: Mapping[str, str] = field(default_factory=dict)

    def networks(self) -> dict[str, str]:
        """The files of trained networks, "FOLDER, FILE" -> SHA-256: a folder's name does not say what it learned."""
        own = training_folder(self.recognizer) if isinstance(self.recognizer, str) else None
        folders = [own, *(one.folder for one in self.protections)]
        files = [path for folder in folders if folder is not None for path in sorted(folder.glob("*.safetensors"))]
        return {f"{path.parent.name}, {path.name}": remembered(path) for path in files}

    def stated(self, readers: Sequence[ForeignRecognizer]) -> dict[str, Any]:
        """What decides the numbers, as settings.json has it."""
        place = Path(self.data).expanduser()
        name = self.recognizer if isinstance(self.recognizer, str) else self.recognizer.name
        return {
            "audit": {
                "protections": [one.name for one in self.protections],
                "recognizer": name,
                "cut": self.cut,
                "data": str(place.resolve()) if place.exists() else str(self.data),
                "public": self.public,
                "attackers": self.attackers if not self.attacks else [repr(attack) for attack in self.attacks],
                "readers": [reader.recognizer.name for reader in readers],
                "pairs": self.pairs,
                "seed": self.seed,
                "networks": self.networks(),
                "code": dict(self.code),
            },
            "versions": {"bauta": __version__, "torch": torch.__version__, "python": platform.python_version()},
            "machine": {
                "processor": platform.machine(),
                "cores": os.cpu_count(),
                "threads": torch.get_num_threads(),
            },
        }


def kept(folder: Path, stated: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings of an audit that was begun, None of a new one. Raises `UsageError`, `BadFile`."""
    path = folder / SETTINGS
    if not path.exists():
        if (folder / ROWS).exists():
            raise UsageError(f"{folder} holds rows, but no {SETTINGS} that says whose they are; give another --out.")
        return None
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        other = [key for key in DECISIVE if earlier[key] != json.loads(json.dumps(stated[key]))]
        known = {"loaded", "read", "plan", "cuts"} <= set(earlier)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadFile(f"{path} holds no settings of an audit ({error!r}); give another --out.") from error
    if other or not known:
        changed = [
            name
            for key in other
            for name in stated[key]
            if earlier[key].get(name) != json.loads(json.dumps(stated[key][name]))
        ]
        raise UsageError(
            f"{folder} holds an audit with another {', '.join(changed) or 'purpose'}; give another --out, or ask for "
            "the same."
        )
    return dict(earlier)
