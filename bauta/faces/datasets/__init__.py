"""Data sets by name or path: `load_dataset("lfw")`, `load_pairs("lfw", limit=1200)`, `load_dataset("my/photos")`."""

from __future__ import annotations

from bauta import zoo
from bauta.errors import MissingData, MissingError, UsageError
from bauta.faces.datasets.lfw import LFW
from bauta.faces.datasets.pairs import Pairs
from bauta.faces.datasets.store import open_store
from bauta.types import Faces

__all__ = ["Pairs", "load_dataset", "load_pairs"]

LFW_FILES = (
    zoo.File("lfw_gray_112.zip", (), "0c75d4067baaf430795ab3f4b465306ceb535e7aaeaf2274f3b23db66aec5caa"),
    zoo.File("lfw_pairs.txt", (), "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592"),
    zoo.File("lfw_index.csv", (), "be290d8cea2e9cd73c13a1828fc8ac7fa3ddc6eeab5dd55c378e4e303987a8d5"),
)


def lfw() -> LFW:
    try:
        images, pairs, index = (zoo.locate(file) for file in LFW_FILES)
    except MissingError as error:
        raise MissingData(f"LFW is not here. {error}") from error
    return LFW(open_store(images), pairs=pairs, index=index)


def load_dataset(name: str, limit: int | None = None) -> Faces:
    """The faces of a data set."""
    if name != "lfw":
        raise UsageError(f"No data set is called {name!r}; there is lfw.")
    return lfw().faces(limit)


def load_pairs(name: str, limit: int | None = None) -> Pairs:
    """The verification protocol of a data set."""
    if name != "lfw":
        raise UsageError(f"No data set is called {name!r}; there is lfw.")
    return lfw().pairs(limit)
