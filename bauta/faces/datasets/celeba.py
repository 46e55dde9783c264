"""CelebA: Liu, Luo, Wang and Tang, "Deep learning face attributes in the wild", ICCV 2015."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from bauta.errors import BadFile, MissingData, UsageError
from bauta.faces.datasets.base import DataSet
from bauta.faces.datasets.reading import Landmarks
from bauta.faces.datasets.store import Store, base, find_text, pictures
from bauta.faces.detect import Detector

__all__ = ["PARTS", "CelebA"]

PARTS = ("train", "validation", "test")
FILE = re.compile(r"\d+\.(jpg|png)")
PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv")


class CelebA(DataSet):
    """img_align_celeba with its lists beside it: identity_CelebA, list_attr_celeba, list_eval_partition and
    list_landmarks_align_celeba, as .txt or .csv; all but the partition may be absent.

    part: "train", "validation" or "test" of the official partition, which share no person. attributes: the 40 under
    their own names (`Male`, `Smiling`), 1 or 0.
    """

    def __init__(self, store: Store, *, part: str = "test", detector: Detector | None = None) -> None:
        if part not in PARTS:
            raise UsageError(f"CelebA has the parts {', '.join(PARTS)}, got {part!r}.")
        self.part = part
        super().__init__(store, detector=detector)

    @classmethod
    def fits(cls, store: Store) -> bool:
        """The partition is there."""
        return find_text(store, *PARTITION) is not None

    def listed(self) -> list[str]:
        """The pictures of the part."""
        text = find_text(self.store, *PARTITION)
        if text is None:
            raise MissingData(f"No {PARTITION[0]} lies in {self.store}; put CelebA's there.")
        partition = table(text)[1]
        return [name for name in pictures(self.store) if partition.get(base(name)) == [PARTS.index(self.part)]]

    @cached_property
    def people(self) -> dict[str, list[int]]:
        """File -> the number of its person; empty where the list is absent."""
        text = find_text(self.store, "identity_CelebA.txt", "identity_CelebA.csv")
        return table(text)[1] if text else {}

    def person(self, name: str) -> str | None:
        """The number of the person, in seven digits so that names sort as numbers do."""
        number = self.people.get(base(name))
        return f"{number[0]:07d}" if number else None

    def attributes(self, names: Sequence[str]) -> Mapping[str, Tensor]:
        """The 40 attributes; -1 for a picture that is not in the list."""
        text = find_text(self.store, "list_attr_celeba.txt", "list_attr_celeba.csv")
        if text is None:
            return {}
        columns, rows = table(text)
        unknown = [0] * len(columns)
        # the list says 1 and -1
        values = [[int(v > 0) if v else -1 for v in rows.get(base(name), unknown)] for name in names]
        if any(len(row) != len(columns) for row in values):
            raise BadFile(f"list_attr_celeba must have {len(columns)} values a line, as its header says; get it again.")
        return dict(zip(columns, torch.tensor(values, dtype=torch.long).unbind(1), strict=True))

    def landmarks(self) -> Landmarks:
        """The five points in the aligned pictures of 178 x 218."""
        text = find_text(self.store, "list_landmarks_align_celeba.txt", "list_landmarks_align_celeba.csv")
        rows = table(text)[1] if text else {}
        if any(len(row) != 10 for row in rows.values()):
            raise BadFile("list_landmarks_align_celeba must have ten numbers a line; get it again.")
        return {file: np.array(row, np.float64).reshape(5, 2) for file, row in rows.items()}


def table(text: str) -> tuple[list[str], dict[str, list[int]]]:
    """A list of CelebA -> (the names of its columns, file -> integers). Raises `BadFile`."""
    columns: list[str] = []
    rows: dict[str, list[int]] = {}
    for line in text.splitlines():
        words = re.split(r"[,\s]+", line.strip())
        if FILE.fullmatch(words[0]):
            try:
                rows[words[0]] = [int(word) for word in words[1:]]
            except ValueError as error:
                raise BadFile(
                    f"A list of CelebA must have integers after the file, got {line!r}; get it again."
                ) from error
        elif not rows and not (len(words) == 1 and words[0].isdigit()):
            columns = [word for word in words if word != "image_id"]
    return columns, rows
