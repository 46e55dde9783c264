"""Files by name, whether they lie in a folder, in a zip or in a tar."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from bauta.errors import BadFile, MissingData
from bauta.faces.datasets.tars import TARS, as_zip
from bauta.faces.images import MAX_BYTES, SUFFIXES

__all__ = ["Beside", "Folder", "Loose", "Store", "Zip", "by_base", "find_text", "open_store", "pictures"]


class Folder:
    """The files below a folder. Names are relative, with forward slashes, sorted; hidden files are left out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return str(self.path)

    @cached_property
    def names(self) -> list[str]:
        """The names of all files."""
        found = (p.relative_to(self.path) for p in self.path.rglob("*") if p.is_file())
        return sorted(p.as_posix() for p in found if not any(part.startswith(".") for part in p.parts))

    def read(self, name: str) -> bytes:
        """The content of a file. Raises `BadFile`."""
        path = self.path / name
        try:
            if path.stat().st_size > MAX_BYTES:
                raise BadFile(f"{path} has more than {MAX_BYTES:,} bytes; it is no face.")
            return path.read_bytes()
        except OSError as error:
            raise BadFile(f"{path} cannot be read: {error.strerror or error}.") from error


class Zip:
    """The files inside a zip, read without unpacking it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise BadFile(f"{path} is no zip that can be read ({error}); give a folder or a whole zip.") from error

    def __repr__(self) -> str:
        return str(self.path)

    @cached_property
    def names(self) -> list[str]:
        """The names of all files."""
        found = (n for n in self.file.namelist() if not n.endswith("/") and not n.startswith("__MACOSX"))
        return sorted(n for n in found if not any(part.startswith(".") for part in n.split("/")))

    def read(self, name: str) -> bytes:
        """The content of a file. Raises `BadFile`."""
        try:
            if self.file.getinfo(name).file_size > MAX_BYTES:
                raise BadFile(f"{name} in {self.path} unpacks to more than {MAX_BYTES:,} bytes; it is no face.")
            return self.file.read(name)
        except (zipfile.BadZipFile, zlib.error, OSError, KeyError, RuntimeError, NotImplementedError) as error:
            raise BadFile(f"{name} in {self.path} is damaged ({error}); copy the zip again.") from error


class Loose:
    """Some files from different places, each by the last part of its path."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = {path.name: path for path in paths}

    def __repr__(self) -> str:
        return ", ".join(self.names)

    @property
    def names(self) -> list[str]:
        """The names of all files."""
        return sorted(self.paths)

    def read(self, name: str) -> bytes:
        """The content of a file. Raises `BadFile`."""
        return Folder(self.paths[name].parent).read(name)


class Beside:
    """A folder or zip with some loose files beside it: the pictures and the lists that belong to them."""

    def __init__(self, store: Folder | Zip, loose: Loose) -> None:
        self.store = store
        self.loose = loose

    def __repr__(self) -> str:
        return repr(self.store)

    @cached_property
    def names(self) -> list[str]:
        """The names of all files."""
        return sorted({*self.store.names, *self.loose.names})

    def read(self, name: str) -> bytes:
        """The content of a file; the loose one where both have it. Raises `BadFile`."""
        return (self.loose if name in self.loose.names else self.store).read(name)


Store = Folder | Zip | Loose | Beside


def open_store(path: str | Path) -> Folder | Zip:
    """The files at `path`, a folder, a zip or a tar. Raises `MissingData` when nothing is there, `BadFile`."""
    path = Path(path).expanduser()
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        return Zip(as_zip(path) if path.name.lower().endswith(TARS) else path)
    raise MissingData(f"There is no folder, no zip and no tar at {path}; give the path of the data set.")


def pictures(store: Store) -> list[str]:
    """The names that end like pictures, sorted."""
    return [name for name in store.names if name.lower().endswith(SUFFIXES)]


def base(name: str) -> str:
    """The last part of a name."""
    return name.rsplit("/", 1)[-1]


def by_base(names: list[str]) -> dict[str, str]:
    """The last part of each name -> the first name that ends so: a set is found under any top folder."""
    return {base(name): name for name in reversed(names)}


def find_text(store: Store, *bases: str) -> str | None:
    """The text of the first file that ends in one of `bases`, in their order; None where there is none."""
    files = by_base(store.names)
    for wanted in bases:
        if wanted in files:
            try:
                return store.read(files[wanted]).decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise BadFile(f"{files[wanted]} in {store} is no text ({error}); get it again.") from error
    return None
