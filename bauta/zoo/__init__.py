"""Where weights and data come from: records of facts, and the files behind them. Free of torch.

`weights("mobilefacenet-casia")`, `dataset("lfw")` and `tool("yunet")` are records; `locate(record.files[0])` is a file
on this machine, fetched if need be; `register("mine", "mine.pth", "iresnet50")` adds a network of your own.
"""

from __future__ import annotations

from bauta.errors import UsageError
from bauta.zoo.cache import find, home, mirror, place
from bauta.zoo.datasets import DATASETS
from bauta.zoo.digests import known_digest
from bauta.zoo.networks import WEIGHTS
from bauta.zoo.records import DataFile, Dataset, File, Input, Tool, Weights
from bauta.zoo.registry import forget, register, register_dataset, registered_datasets, registered_weights
from bauta.zoo.tools import TOOLS
from bauta.zoo.vouched import here, locate, verify

__all__ = [
    "DATASETS",
    "TOOLS",
    "WEIGHTS",
    "DataFile",
    "Dataset",
    "File",
    "Input",
    "Tool",
    "Weights",
    "dataset",
    "find",
    "forget",
    "here",
    "home",
    "known_digest",
    "locate",
    "mirror",
    "place",
    "register",
    "register_dataset",
    "registered_datasets",
    "registered_weights",
    "threshold",
    "tool",
    "verify",
    "weights",
]


def weights(name: str) -> Weights:
    """The recognizer called `name`, published or registered. Raises `UsageError` with the names there are."""
    for record in (*WEIGHTS, *registered_weights()):
        if record.name == name:
            return record
    names = ", ".join(r.name for r in (*WEIGHTS, *registered_weights()))
    for other in TOOLS:
        if other.name == name:
            raise UsageError(
                f"{name} is no recognizer that can be cut in two, but a file of another kind ({other.kind}); there are "
                f"{names}."
            )
    raise UsageError(f"No recognizer is called {name!r}; there are {names}.")


def threshold(name: str) -> float | None:
    """The LFW threshold of the recognizer called `name`, None where nobody recorded one or it has no record."""
    return next((r.threshold for r in (*WEIGHTS, *registered_weights()) if r.name == name), None)


def dataset(name: str) -> Dataset:
    """The data set called `name`, with its `path` where a user registered one. Raises `UsageError`."""
    for record in (*registered_datasets(), *DATASETS):
        if record.name == name:
            return record
    names = ", ".join(dict.fromkeys(r.name for r in (*DATASETS, *registered_datasets())))
    raise UsageError(f"No data set is called {name!r}; there are {names}.")


def tool(name: str) -> Tool:
    """The detector, landmarker, attribute network or pack called `name`. Raises `UsageError`."""
    for record in TOOLS:
        if record.name == name:
            return record
    raise UsageError(f"No tool is called {name!r}; there are {', '.join(r.name for r in TOOLS)}.")
