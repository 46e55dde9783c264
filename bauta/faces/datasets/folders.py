"""Somebody's own pictures: a folder a person, or simply a folder."""

from __future__ import annotations

from bauta.faces.datasets.base import DataSet, spread
from bauta.faces.datasets.store import Store, pictures

__all__ = ["People", "Photos"]


def place(name: str) -> str:
    """The folder that a file lies in."""
    return name.rpartition("/")[0]


class People(DataSet):
    """One sub-folder a person, under any top folder; its name is the person's."""

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
