"""Somebody's own pictures: a folder a person, or simply a folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bauta.errors import BadFile
from bauta.faces.datasets.base import DataSet, spread
from bauta.faces.datasets.store import Store, by_base, find_text, pictures
from bauta.faces.detect import Detector

__all__ = ["LABELS", "People", "Photos"]

LABELS = "labels.csv"


def place(name: str) -> str:
    """The folder that a file lies in."""
    return name.rpartition("/")[0]


def parse_labels(text: str) -> dict[str, dict[str, int]]:
    """A table with the column `file` and an attribute in each other one: file -> attribute -> a whole number.

    An empty field is not known. Raises `BadFile`.
    """
    try:
        rows = {row.pop("file"): row for row in csv.DictReader(io.StringIO(text))}
        return {file: {name: int(value or -1) for name, value in row.items()} for file, row in rows.items()}
    except (csv.Error, KeyError, ValueError, TypeError) as error:
        raise BadFile(
            f"{LABELS} needs the column file (as folder/picture.png) and whole numbers in all others ({error!r})."
        ) from error


class People(DataSet):
    """One sub-folder a person, under any top folder; its name is the person's.

    What is known of the pictures may lie beside the people's folders in ``labels.csv``: see `parse_labels`.
    """

    def __init__(self, store: Store, *, detector: Detector | None = None) -> None:
        super().__init__(store, detector=detector)
        top = place(by_base(store.names).get(LABELS, ""))
        text = find_text(store, LABELS)
        rows = parse_labels(text) if text else {}
        self.labels = {f"{top}/{file}" if top else file: row for file, row in rows.items()}

    def attributes(self, names: Sequence[str]) -> Mapping[str, Tensor]:
        """The columns of the table, -1 for who is not in it."""
        columns = dict.fromkeys(name for row in self.labels.values() for name in row)
        return {
            column: torch.tensor([self.labels.get(name, {}).get(column, -1) for name in names]) for column in columns
        }

    @classmethod
    def fits(cls, store: Store) -> bool:
        """Pictures lie in two folders or more, and none lies above the others."""
        places = {place(name) for name in pictures(store)}
        return len(places) > 1 and "" not in places

    def person(self, name: str) -> str:
        """The folder of the picture."""
        return place(name)

    def chosen(self, limit: int) -> list[str]:
        """Evenly spaced, so that everybody is among them."""
        return spread(self.names, limit)


class Photos(DataSet):
    """Pictures of people who are not named; one face of each, the one that the picture is of."""

    @classmethod
    def fits(cls, store: Store) -> bool:
        """There is a picture."""
        return bool(pictures(store))
