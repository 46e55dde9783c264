"""A folder of photos -> a folder of pictures that only the authorized recognizers can use.

Memory stays flat: faces are protected in batches and written as they come. A stopped job goes on where it was; a bad
file is reported and never stops the rest.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from bauta import __version__
from bauta.errors import BadFile, BadImage, MissingData
from bauta.faces.detect import Detector
from bauta.faces.images import read_picture, write_bytes, write_image
from bauta.faces.photos import faces_in
from bauta.job.journal import Journal
from bauta.job.proof import Proof
from bauta.protections import ImageProtection
from bauta.types import Faces, Source

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".gif"}
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


@dataclass(frozen=True)
class Waiting:
    """A face that waits for its batch."""

    file: str
    digest: str
    name: str
    image: Tensor
    index: int
    of: int


@dataclass
class ProtectJob:
    """protection: fitted, without its seed (the journal has it). detector: None when the files are aligned faces.

    largest: only the largest face of a photo. proof: measures each batch, as read back from its files. settings: what
    made the pictures; they lie beside them in `bauta.json`, and a job resumes only under the same ones.
    """

    source: Path
    out: Path
    journals: Path
    protection: ImageProtection
    settings: dict[str, Any]
    detector: Detector | None = None
    largest: bool = False
    proof: Proof | None = None
    batch_size: int = 32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def run(self, seed: int | None = None, progress: Progress | None = None) -> Result:
        """Protect what is not yet protected. seed: None for the journal's, or 128 random bits.

        Raises `MissingData` (no pictures), `UsageError` (other settings than before).
        """
        files = self._files()
        journal = Journal(self.journals, self.out)
        journal.begin(self.settings, seed)
        self.out.mkdir(parents=True, exist_ok=True)
        about = {"bauta": __version__, "torch": torch.__version__, "machine": platform.machine(), **self.settings}
        write_bytes(self.out / SETTINGS, (json.dumps(about, indent=1) + "\n").encode())
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

        for path in files:
            file = path.relative_to(self._root()).as_posix()
            try:
                faces = self._faces(path, names[path])
            except BadFile as error:
                finish(file, str(error))
                continue
            if self._done(journal.entries.get(file), faces):
                result.skipped.extend(face.name for face in faces)
                finish(file)
                continue
            waiting.extend(faces)
            while len(waiting) >= self.batch_size:
                waiting = self._flush(waiting, protection, journal, result, finish)
        while waiting:
            waiting = self._flush(waiting, protection, journal, result, finish)
        for entry in journal.entries.values():
            result.proof.extend(picture["proof"] for picture in entry["pictures"] if picture.get("proof"))
        return result

    def _root(self) -> Path:
        return self.source if self.source.is_dir() else self.source.parent

    def _files(self) -> list[Path]:
        if not self.source.exists():
            raise MissingData(f"{self.source} is not there; give a folder of photos, or one photo.")
        found = [self.source] if self.source.is_file() else sorted(self.source.rglob("*"))
        out = self.out.resolve()
        files = [
            p
            for p in found
            if p.is_file() and p.suffix.lower() in SUFFIXES and out not in p.resolve().parents and p.name[0] != "."
        ]
        if not files:
            raise MissingData(f"{self.source} holds no pictures ({', '.join(sorted(SUFFIXES))}).")
        return files

    def _names(self, files: Sequence[Path]) -> dict[Path, str]:
        """Relative output names without their ending; a stem that two files share keeps its ending."""
        stems = [p.with_suffix("") for p in files]
        return {
            p: (p if stems.count(stem) > 1 else stem).relative_to(self._root()).as_posix()
            for p, stem in zip(files, stems, strict=True)
        }

    def _faces(self, path: Path, name: str) -> list[Waiting]:
        file = path.relative_to(self._root()).as_posix()
        if self.detector is None:
            picture = read_picture(path)
            if tuple(picture.image.shape[1:]) != (112, 112):
                raise BadImage(
                    f"{path} is {picture.image.shape[2]} x {picture.image.shape[1]}, but aligned faces are 112 x 112; "
                    "leave --aligned out for photos."
                )
            return [Waiting(file, picture.source.digest, f"{name}.png", picture.image, 0, 1)]
        found = faces_in(path, self.detector)[: 1 if self.largest else None]
        return [
            Waiting(file, f.source.digest, f"{name}_face{i + 1}.png", f.image, i, len(found))
            for i, f in enumerate(found)
        ]

    def _done(self, entry: dict[str, Any] | None, faces: Sequence[Waiting]) -> bool:
        """Whether the journal knows this very content and every picture of it still lies there unchanged."""
        if entry is None or entry["digest"] != faces[0].digest or len(entry["pictures"]) != len(faces):
            return False
        return all(_hash(self.out / picture["name"]) == picture["sha256"] for picture in entry["pictures"])

    def _flush(
        self,
        waiting: list[Waiting],
        protection: ImageProtection,
        journal: Journal,
        result: Result,
        finish: Callable[[str], None],
    ) -> list[Waiting]:
        """Protect, write, measure and write down one batch; what is left over."""
        batch, rest = waiting[: self.batch_size], waiting[self.batch_size :]
        # a face's draws follow the photo's content and its place in it, so two faces of a photo differ
        sources = [Source(w.file, hashlib.sha256(f"{w.digest}/{w.index}".encode()).hexdigest()) for w in batch]
        faces = Faces(torch.stack([w.image for w in batch]), source=sources).to(self.device)
        for waiter, picture in zip(batch, protection(faces.images, faces).cpu(), strict=True):
            write_image(self.out / waiter.name, picture)
        pictures = torch.stack([read_picture(self.out / w.name).image for w in batch])
        measured = [None] * len(batch) if self.proof is None else self.proof.measure(faces, pictures.to(self.device))
        for waiter, proof in zip(batch, measured, strict=True):
            entry = journal.entries.get(waiter.file)
            if entry is None or waiter.index == 0:
                entry = {"file": waiter.file, "digest": waiter.digest, "pictures": []}
                journal.entries[waiter.file] = entry
            entry["pictures"].append({"name": waiter.name, "sha256": _hash(self.out / waiter.name), "proof": proof})
            result.written.append(waiter.name)
            if waiter.index == waiter.of - 1:
                journal.add(entry)
                finish(waiter.file)
        return rest


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
