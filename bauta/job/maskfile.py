"""The `.mask` file: a person's masks, which are a key, with what their owner needs to know of them.

Whoever has the file can take the mask off every photo that carries it, and whoever has the person's template can look
for the person: the file is written with mode 0600, and nothing in a protected photo names it. It is a safetensors file
with its settings as JSON in the metadata, so that reading one runs nothing that it says and costs no more memory than
it is long.
"""

from __future__ import annotations

import hashlib
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

VERSION = 2
MOST = 16  # masks in a file
LONGEST = 1 << 22  # bytes of a file
HEADER = 1 << 18  # bytes of its header: some thousand epochs
WIDEST = 4096  # numbers of a template


@dataclass(frozen=True)
class Measured:
    """What an epoch measured, means over its batches: the loss, the angle to the clean faces in radians (summed over
    the team), and the DSSIM. variant: which of the file's masks it was, from 1."""

    epoch: int
    loss: float
    angle: float
    dssim: float
    variant: int = 1

    @property
    def ssim(self) -> float:
        """What the DSSIM stands for."""
        return 1 - 2 * self.dssim


@dataclass(frozen=True)
class Made:
    """How a mask was made. protection: the recipe, as `repr` gives it. team: recognizer -> SHA-256 of its weights,
    empty where nobody knows it; the first one tells whose face is whose. photos: how many. strength: what is added by
    default, times the mask. history: an entry an epoch, in order, one mask after the other."""

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
    """masks: (V, 3, 112, 112) in units of [0, 1], of which a photo gets one. person: (D,), the unit mean template of
    the owner's clean photos."""

    masks: Tensor = field(repr=False)
    person: Tensor = field(repr=False)
    made: Made

    def save(self, path: str | Path) -> None:
        """Write the file whole or not at all, for its owner's eyes only. Raises `BautaError`."""
        tensors = {"masks": self.masks.float(), "person": self.person.float()}
        write_private(Path(path), packed(tensors, {"bauta mask": VERSION, **asdict(self.made)}))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The mask in a file. Raises `MissingData`, `BadFile` for whatever `save` would not have written."""
        tensors, about = unpacked(Path(path))
        masks, person = tensors.pop("masks", None), tensors.pop("person", None)
        if about.pop("bauta mask", None) != VERSION:
            raise BadFile(f"{path} is of a version that this bauta does not know; it reads version {VERSION}.")
        if masks is None or person is None or tensors:
            raise BadFile(f"{path} is no mask file: it should hold masks and a person; learn or copy it again.")
        known = masks.ndim == 4 and 1 <= len(masks) <= MOST and masks.shape[1:] == (3, SIZE, SIZE)
        if not known or person.ndim != 1 or not 1 <= len(person) <= WIDEST:
            raise BadFile(f"{path} holds masks {tuple(masks.shape)} and a person {tuple(person.shape)}; no mask is so.")
        if masks.dtype != torch.float32 or not (masks.abs() <= 1).all() or not abs(float(person.norm()) - 1) < 1e-3:
            raise BadFile(f"{path} holds numbers that no mask or template has; learn or copy it again.")
        try:
            return cls(masks, person, _made(about))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise BadFile(f"{path} does not say how its mask was made; learn or copy it again.") from error

    def drawn(self, photo: Tensor) -> int:
        """Which mask a photo (3, H, W) gets, from 1: drawn from its pixels and the key, so that the same photo gets the
        same one again, and nobody without the key knows which."""
        if len(self.masks) == 1:
            return 1
        digest = hashlib.sha256(self.masks.contiguous().numpy().tobytes())
        digest.update((photo * 255).round().byte().contiguous().numpy().tobytes())
        return 1 + int.from_bytes(digest.digest()[:8], "big") % len(self.masks)

    @property
    def alike(self) -> float:
        """The largest cosine between two of the masks, 0 where there is but one: 1 were the same mask twice."""
        units = torch.nn.functional.normalize(self.masks.flatten(1), dim=1)
        return float((units @ units.T - torch.eye(len(units))).max()) if len(units) > 1 else 0.0


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
    counts = [made.photos, *(n for row in made.history for n in (row.epoch, row.variant))]
    if not made.team or not all(type(text) is str and text.isprintable() for text in texts):
        raise ValueError
    if not all(type(n) is int and n >= 0 for n in counts):
        raise ValueError
    if not all(type(n) in (int, float) and math.isfinite(n) for n in numbers) or not 0 <= made.strength <= 1:
        raise ValueError
    return made
