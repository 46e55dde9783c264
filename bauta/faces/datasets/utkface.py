"""UTKFace: Zhang, Song and Qi, "Age progression/regression by conditional adversarial autoencoder", CVPR 2017.

Color chips called `age_gender_race_date.jpg.chip.jpg`; a few lack a field, which is then unknown.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.errors import BadFile
from bauta.faces.datasets.base import DataSet, spread
from bauta.faces.datasets.reading import Landmarks
from bauta.faces.datasets.store import Store, base, find_text, pictures
from bauta.faces.detect import Detector

__all__ = ["RACES", "UTKFace"]

RACES = ("white", "black", "asian", "indian", "other")
NAME = re.compile(r"(\d{1,3})_(?:([01])_)?(?:([0-4])_)?\d{8,}.*")


class UTKFace(DataSet):
    """UTKFace in a folder or zip. Nobody is named, so there are no identities.

    attributes: age in years, gender (0 male, 1 female), race (a place in `RACES`), and, where there is an index,
    balanced (1 for the part with as many of each race and gender). The index is utkface_index.csv among the files, a
    table with the columns file, x1, y1 to x5, y5 and balanced2000.
    """

    def __init__(self, store: Store, *, detector: Detector | None = None) -> None:
        super().__init__(store, detector=detector)
        index = find_text(store, "utkface_index.csv")
        self.rows = parse_index(index) if index else {}

    @classmethod
    def fits(cls, store: Store) -> bool:
        """Most pictures are called as UTKFace's."""
        names = pictures(store)
        return 2 * sum(NAME.fullmatch(base(name)) is not None for name in names) > len(names)

    def listed(self) -> list[str]:
        """The pictures that are called as UTKFace's."""
        return [name for name in pictures(self.store) if NAME.fullmatch(base(name))]

    def chosen(self, limit: int) -> list[str]:
        """Evenly spaced: the names begin with the age, so the first ones would all be of one age."""
        return spread(self.names, limit)

    def attributes(self, names: Sequence[str]) -> Mapping[str, Tensor]:
        """age, gender, race and balanced."""
        fields = [[-1 if f is None else int(f) for f in labels(name)] for name in names]
        age, gender, race = torch.tensor(fields, dtype=torch.long).reshape(-1, 3).unbind(1)
        found = {"age": age, "gender": gender, "race": race}
        if self.rows:
            balanced = [self.rows[base(name)][1] if base(name) in self.rows else -1 for name in names]
            found["balanced"] = torch.tensor(balanced, dtype=torch.long)
        return found

    def landmarks(self) -> Landmarks:
        """The points of the index."""
        return {file: marks for file, (marks, _) in self.rows.items() if marks is not None}


def labels(name: str) -> tuple[str | None, str | None, str | None]:
    """age, gender, race of a name. A lone 0 or 1 after the age may be either of the last two: both are unknown then."""
    match = NAME.fullmatch(base(name))
    if match is None:
        return None, None, None
    return (match[1], match[2], match[3]) if match[3] else (match[1], None, None)


def parse_index(text: str) -> dict[str, tuple[NDArray[np.float64] | None, int]]:
    """The index: file -> ((5, 2) landmarks or None, balanced). Pictures without landmarks are left to a detector."""
    found = {}
    try:
        for row in csv.DictReader(io.StringIO(text)):
            marks = np.array([[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in range(1, 6)]) if row["x1"] else None
            found[row["file"]] = (marks, int(row["balanced2000"]))
    except (csv.Error, KeyError, ValueError, TypeError) as error:
        raise BadFile(
            f"UTKFace's index needs the columns file, balanced2000, x1, y1 ... x5, y5 ({error!r})."
        ) from error
    return found
