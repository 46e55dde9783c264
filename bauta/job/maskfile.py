"""The `.mask` file: a person's mask, which is a key, with what its owner needs to know of it.

Whoever has the file can take the mask off every photo that carries it, and whoever has the person's template can look
for the person: the file is written with mode 0600, and nothing in a protected photo names it. It is a safetensors file
with its settings as JSON in the metadata, so that reading one runs nothing that it says and costs no more memory than
it is long.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from bauta.errors import BadFile, BautaError, MissingData
from bauta.faces.align import SIZE
from bauta.zoo.cache import write_whole

VERSION = 1
LONGEST = 1 << 21  # bytes of a file
HEADER = 1 << 18  # bytes of its header: some thousand epochs
WIDEST = 4096  # numbers of a template


@dataclass(frozen=True)
class Measured:
    """What an epoch measured, means over its batches: the loss, the angle to the clean faces in radians (summed over
    the team), and the DSSIM."""

    epoch: int
    loss: float
    angle: float
    dssim: float

    @property
    def ssim(self) -> float:
        """What the DSSIM stands for."""
        return 1 - 2 * self.dssim


@dataclass(frozen=True)
class Made:
    """How a mask was made. protection: the recipe, as `repr` gives it. team: recognizer -> SHA-256 of its weights,
    empty where nobody knows it; the first one tells whose face is whose. photos: how many. strength: what is added by
    default, times the mask. history: an entry an epoch, in order."""

    protection: str
    team: Mapping[str, str]
    photos: int
    strength: float
    history: Sequence[Measured] = ()

    @property
    def recognizer(self) -> str:
        """The name of the recognizer that made `MaskFile.person`."""
        return next(iter(self.team))


@dataclass(frozen=True, eq=False)
class MaskFile:
    """mask: (3, 112, 112) in units of [0, 1]. person: (D,), the unit mean template of the owner's clean photos."""

    mask: Tensor = field(repr=False)
    person: Tensor = field(repr=False)
    made: Made

    def save(self, path: str | Path) -> None:
        """Write the file whole or not at all, for its owner's eyes only. Raises `BautaError`."""
        tensors = {"mask": self.mask.float(), "person": self.person.float()}
        write_private(Path(path), packed(tensors, {"bauta mask": VERSION, **asdict(self.made)}))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The mask in a file. Raises `MissingData`, `BadFile` for whatever `save` would not have written."""
        tensors, about = unpacked(Path(path))
        mask, person = tensors.pop("mask", None), tensors.pop("person", None)
        if mask is None or person is None or tensors:
            raise BadFile(f"{path} is no mask file: it should hold a mask and a person; learn or copy it again.")
        if about.pop("bauta mask", None) != VERSION:
            raise BadFile(f"{path} is of a version that this bauta does not know; it reads version {VERSION}.")
        if mask.shape != (3, SIZE, SIZE) or person.ndim != 1 or not 1 <= len(person) <= WIDEST:
            raise BadFile(f"{path} holds a mask {tuple(mask.shape)} and a person {tuple(person.shape)}; no mask is so.")
        if mask.dtype != torch.float32 or not (mask.abs() <= 1).all() or not abs(float(person.norm()) - 1) < 1e-3:
            raise BadFile(f"{path} holds numbers that no mask or template has; learn or copy it again.")
        try:
            return cls(mask, person, _made(about))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise BadFile(f"{path} does not say how its mask was made; learn or copy it again.") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a file whole or not at all with mode 0600. Raises `BautaError`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise BautaError(f"{path} cannot be written ({error.strerror or error}); choose another place.") from error


def packed(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> bytes:
    """A safetensors file of tensors and what is said about them."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return save(whole, {"bauta": json.dumps(dict(about), allow_nan=False)})


def unpacked(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `packed` put into a file, all numbers of it finite. Raises `MissingData`, `BadFile`."""
    if not path.is_file():
        raise MissingData(f"{path} is not there; give the file that `bauta mask learn` wrote.")
    strange = f"{path} is no mask file that can be read; learn it again, or copy it again from where it came."
    try:
        if path.stat().st_size > LONGEST:
            raise BadFile(strange)
        data = path.read_bytes()
        header = int.from_bytes(data[:8], "little")
        if len(data) < 8 or header > min(HEADER, len(data) - 8):
            raise BadFile(strange)
        about = json.loads(json.loads(data[8 : 8 + header])["__metadata__"]["bauta"])
        tensors = load(data)
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {error.strerror or error}.") from error
    except (SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadFile(strange) from error
    if not isinstance(about, dict) or not all(_sound(tensor) for tensor in tensors.values()):
        raise BadFile(strange)
    return tensors, about


def _sound(tensor: Tensor) -> bool:
    if tensor.dtype == torch.uint8:
        return True
    return tensor.dtype == torch.float32 and bool(tensor.isfinite().all())


def _made(about: Mapping[str, Any]) -> Made:
    """Raises `TypeError` or `ValueError` for what is of another kind."""
    made = Made(**{**about, "history": [Measured(**row) for row in about["history"]]})
    texts = [made.protection, *made.team.keys(), *made.team.values()]
    numbers = [made.strength, *(v for row in made.history for v in (row.loss, row.angle, row.dssim))]
    counts = [made.photos, *(row.epoch for row in made.history)]
    if not made.team or not all(type(text) is str and text.isprintable() for text in texts):
        raise ValueError
    if not all(type(n) is int and n >= 0 for n in counts):
        raise ValueError
    if not all(type(n) in (int, float) and math.isfinite(n) for n in numbers) or not 0 <= made.strength <= 1:
        raise ValueError
    return made
