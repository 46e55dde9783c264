"""The nouns: what flows through a face-recognition system, with shapes and ranges.

    ============  ================  ==================================================================
    name          shape             what
    ============  ================  ==================================================================
    `Images`      (B, 3, H, W)      RGB float in [0, 1], aligned faces (112 x 112 unless said otherwise)
    `Features`    (B, C, h, w)      everything that crosses the wire, in one tensor
    `Templates`   (B, D)            unit rows: what the provider stores and compares
    ============  ================  ==================================================================

B faces, C channels, D numbers; H x W and h x w pixels and places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

import torch
from torch import Tensor

from bauta.errors import ShapeError, check_shape

Images = Tensor
Features = Tensor
Templates = Tensor

__all__ = ["Faces", "Features", "Images", "Source", "Stage", "Templates"]


class Stage(Enum):
    """Where data can be protected, and where it leaks."""

    IMAGES = "images"
    FEATURES = "features"
    TEMPLATES = "templates"
    SCORES = "scores"


@dataclass(frozen=True)
class Source:
    """Where a face came from: the file's name and the SHA-256 of its content.

    The digest identifies a face: resuming a job, keeping attackers' and victims' pictures apart, and
    the random draws of a protection all depend on it and never on a position in a list.
    """

    file: str
    digest: str


@dataclass(frozen=True)
class Faces:
    """A batch of aligned faces and what is known about them.

    images: `Images`. identity: (B,) integers, or None where unknown. attributes: name -> (B,), where a
    negative integer or NaN means unlabelled. source: one `Source` a face, or empty for pictures made in
    memory (their pixels are then the digest).
    """

    images: Images
    identity: Tensor | None = None
    attributes: Mapping[str, Tensor] = field(default_factory=dict)
    source: Sequence[Source] = ()

    def __post_init__(self) -> None:
        check_shape(self.images, "B 3 H W", "Faces.images")
        columns = {"identity": self.identity, **self.attributes}
        lengths = {k: len(v) for k, v in columns.items() if v is not None}
        if self.source:
            lengths["source"] = len(self.source)
        wrong = {k: n for k, n in lengths.items() if n != len(self.images)}
        if wrong:
            raise ShapeError(f"Faces has {len(self.images)} images, but {wrong} rows; give one row a face.")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | Sequence[int] | Tensor) -> Faces:
        """The chosen rows, as Faces."""
        index = torch.arange(len(self))[rows] if isinstance(rows, slice) else torch.as_tensor(rows)
        if index.dtype == torch.bool:
            index = index.nonzero().flatten()
        return Faces(
            self.images[index],
            None if self.identity is None else self.identity[index],
            {k: v[index] for k, v in self.attributes.items()},
            [self.source[i] for i in index.tolist()] if self.source else (),
        )

    def batches(self, size: int) -> Iterator[Faces]:
        """The faces in order, at most `size` at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    def to(self, device: torch.device | str) -> Faces:
        """The same faces with their pictures on `device`."""
        return replace(self, images=self.images.to(device))

    def digests(self) -> list[str]:
        """One SHA-256 a face: of the file's content, or of the pixels when there is no file."""
        if self.source:
            return [s.digest for s in self.source]
        return [hashlib.sha256(x.detach().cpu().contiguous().numpy().tobytes()).hexdigest() for x in self.images]
