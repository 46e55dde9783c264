"""More to learn from than one set of known people: pictures of nobody in particular, and faces between two faces.

A teacher can be followed on any face, whoever it shows. Rows whose person nobody knows, or whom there is none of, have
the identity `NOBODY`, and a loss over people passes them over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from bauta.errors import MissingData
from bauta.faces import load_dataset
from bauta.ops.noise import generators
from bauta.train.examples import Examples
from bauta.types import Faces, Images, Source

__all__ = ["NOBODY", "Blends", "Joined", "Nameless", "nameless"]

NOBODY = -1
SOFT = (2.0, 60.0)  # pixels over which one face passes into the other: a seam, or nearly the mean of both


class Nameless:
    """Faces that lie in memory, whoever they show."""

    def __init__(self, faces: Faces) -> None:
        self.identity = torch.full((len(faces),), NOBODY)
        self.faces = replace(faces, identity=self.identity, attributes={})

    def __len__(self) -> int:
        return len(self.faces)

    def read(self, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        return self.faces[rows], list(rows)


def nameless(data: str | Path) -> Nameless:
    """A data set without its names: they are numbers of its own, and would be taken for other people's. Raises
    `MissingData`, `UsageError`."""
    return Nameless(load_dataset(data))


class Joined:
    """Several examples, one behind the other. Only the first may know who is who."""

    def __init__(self, *parts: Examples) -> None:
        self.parts = parts
        self.identity = torch.cat([parts[0].identity, *(torch.full((len(p),), NOBODY) for p in parts[1:])])
        self.ends = torch.tensor([len(part) for part in parts]).cumsum(0)

    def __len__(self) -> int:
        return len(self.identity)

    def read(self, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        wanted = torch.as_tensor(rows, dtype=torch.long)
        part = torch.bucketize(wanted, self.ends, right=True)
        found: list[tuple[int, Faces, int]] = []  # place in `rows`, the face, its row
        for number, examples in enumerate(self.parts):
            places = (part == number).nonzero().flatten()
            if not len(places):
                continue
            start = int(self.ends[number]) - len(examples)
            asked = (wanted[places] - start).tolist()
            faces, kept = examples.read(asked)
            waiting = iter(zip(places.tolist(), asked, strict=True))
            for i, row in enumerate(kept):  # in the order asked for, some perhaps missing
                place = next(place for place, other in waiting if other == row)
                found.append((place, faces[[i]], row + start))
        found.sort(key=lambda one: one[0])
        if not found:
            raise MissingData("None of the pictures of a batch can be read; look at the data.")
        kept = [row for _, _, row in found]
        sources = [Source("", face.digests()[0]) if not face.source else face.source[0] for _, face, _ in found]
        return Faces(torch.cat([face.images for _, face, _ in found]), self.identity[kept], source=sources), kept


class Blends:
    """`count` faces of people who do not exist, each between two of other examples, drawn from the seed and its row.

    One face passes into the other across a line of any direction through the middle of the picture, over 2 to 60
    pixels: two halves with a seam, or nearly the mean of both. Aligned faces blend into a face. What a teacher says of
    such faces teaches a small network more than the few real ones alone (Beyer et al., Knowledge distillation: A good
    teacher is patient and consistent, CVPR 2022, of mixed pictures).
    """

    def __init__(self, whole: Examples, count: int, *, seed: int = 0) -> None:
        self.whole, self.seed = whole, seed
        self.identity = torch.full((count,), NOBODY)

    def __len__(self) -> int:
        return len(self.identity)

    def read(self, rows: Sequence[int]) -> tuple[Faces, list[int]]:
        made, kept, sources = [], [], []
        for row, draw in zip(rows, generators(self.seed, [str(row) for row in rows], "blend"), strict=True):
            pair = torch.randint(len(self.whole), (2,), generator=draw).tolist()
            faces, _ = self.whole.read(pair)
            if len(faces) < 2:
                continue
            made.append(blend(faces.images[0], faces.images[1], draw))
            kept.append(row)
            sources.append(Source("", f"blend:{self.seed}:{':'.join(faces.digests())}:{row}"))
        if not made:
            raise MissingData("None of the pictures of a batch can be read; look at the data.")
        return Faces(torch.stack(made), self.identity[kept], source=sources), kept


def blend(one: Images, other: Images, draw: torch.Generator) -> Images:
    """(3, H, W): `one` on a side of a line, `other` on the other side."""
    turn, place, soft = torch.rand(3, generator=draw, dtype=torch.float64).tolist()
    high, wide = one.shape[-2:]
    down, across = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    angle = torch.tensor(2 * torch.pi * turn)
    along = (across - wide / 2) * angle.cos() + (down - high / 2) * angle.sin() + (place - 0.5) * wide / 4
    width = SOFT[0] * (SOFT[1] / SOFT[0]) ** soft
    share = (along / width).sigmoid().to(one)
    mixed: Images = one * share + other * (1 - share)
    return mixed
