"""What lies in an output folder, for whoever gets it: the pictures' names and digests, and nothing else.

Neither seeds nor digests of originals stand in it: with those anybody who guesses a photo could confirm the guess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from bauta.errors import BadFile
from bauta.job.places import Folder

MANIFEST = "manifest.jsonl"


def write_manifest(place: Folder, pictures: Mapping[str, str]) -> None:
    """Write the digests (SHA-256) of pictures by name, in the order of names, a JSON line each. Raises `OSError`."""
    lines = [json.dumps({"name": name, "sha256": pictures[name]}) for name in sorted(pictures)]
    place.write(MANIFEST, "".join(f"{line}\n" for line in lines).encode())


def read_manifest(place: Folder) -> dict[str, str]:
    """Name -> digest; empty where there is no manifest. Raises `BadFile`."""
    try:
        content = place.read(MANIFEST)
    except OSError:
        return {}
    try:
        entries = [json.loads(line) for line in content.splitlines()]
        return {str(entry["name"]): str(entry["sha256"]) for entry in entries}
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadFile(f"{place.at(MANIFEST)} cannot be read; delete it, and it is written anew.") from error
