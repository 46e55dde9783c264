"""A folder of photos -> a folder of pictures that only the authorized recognizers can use.

Memory stays flat: faces are protected in batches and written as they come. A stopped job goes on where it was; a bad
file is reported and never stops the rest.

With several threads the last bits of a sum depend on how many faces a batch holds, and dozens of steps turn them into
another picture. So a job that goes on forms the batches that it would have formed anyway, also with faces whose
pictures lie there already, and its pictures are those of a job that was never stopped.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from bauta import __version__
from bauta.errors import BadFile, BadImage, BautaError, MissingData, UsageError
from bauta.faces.align import SIZE
from bauta.faces.detect import Detector
from bauta.faces.images import SUFFIXES, read_picture, write_bytes, write_image
from bauta.faces.photos import faces_in
from bauta.job.journal import Journal
from bauta.job.proof import Proof
from bauta.protections import ImageProtection
from bauta.types import Faces, Source

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


@dataclass(frozen=True, eq=False)
class Waiting:
    """A face that waits for its batch. entry: what the journal says of its file, one for all faces of it.

    image: None where its picture lies there already.
    """

    path: Path
    name: str
    index: int
    of: int
    entry: dict[str, Any]
    image: Tensor | None

    @property
    def source(self) -> Source:
        """A face's draws follow the photo's content and its place in it, so that two faces of a photo differ."""
        return Source(self.entry["file"], hashlib.sha256(f"{self.entry['digest']}/{self.index}".encode()).hexdigest())


@dataclass
class ProtectJob:
    """protection: fitted, without its seed (the journal has it). detector: None when the files are aligned faces.

    largest: only the largest face of a photo. chosen: which faces of each file (relative to the source), as numbers in
    the detector's order from 0; None for all. proof: measures each batch, as read back from its files. settings: what
    made the pictures; they lie beside them in `bauta.json`, and a job resumes only under the same ones. told: hears the
    name of each picture that is written and measured, or was there.
    """

    source: Path
    out: Path
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

    def run(self, seed: int | None = None, progress: Progress | None = None) -> Result:
        """Protect what is not yet protected. seed: None for the journal's, or 128 random bits.

        Raises `MissingData` (no pictures), `UsageError` (other settings than before, folders within each other),
        `BautaError` where nothing can be written.
        """
        files = self._files()
        journal = Journal(self.journals, self.out)
        try:
            journal.begin(self.settings, seed)
            about = {"bauta": __version__, "torch": torch.__version__, "machine": platform.machine(), **self.settings}
            write_bytes(self.out / SETTINGS, (json.dumps(about, indent=1) + "\n").encode())
            return self._work(files, journal, progress)
        except OSError as error:
            raise BautaError(
                f"{error.filename or self.out} cannot be written ({error.strerror or error}); make room or choose "
                "another place, and run it again to go on."
            ) from error

    def _work(self, files: Sequence[Path], journal: Journal, progress: Progress | None) -> Result:
        protection = self.protection.rekeyed(journal.seed)
        result = Result([], [], {}, [])
        names = self._names(files)
        waiting: list[Waiting] = []
        done = 0

        def finish(file: str, error: str | None = None) -> None:
            nonlocal done
            done += 1
            if error is not None:
                result.failed[file] = error
            if progress is not None:
                progress(done, len(files), file, error)

        def flush(least: int) -> None:
            while len(waiting) >= least:
                batch = waiting[: self.batch_size]
                del waiting[: self.batch_size]
                for file in self._batch(batch, protection, journal, result):
                    finish(file)

        for path in files:
            try:
                waiting += self._faces(path, names[path], journal)
            except BadFile as error:
                finish(self._relative(path), str(error))
            flush(self.batch_size)
        flush(1)
        return result

    def _root(self) -> Path:
        return self.source if self.source.is_dir() else self.source.parent

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._root()).as_posix()

    def _files(self) -> list[Path]:
        if not self.source.exists():
            raise MissingData(f"{self.source} is not there; give a folder of photos, or one photo.")
        out, source = self.out.resolve(), self.source.resolve()
        if out == source or (self.source.is_dir() and out in source.parents):
            raise UsageError(
                f"The photos in {self.source} lie in the pictures' folder {self.out}; choose another --out."
            )
        if self.out.exists() and not self.out.is_dir():
            raise UsageError(f"{self.out} is a file, but the pictures need a folder; choose another --out.")
        found = [self.source] if self.source.is_file() else sorted(self.source.rglob("*"))
        files = [
            p
            for p in found
            if p.is_file() and p.suffix.lower() in SUFFIXES and out not in p.resolve().parents and p.name[0] != "."
        ]
        if not files:
            raise MissingData(f"{self.source} holds no pictures ({', '.join(sorted(SUFFIXES))}).")
        return files

    def _names(self, files: Sequence[Path]) -> dict[Path, str]:
        """Relative output names without their ending. Who would share a name with another keeps the ending; names that
        differ in case alone are the same, as they are on some disks."""
        whole: set[Path] = set()
        while True:
            chosen = {p: self._relative(p if p in whole else p.with_suffix("")) for p in files}
            taken = Counter(name.casefold() for name in chosen.values())
            clash = {p for p, name in chosen.items() if taken[name.casefold()] > 1} - whole
            if not clash:
                return chosen
            whole |= clash

    def _outputs(self, name: str, faces: int) -> list[str]:
        return [f"{name}_face{i + 1}.png" if self.detector else f"{name}.png" for i in range(faces)]

    def _faces(self, path: Path, name: str, journal: Journal) -> list[Waiting]:
        """The faces of a file, read unless the journal knows this very content and its pictures lie there unchanged."""
        file = self._relative(path)
        entry = journal.entries.get(file)
        if entry is not None and entry["digest"] == _hash(path):
            outputs = self._outputs(name, len(entry["pictures"]))
            there = {p["name"]: _hash(self.out / p["name"]) == p["sha256"] for p in entry["pictures"]}
            if list(there) == outputs and all(there.values()):
                return [Waiting(path, output, i, len(outputs), entry, None) for i, output in enumerate(outputs)]
        digest, images = self._read(path)
        entry = {"file": file, "digest": digest, "pictures": []}
        outputs = self._outputs(name, len(images))
        return [
            Waiting(path, output, i, len(images), entry, image)
            for i, (output, image) in enumerate(zip(outputs, images, strict=True))
        ]

    def _read(self, path: Path) -> tuple[str, list[Tensor]]:
        """The digest of a file and its aligned faces, (3, 112, 112) each. Raises `BadImage`."""
        if self.detector is not None:
            found = faces_in(path, self.detector)[: 1 if self.largest else None]
            if self.chosen is not None:
                found = [found[row] for row in self.chosen.get(self._relative(path), ()) if row < len(found)]
            if not found:
                raise BadImage(f"None of the faces in {path} was chosen; choose one, or leave the photo out.")
            return found[0].source.digest, [face.image for face in found]
        picture = read_picture(path)
        height, width = picture.image.shape[1:]
        if (height, width) != (SIZE, SIZE):
            raise BadImage(
                f"{path} is {width} x {height}, but aligned faces are {SIZE} x {SIZE}; leave --aligned out for photos."
            )
        return picture.source.digest, [picture.image]

    def _batch(
        self, batch: Sequence[Waiting], protection: ImageProtection, journal: Journal, result: Result
    ) -> Iterator[str]:
        """Protect, write and measure what is not there yet; yield each file when its last face is written down."""
        stale = [w for w in batch if w.image is not None]
        measured = self._unproven(batch)
        if stale or measured:
            faces, rows = self._together(batch)
            if stale:
                pictures = protection(faces.images, faces).cpu()
                for waiter in stale:
                    write_image(self.out / waiter.name, pictures[rows[waiter.name]])
                    digest = _hash(self.out / waiter.name)
                    waiter.entry["pictures"].append({"name": waiter.name, "sha256": digest, "proof": None})
            self._measure([w for w in measured if w.name in rows], faces, rows)
        for waiter in batch:
            (result.skipped if waiter.image is None else result.written).append(waiter.name)
            self.told(waiter.name)
            if waiter.index == waiter.of - 1:
                if waiter.image is not None or waiter in measured:
                    self._write_down(waiter, journal)
                result.proof.extend(p["proof"] for p in waiter.entry["pictures"] if self.proof and p["proof"])
                yield waiter.entry["file"]

    def _unproven(self, batch: Sequence[Waiting]) -> list[Waiting]:
        """Whom to measure: new pictures, and those that were written without a proof."""
        if self.proof is None:
            return []
        return [w for w in batch if w.image is not None or not w.entry["pictures"][w.index]["proof"]]

    def _together(self, batch: Sequence[Waiting]) -> tuple[Faces, dict[str, int]]:
        """The originals of a batch and the row of each output, with those read again whose pictures lie there."""
        read = cache(self._read)
        images, kept = [], []
        for waiter in batch:
            image = waiter.image
            if image is None:
                again = read(waiter.path)[1]
                image = again[waiter.index] if waiter.index < len(again) else None
            if image is not None:
                images.append(image)
                kept.append(waiter)
        faces = Faces(torch.stack(images), source=[w.source for w in kept]).to(self.device)
        return faces, {w.name: row for row, w in enumerate(kept)}

    def _measure(self, chosen: Sequence[Waiting], faces: Faces, rows: dict[str, int]) -> None:
        """Put the proof of the pictures, as read back from their files, into the entries."""
        if self.proof is None or not chosen:
            return
        originals = faces[[rows[w.name] for w in chosen]]
        pictures = torch.stack([read_picture(self.out / w.name).image for w in chosen]).to(self.device)
        for waiter, found in zip(chosen, self.proof.measure(originals, pictures), strict=True):
            waiter.entry["pictures"][waiter.index]["proof"] = found

    def _write_down(self, last: Waiting, journal: Journal) -> None:
        """Enter a finished file, and take away what it gave before under names that it has no more."""
        before = journal.entries.get(last.entry["file"], last.entry)
        journal.add(last.entry)
        names = {p["name"] for p in last.entry["pictures"]}
        for picture in before["pictures"]:
            if picture["name"] not in names and _hash(self.out / picture["name"]) == picture["sha256"]:
                (self.out / picture["name"]).unlink()


def _hash(path: Path) -> str:
    """The SHA-256 of a file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
