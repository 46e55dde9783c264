"""Networks and data sets that users add by path: kept in ``registered.json`` in the home, listed with the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bauta.errors import BadFile, MissingData, MissingWeights, UsageError
from bauta.zoo.cache import change_table, home, read_table, unwritable
from bauta.zoo.datasets import DATASETS
from bauta.zoo.digests import digest
from bauta.zoo.networks import WEIGHTS
from bauta.zoo.records import Dataset, File, Input, Weights
from bauta.zoo.tools import TOOLS

TABLE = "registered"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
YOURS = "yours: not stated"


def register(
    name: str,
    weights: str | Path,
    architecture: str,
    *,
    input: Input | None = None,
    embedding: int = 512,
    license: str = YOURS,
    trained_on: str = YOURS,
    loss: str = YOURS,
    paper: str = YOURS,
    accuracy: float | None = None,
    threshold: float | None = None,
    cut: int | None = None,
) -> Weights:
    """Add a checkpoint of your own; `bauta.recognizers.load(name)` then loads it like any other.

    architecture: a key of `bauta.recognizers.ARCHITECTURES`. input: what the network was trained on, or None for
    (x255 - 127.5) / 128. The digest of the file is kept: should the file change, it is refused until you register it
    again. An older entry of yours under this name is replaced. Raises `UsageError`, `MissingWeights`.
    """
    check_name(name)
    if name in {record.name for record in WEIGHTS} | {record.name for record in TOOLS}:
        raise UsageError(f"{name} is the name of a published network; choose another one.")
    path = Path(weights).expanduser().resolve()
    if not path.is_file():
        raise MissingWeights(f"There is no weights file at {path}; give the path of a checkpoint.")
    record = Weights(
        name=name,
        architecture=architecture,
        files=(File(str(path), (), digest(path), "It was registered by its path."),),
        license=license,
        input=input or Input(),
        embedding=embedding,
        trained_on=trained_on,
        loss=loss,
        paper=paper,
        accuracy=accuracy,
        threshold=threshold,
        cut=cut,
    )
    keep("weights", name, asdict(record))
    return record


def register_dataset(name: str, path: str | Path) -> Dataset:
    """Add a folder, zip or pack of your own under a name, or say where a known data set lies on this machine.

    Raises `UsageError`, `MissingData`.
    """
    check_name(name)
    place = Path(path).expanduser().resolve()
    if not place.exists():
        raise MissingData(f"There is no folder and no file at {place}; give the path of the data set.")
    keep("datasets", name, str(place))
    return placed(name, place)


def forget(name: str) -> None:
    """Take a name that was registered off the list; its files stay. Raises `UsageError`."""
    if not any(name in entries(kind) for kind in ("weights", "datasets")):
        raise UsageError(f"Nothing is registered as {name!r}.")

    def change(table: dict[str, Any]) -> None:
        for kind in ("weights", "datasets"):
            table.get(kind, {}).pop(name, None)

    write(change)


def registered_weights() -> tuple[Weights, ...]:
    """The networks that were registered, in the order of their names. Raises `BadFile`."""
    try:
        return tuple(to_weights(fields) for _, fields in sorted(entries("weights").items()))
    except (TypeError, KeyError, AttributeError) as error:
        raise BadFile(
            f"{home() / TABLE}.json holds an entry that cannot be understood ({error}); mend or delete it."
        ) from error


def registered_datasets() -> tuple[Dataset, ...]:
    """The data sets that were registered, in the order of their names. Raises `BadFile`."""
    try:
        return tuple(placed(name, Path(path)) for name, path in sorted(entries("datasets").items()))
    except (TypeError, AttributeError) as error:
        raise BadFile(
            f"{home() / TABLE}.json holds an entry that cannot be understood ({error}); mend or delete it."
        ) from error


def placed(name: str, path: Path) -> Dataset:
    """The record of a data set at a path: with the facts of the known one of that name, where there is one."""
    for record in DATASETS:
        if record.name == name:
            return replace(record, path=path, files=(), where="")
    return Dataset(name=name, what="registered by its path", license=YOURS, paper=YOURS, path=path)


def to_weights(fields: dict[str, Any]) -> Weights:
    """A record from what JSON made of it: lists for tuples, tables for records."""
    tuples: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields["input"].items()}
    files = tuple(File(**{**file, "urls": tuple(file["urls"])}) for file in fields["files"])
    return Weights(**{**fields, "files": files, "input": Input(**tuples)})


def entries(kind: str) -> dict[str, Any]:
    """What was registered of a kind, by name. Raises `BadFile`."""
    found = read_table(TABLE).get(kind, {})
    if not isinstance(found, dict):
        raise BadFile(f"{home() / TABLE}.json holds {kind} that are no table; mend or delete it.")
    return found


def check_name(name: str) -> None:
    """Raise `UsageError` unless a name can stand in a list and in a command."""
    if not NAME.fullmatch(name):
        raise UsageError(f"A name is letters, digits, dots, dashes and underscores, got {name!r}.")


def keep(kind: str, name: str, content: object) -> None:
    """Put an entry into the table, over an older one. Raises `MissingData`."""
    write(lambda table: table.setdefault(kind, {}).update({name: content}))


def write(change: Callable[[dict[str, Any]], None]) -> None:
    """Change the table on disk. Raises `MissingData` where the home cannot be written."""
    try:
        change_table(TABLE, change)
    except (TypeError, AttributeError) as error:
        raise BadFile(f"{home() / TABLE}.json holds what is no table ({error}); mend or delete it.") from error
    except OSError as error:
        raise MissingData(f"The list could not be stored: {unwritable(error)}") from error
