"""A folder of photos -> a folder of pictures that only the authorized recognizers can use.

Memory stays flat: photos are handed out in portions, and faces are protected in batches and written as they come. A
stopped job goes on where it was; a bad file is reported and never stops the rest.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import torch

from bauta import __version__
from bauta.errors import BautaError, MissingData, UsageError
from bauta.faces.detect import Detector
from bauta.job.engine import Engine, Here
from bauta.job.journal import Journal
from bauta.job.listing import photos_in
from bauta.job.manifest import write_manifest
from bauta.job.places import Disk, Folder, folder_called, is_url, plain
from bauta.job.portions import Asked, Finished, Portion, Protector
from bauta.job.proof import Proof
from bauta.job.sources import Photo
from bauta.protections import ImageProtection

SETTINGS = "bauta.json"


class Progress(Protocol):
    """Told after each source file: how many of how many are done, and why it failed, if it did."""

    def __call__(self, done: int, total: int, file: str, error: str | None) -> None: ...


@dataclass(frozen=True)
class Result:
    """What a job left: written pictures, skipped ones (done before), failures by file, and the proof's entries."""

    written: list[str]
    skipped: list[str]
    failed: dict[str, str]
    proof: list[dict[str, Any]]


@dataclass
class ProtectJob:
    """protection: fitted, without its seed (the journal has it). detector: None when the files are aligned faces.

    source: what `photos_in` takes; out: what `folder_called` takes. largest: only the largest face of a photo. chosen:
    which faces of each file (relative to the source), as numbers in the detector's order from 0; None for all. proof:
    measures each batch, as read back from its files. settings: what made the pictures; they lie beside them in
    `bauta.json`, and a job resumes only under the same ones. batch_size: faces protected together at most, and photos
    of a portion. told: hears the name of each picture that is written and measured, or was there. engine: where the
    work is done.
    """

    source: Path | str
    out: Path | str
    journals: Path
    protection: ImageProtection
    settings: dict[str, Any]
    detector: Detector | None = None
    largest: bool = False
    chosen: Mapping[str, Sequence[int]] | None = None
    proof: Proof | None = None
    batch_size: int = 32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    told: Callable[[str], None] = lambda picture: None
    engine: Engine = field(default_factory=Here)

    def run(self, seed: int | None = None, progress: Progress | None = None) -> Result:
        """Protect what is not yet protected. seed: None for the journal's, or 128 random bits.

        Raises `MissingData` (no pictures), `UsageError` (other settings than before, folders within each other),
        `BautaError` where nothing can be written.
        """
        target = folder_called(self.out)
        photos = self._photos(target)
        journal = Journal(self.journals, self.out)
        try:
            journal.begin(self.settings, seed)
            about = {"bauta": __version__, "torch": torch.__version__, "machine": platform.machine(), **self.settings}
            target.write(SETTINGS, (json.dumps(about, indent=1) + "\n").encode())
            finished = self._work(photos, target, journal, progress)
            write_manifest(target, listed(journal, finished))
            return self._result(finished)
        except OSError as error:
            raise BautaError(
                f"{error.filename or self.out} cannot be written ({error.strerror or error}); make room or choose "
                "another place, and run it again to go on."
            ) from error

    def _work(
        self, photos: Sequence[Photo], target: Folder, journal: Journal, progress: Progress | None
    ) -> list[Finished]:
        """Hand out the portions and write down what comes back; in the order of the photos."""
        finished: list[Finished] = []
        for one in self.engine.run(self._worker(target, journal.seed), self._portions(photos, journal)):
            finished.append(one)
            for name in (*one.written, *one.skipped):
                self.told(name)
            self._write_down(one, target, journal)
            if progress is not None:
                progress(len(finished), len(photos), one.file, one.error)
        order = {photo.file: row for row, photo in enumerate(photos)}
        return sorted(finished, key=lambda one: order[one.file])

    def _worker(self, target: Folder, seed: int) -> Protector:
        protection = self.protection.rekeyed(seed)
        choice = (self.largest, self.chosen)
        return Protector(target, protection, self.detector, *choice, self.proof, self.batch_size, self.device)

    def _portions(self, photos: Sequence[Photo], journal: Journal) -> list[Portion]:
        names = outputs([photo.file for photo in photos])
        asked = [Asked(photo, names[photo.file], journal.entries.get(photo.file)) for photo in photos]
        return [asked[first : first + self.batch_size] for first in range(0, len(asked), self.batch_size)]

    def _photos(self, target: Folder) -> list[Photo]:
        given = plain(self.source)
        source = str(given) if is_url(given) else Path(given).resolve().as_posix()
        file = not is_url(given) and Path(given).is_file()
        if source == target.address or (target.holds(source) and not file):
            raise UsageError(
                f"The photos in {self.source} lie in the pictures' folder {self.out}; choose another --out."
            )
        if isinstance(target, Disk) and target.folder.exists() and not target.folder.is_dir():
            raise UsageError(f"{self.out} is a file, but the pictures need a folder; choose another --out.")
        photos = [photo for photo in photos_in(self.source) if not photo.inside(target)]
        if not photos:
            raise MissingData(f"{self.source} holds no pictures but those that were protected; give photos.")
        return photos

    def _write_down(self, one: Finished, target: Folder, journal: Journal) -> None:
        """Enter a finished photo, and take away what it gave before under names that it has no more."""
        if one.entry is None or not one.changed:
            return
        before = journal.entries.get(one.file, one.entry)
        journal.add(one.entry)
        names = {p["name"] for p in one.entry["pictures"]}
        for picture in before["pictures"]:
            if picture["name"] not in names and target.digest(picture["name"]) == picture["sha256"]:
                target.remove(picture["name"])

    def _result(self, finished: Sequence[Finished]) -> Result:
        pictures = [p for one in finished if one.entry is not None for p in one.entry["pictures"]]
        return Result(
            [name for one in finished for name in one.written],
            [name for one in finished for name in one.skipped],
            {one.file: one.error for one in finished if one.error is not None},
            [p["proof"] for p in pictures if self.proof and p["proof"]],
        )


def outputs(files: Sequence[str]) -> dict[str, str]:
    """Relative output names without their ending. Who would share a name with another keeps the ending; names that
    differ in case alone are the same, as they are on some disks."""
    whole: set[str] = set()
    while True:
        chosen = {file: file if file in whole else PurePosixPath(file).with_suffix("").as_posix() for file in files}
        taken = Counter(name.casefold() for name in chosen.values())
        clash = {file for file, name in chosen.items() if taken[name.casefold()] > 1} - whole
        if not clash:
            return chosen
        whole |= clash


def listed(journal: Journal, finished: Sequence[Finished]) -> dict[str, str]:
    """The digest of each picture that the journal knows, also of photos that are gone; today's photos come last."""
    now = [one.entry for one in finished if one.entry is not None]
    return {p["name"]: p["sha256"] for entry in (*journal.entries.values(), *now) for p in entry["pictures"]}
