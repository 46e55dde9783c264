"""What a study's pictures look like: a few of each cell are kept, on the user's disk, for `bauta study gallery`."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from bauta.errors import BadFile
from bauta.faces import Pairs
from bauta.faces.images import write_bytes
from bauta.study.records import KNOWS
from bauta.types import Faces, Images

SHOWN = "shown"
ORIGINAL, PROTECTED = "original", "protected"


class Gallery:
    """Keeps some pictures of every cell that gives pictures: one file a cell, under `folder`/shown.

    A callable for `Settings.show` and ``run(show=...)``. A cell that is measured again writes the same file again, so
    that a study which was stopped loses nothing. prefer: digests of the faces to be kept; where there are fewer of
    these than `faces`, the first others make up the number. `common_faces` gives those that all parts of a protocol
    share.
    """

    def __init__(self, folder: Path, prefer: Sequence[str] = (), *, faces: int = 8) -> None:
        self.folder, self.prefer, self.faces = folder, tuple(prefer), faces

    def __call__(self, cell: str, pictures: Tensor, originals: Faces) -> None:
        """Keep the cell's pictures (B, 3, H, W) and the originals, 8 bits a number."""
        place = {digest: row for row, digest in enumerate(originals.digests())}
        wanted = dict.fromkeys([*(d for d in self.prefer if d in place), *place])
        chosen = list(wanted)[: self.faces]
        rows = [place[digest] for digest in chosen]
        tensors = {ORIGINAL: eight_bits(originals.images[rows]), PROTECTED: eight_bits(pictures[rows])}
        # one entry: safetensors writes several in any order
        facts = {"shown": json.dumps({"cell": cell, "faces": chosen})}
        write_bytes(self.folder / SHOWN / f"{safe(cell)}.safetensors", save(tensors, facts))


def common_faces(pairs: Pairs) -> list[str]:
    """The digests of the first pictures in the smallest part of a protocol: each larger part has them too."""
    least = pairs.take(2 * len(torch.unique(pairs.fold)))
    return least.faces[torch.unique(least.first)].digests()


def shown(folder: Path, faces: int = 8) -> dict[str, dict[str, Images]]:
    """System -> label -> pictures (B, 3, H, W): the originals, as protected, and as each attack has brought them back.

    At most `faces` columns, those that most cells of the system have; where a cell lacks one, its picture is NaN. What
    is unprotected has no row beside the originals. Raises `BadFile` for a file that is none of `Gallery`'s.
    """
    cells: dict[str, dict[str, dict[str, Images]]] = {}
    originals: dict[str, Tensor] = {}
    for path in sorted((folder / SHOWN).glob("*.safetensors")):
        cell, pictures, truth = read(path)
        originals |= truth
        system, _, attack = cell.partition(" / ")
        cells.setdefault(system, {})[attack] = pictures
    return {system: assembled(cells[system], originals, faces) for system in sorted(cells)}


def assembled(cells: dict[str, dict[str, Images]], originals: dict[str, Tensor], faces: int) -> dict[str, Images]:
    """The rows of one system's gallery, in columns of the same faces."""
    common: dict[str, int] = {}
    for pictures in cells.values():
        for digest in pictures:
            common[digest] = common.get(digest, 0) + 1
    columns = sorted(common, key=lambda digest: -common[digest])[:faces]
    rows = {ORIGINAL: torch.stack([originals[digest] for digest in columns])}
    for attack in sorted(cells, key=lambda attack: (attack != "utility", attack)):
        absent = torch.full_like(rows[ORIGINAL][0], torch.nan)
        row = torch.stack([cells[attack].get(digest, absent) for digest in columns])
        if attack != "utility" or not torch.equal(row, rows[ORIGINAL]):
            rows[label(attack)] = row
    return rows


def label(attack: str) -> str:
    """``RecFace() / SCHEME``, as a cell has it, in words."""
    who, _, knows = attack.rpartition(" / ")
    return f"{who}, {KNOWS.get(knows, knows)}" if who else PROTECTED


def read(path: Path) -> tuple[str, dict[str, Tensor], dict[str, Tensor]]:
    """The cell of a file of `Gallery`'s, and digest -> picture and original (3, H, W) in [0, 1]."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["shown"])
            pictures, truth = (
                {d: x.float() / 255 for d, x in zip(facts["faces"], file.get_tensor(name), strict=True)}
                for name in (PROTECTED, ORIGINAL)
            )
            return facts["cell"], pictures, truth
    except (SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise BadFile(f"{path} holds no pictures of a study ({error}); delete it and run the study again.") from error


def eight_bits(images: Images) -> Tensor:
    """[0, 1] -> 0..255."""
    return images.detach().cpu().clamp(0, 1).mul(255).round().byte().contiguous()


def safe(cell: str) -> str:
    """A file's name for any cell: its first words, and a hash, since names are short and case may not count."""
    words = re.sub(r"[^A-Za-z0-9.@+-]+", "_", cell).strip("._")[:80]
    return f"{words}-{hashlib.sha256(cell.encode()).hexdigest()[:12]}"
