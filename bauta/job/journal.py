"""The private journal of a folder job: its seed and what was done, for the owner's eyes only.

The seed and an original's hash let anybody who guesses a photo confirm the guess by running the job again, so they are
kept apart from the pictures, in a file that only its owner may read (mode 0600).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bauta.errors import BadFile, UsageError
from bauta.job.places import folder_called
from bauta.zoo.cache import write_whole


class Journal:
    """JSON lines: a head with the settings and the seed, then one entry a source file, appended as each is finished.

    folder: where journals lie. out: the job's output folder or its URL, which names the journal.
    """

    def __init__(self, folder: Path, out: Path | str) -> None:
        target, folder = folder_called(out), folder.resolve()
        if target.holds(folder.as_posix()):
            raise UsageError(
                f"The private journal would lie in {folder}, inside the pictures' folder {target.address}; choose "
                "another --out, or set BAUTA_HOME to a folder elsewhere."
            )
        self.path = folder / f"{target.name}-{hashlib.sha256(target.address.encode()).hexdigest()[:12]}.jsonl"
        self.entries: dict[str, dict[str, Any]] = {}
        self.seed = 0

    def begin(self, settings: Mapping[str, Any], seed: int | None) -> None:
        """Open the journal of a job begun before, or begin one. seed: None takes the journal's, or 128 random bits.

        Raises `UsageError` when the job was begun with other settings or another seed, `BadFile` for a damaged journal.
        """
        wanted = json.loads(json.dumps(dict(settings)))
        if not self.path.exists():
            self.seed = int.from_bytes(os.urandom(16), "big") if seed is None else seed
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            first = json.dumps({"settings": wanted, "seed": str(self.seed)}) + "\n"
            write_whole(self.path, first.encode())  # with mode 0600
            return
        head, self.entries = self._read()
        self.seed = int(head["seed"])
        if head["settings"] != wanted or (seed is not None and seed != self.seed):
            changed = [k for k in wanted if head["settings"].get(k) != wanted[k]] or ["seed"]
            raise UsageError(
                f"The pictures there were begun with another {', '.join(changed)}; choose another --out, or delete "
                f"that folder and its journal {self.path}."
            )

    def add(self, entry: Mapping[str, Any]) -> None:
        """Write down a finished source file; its key is "file"."""
        self.entries[entry["file"]] = dict(entry)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _read(self) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """The head, and the latest entry of each file. Raises `BadFile`."""
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]  # a last line without its end was cut off by a crash
        if whole != content:
            write_whole(self.path, whole)
        try:
            head, *lines = [json.loads(line) for line in whole.splitlines()]
            int(head["seed"]), head["settings"].keys()
            entries = {line["file"]: line for line in lines}
            for entry in entries.values():
                entry["digest"], [(p["name"], p["sha256"], p["proof"]) for p in entry["pictures"]]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise BadFile(f"{self.path} is not a journal that can be read; delete it to begin anew.") from error
        return head, entries
