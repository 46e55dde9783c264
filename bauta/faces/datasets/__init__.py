"""Data sets by name or path: `load_dataset("lfw")`, `load_pairs("lfw", limit=1200)`, `load_dataset("my/photos")`.

`LAYOUTS` are the layouts that a path is compared with, in this order; the first that fits reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bauta import zoo
from bauta.errors import MissingData, MissingError, UsageError
from bauta.faces.datasets.base import DataSet, Verification
from bauta.faces.datasets.bins import InsightFacePack
from bauta.faces.datasets.celeba import CelebA
from bauta.faces.datasets.folders import People, Photos
from bauta.faces.datasets.lfw import LFW
from bauta.faces.datasets.pairs import Pairs, draw_pairs
from bauta.faces.datasets.protocols import CALFW, CFPFF, CFPFP, AgeDB30
from bauta.faces.datasets.store import open_store
from bauta.faces.datasets.utkface import UTKFace
from bauta.faces.detect import Detector
from bauta.types import Faces

__all__ = [
    "CALFW",
    "CFPFF",
    "CFPFP",
    "LAYOUTS",
    "LFW",
    "NAMES",
    "AgeDB30",
    "CelebA",
    "DataSet",
    "InsightFacePack",
    "Pairs",
    "People",
    "Photos",
    "UTKFace",
    "Verification",
    "draw_pairs",
    "load_dataset",
    "load_pairs",
    "open_data",
]

LAYOUTS: tuple[type[DataSet], ...] = (LFW, CFPFF, CALFW, CelebA, AgeDB30, UTKFace, People, Photos)

LFW_FILES = (
    zoo.File("lfw_gray_112.zip", (), "0c75d4067baaf430795ab3f4b465306ceb535e7aaeaf2274f3b23db66aec5caa"),
    zoo.File("lfw_pairs.txt", (), "ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592"),
    zoo.File("lfw_index.csv", (), "be290d8cea2e9cd73c13a1828fc8ac7fa3ddc6eeab5dd55c378e4e303987a8d5"),
)
UTKFACE_FILES = (
    zoo.File("utkface_subset.zip", (), "48f0e8d73139825d4a120292d52d3c724cf60623bc0ad1ad9a0d9cad015b739b"),
    zoo.File("utkface_index.csv", (), "5ddba8b445045ddc025ab7d56508111e1c67eae22b097ef0a3e17db549776520"),
)
CELEB12_FILE = zoo.File("celeb12_color_112.zip", (), "6893885bdaa3cf09a24318eb1827b9c660aca630c25d2915df53bc806f69f4b2")

Data = DataSet | InsightFacePack


def lfw(detector: Detector | None) -> LFW:
    images, pairs, index = map(zoo.locate, LFW_FILES)
    return LFW(open_store(images), pairs=pairs.read_text(), index=index.read_text(), detector=detector)


def utkface(detector: Detector | None) -> UTKFace:
    images, index = map(zoo.locate, UTKFACE_FILES)
    return UTKFace(open_store(images), index=index.read_text(), detector=detector)


def celeb12(detector: Detector | None) -> People:
    return People(open_store(zoo.locate(CELEB12_FILE)), detector=detector)


def celeba(detector: Detector | None) -> CelebA:
    return CelebA(open_store(zoo.locate(zoo.File("celeba.zip", (), None))), part="test", detector=detector)


def pack(file: str) -> Callable[[Detector | None], InsightFacePack]:
    return lambda detector: InsightFacePack(zoo.locate(zoo.File(file, (), None)), detector=detector)


NAMES: dict[str, Callable[[Detector | None], Data]] = {
    "lfw": lfw,
    "utkface": utkface,
    "celeb12": celeb12,
    "celeba": celeba,
    "agedb-30": pack("agedb_30.bin"),
    "calfw": pack("calfw.bin"),
    "cfp-ff": pack("cfp_ff.bin"),
    "cfp-fp": pack("cfp_fp.bin"),
}
"""Data sets by name; each is looked for where the zoo keeps files. `celeba` is the test part."""


def open_data(data: str | Path, *, detector: Detector | None = None) -> Data:
    """The data set called `data`, or what lies at that path: a folder, a zip or a .bin pack.

    Raises `MissingData` when it is not on this machine, `UsageError` when it is neither a name nor a path.
    """
    if isinstance(data, str) and data in NAMES:
        try:
            return NAMES[data](detector)
        except MissingError as error:
            raise MissingData(f"The data set {data} is not here. {error}") from error
    path = Path(data).expanduser()
    if not path.exists():
        if isinstance(data, Path) or "/" in data:
            raise MissingData(f"There is no data at {path}; give a folder, a zip, or one of {', '.join(NAMES)}.")
        raise UsageError(f"No data set is called {data!r}, and no folder either; there are {', '.join(NAMES)}.")
    if path.suffix == ".bin":
        return InsightFacePack(path, detector=detector)
    store = open_store(path)
    for layout in LAYOUTS:
        if layout.fits(store):
            return layout(store, detector=detector)
    raise MissingData(f"{path} holds no picture; give a folder with one sub-folder a person, or with pictures.")


def load_dataset(data: str | Path, limit: int | None = None, *, detector: Detector | None = None) -> Faces:
    """The aligned faces of a data set, at most `limit`, by name or path.

    detector: finds the face where a picture is not aligned; the best on this machine where None is given. Pictures that
    cannot be read are left out with a warning. Raises `MissingData`, `UsageError`, `BadFile`.
    """
    return open_data(data, detector=detector).faces(limit)


def load_pairs(data: str | Path, limit: int | None = None, *, detector: Detector | None = None) -> Pairs:
    """The verification protocol of a data set, or a balanced part of about `limit` pairs, by name or path.

    A folder of identities without a protocol gets pairs drawn from it, the same each time. Raises as `load_dataset`.
    """
    return open_data(data, detector=detector).pairs(limit)
