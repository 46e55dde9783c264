"""Data sets by name or path: `load_dataset("lfw")`, `load_pairs("lfw", limit=1200)`, `load_dataset("my/photos")`.

`LAYOUTS` are the layouts that a path is compared with, in this order; the first that fits reads it.
"""

from __future__ import annotations

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
from bauta.faces.datasets.records import InsightFaceRecords
from bauta.faces.datasets.store import Beside, Loose, open_store
from bauta.faces.datasets.tars import TARS
from bauta.faces.datasets.utkface import UTKFace
from bauta.faces.detect import Detector
from bauta.types import Faces

__all__ = [
    "CALFW",
    "CFPFF",
    "CFPFP",
    "LAYOUTS",
    "LFW",
    "NAMED",
    "AgeDB30",
    "CelebA",
    "DataSet",
    "InsightFacePack",
    "InsightFaceRecords",
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

NAMED: dict[str, type[DataSet]] = {
    "lfw": LFW,
    "lfw-color": LFW,
    "lfw-funneled": LFW,
    "utkface": UTKFace,
    "celeb12": People,
    "photos": Photos,
    "agedb-30": AgeDB30,
    "calfw": CALFW,
    "cfp-ff": CFPFF,
    "cfp-fp": CFPFP,
    "celeba": CelebA,
}
"""The layout of the sets that the zoo has records of."""

Data = DataSet | InsightFacePack | InsightFaceRecords


def open_data(data: str | Path, *, detector: Detector | None = None) -> Data:
    """The data set called `data` (a record of the zoo, published or registered), or what lies at that path: a folder, a
    zip, a tar, a .bin pack or a .rec with its folder.

    Raises `MissingData` when it is not on this machine, `UsageError` when it is neither a name nor a path.
    """
    names = [record.name for record in (*zoo.registered_datasets(), *zoo.DATASETS)]
    if data in names:
        return open_record(zoo.dataset(str(data)), detector)
    path = Path(data).expanduser()
    if path.exists():
        return open_path(path, None, detector)
    if isinstance(data, Path) or "/" in data:
        raise MissingData(f"There is no data at {path}; give a folder, a zip, a tar, or one of {', '.join(NAMED)}.")
    raise UsageError(
        f"No data set is called {data!r}, and no folder here; there are {', '.join(dict.fromkeys(names))}."
    )


def open_record(record: zoo.Dataset, detector: Detector | None) -> Data:
    """A set of the zoo: where its user registered it, or its files. Raises `MissingData`."""
    layout = NAMED.get(record.name)
    if record.path is not None:
        return open_path(record.path, layout, detector)
    if layout is None:
        raise MissingData(f"The data set {record.name} is not here. {record.where}".rstrip())
    try:
        paths = [zoo.locate(file) for file in record.files]
    except MissingError as error:
        raise MissingData(f"The data set {record.name} is not here: {error}") from error
    if paths[0].suffix == ".bin":
        return InsightFacePack(paths[0], detector=detector)
    archive = paths[0].name.endswith((".zip", *TARS))
    loose = Loose(paths[1:] if archive else paths)
    return layout(Beside(open_store(paths[0]), loose) if archive else loose, detector=detector)


def open_path(path: Path, layout: type[DataSet] | None, detector: Detector | None) -> Data:
    """What lies at a path, in the layout given or in the first of `LAYOUTS` that fits. Raises `MissingData`."""
    if path.suffix == ".bin":
        return InsightFacePack(path, detector=detector)
    if path.suffix == ".rec" or (path / "train.rec").is_file():
        return InsightFaceRecords(path, detector=detector)
    store = open_store(path)
    for candidate in (layout,) if layout else LAYOUTS:
        if candidate.fits(store):
            return candidate(store, detector=detector)
    wanted = f"no {layout.__name__} set" if layout else "no picture"
    raise MissingData(f"{path} holds {wanted}; give the folder or zip that does.")


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
