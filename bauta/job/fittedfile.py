"""A fitted protection of features as a file, so that a resumed job and the online service use the very same.

A provider's database and its live requests::

    protection = fittedfile.load("adv.safetensors", recognizer)      # the recognizer at the cut of the file
    Pipeline(recognizer, protection).features(faces)

The file holds the seed of all draws and what was learned. Whoever has it can check a guess at an unprotected row, and
train against the very protection: it is written with mode 0600. It is a safetensors file, and reading it runs nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from bauta import __version__
from bauta.errors import BadFile, MissingData, UsageError
from bauta.job.maskfile import packed, write_private
from bauta.job.maskmaking import digests
from bauta.protections import ALL, FeatureProtection
from bauta.recognizers.base import Recognizer
from bauta.spec import parse

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """protection: the recipe, its seed in it. recognizer, weights, cut: its name, the SHA-256 of its weights (empty
    where nobody knows it) and how many layers the client holds. seed: of the draws. public: the faces that it learned
    from, as they were named. bauta: the version that learned."""

    protection: str
    recognizer: str
    weights: str
    cut: int
    seed: int
    public: str
    bauta: str


def save(path: str | Path, protection: FeatureProtection, recognizer: Recognizer, public: str = "") -> None:
    """Write a fitted protection, whole or not at all, for its owner's eyes only. Raises `BautaError`."""
    weights, seed = digests([recognizer])[recognizer.name], getattr(protection, "seed", 0)
    about = Settings(repr(protection), recognizer.name, weights, recognizer.cut, seed, public, __version__)
    write_private(Path(path), packed(protection.learned(), {"bauta fitted": VERSION, **asdict(about)}))


def settings(path: str | Path) -> Settings:
    """How the protection in a file was made. Raises `MissingData`, `BadFile`."""
    return _read(Path(path))[0]


def digest(path: str | Path) -> str:
    """The SHA-256 of the file, by which a job knows that it goes on with the same protection. Raises `OSError`."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(path: str | Path, recognizer: Recognizer, known: Iterable[type] = ()) -> FeatureProtection:
    """The fitted protection in a file, for the recognizer and cut that it was fitted for.

    known: classes beside bauta's own that its recipe may name. Raises `MissingData`, `BadFile`, `UsageError` where the
    recognizer, its weights or its cut are others.
    """
    about, tensors = _read(Path(path))
    wanted = (about.recognizer, about.weights, about.cut)
    if (recognizer.name, digests([recognizer])[recognizer.name], recognizer.cut) != wanted:
        raise UsageError(
            f"{path} was fitted for {about.recognizer} (weights {about.weights[:12] or 'unknown'}) at cut {about.cut}, "
            f"got {recognizer.name} at cut {recognizer.cut}; load that one, or fit anew."
        )
    protection = parse(about.protection, (*ALL, *known))
    if not isinstance(protection, FeatureProtection):
        raise BadFile(f"{path} holds {about.protection}, which protects no features; give another file.")
    return protection.restored(tensors, recognizer).eval()


def _read(path: Path) -> tuple[Settings, dict[str, Tensor]]:
    if not path.is_file():
        raise MissingData(f"{path} is not there; give the file that `bauta protect-features --learned` wrote.")
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})["bauta"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, a handle is no mapping
        version = about.pop("bauta fitted")
        made = Settings(**about)
        if any(type(getattr(made, name)) is not type_ for name, type_ in TYPES.items()):
            raise TypeError
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadFile(
            f"{path} holds no fitted protection that can be read; learn it again, or copy it again."
        ) from error
    if version != VERSION:
        raise BadFile(f"{path} is of version {version!r}, and this bauta reads version {VERSION}; learn it again.")
    if not all(bool(t.isfinite().all()) for t in tensors.values() if t.is_floating_point()):
        raise BadFile(f"{path} holds numbers that are not finite; learn it again.")
    return made, tensors


TYPES = dict.fromkeys(("protection", "recognizer", "weights", "public", "bauta"), str) | {"cut": int, "seed": int}
