"""A training's folder: what its recipe.json says, and whether a training may go on in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bauta import __version__
from bauta.errors import UsageError
from bauta.recognizers.trainable import RECIPE, WEIGHTS, recipe_of
from bauta.train.checkpoints import latest
from bauta.zoo.cache import write_whole

__all__ = ["open_folder", "stated", "write_recipe"]


def stated(training: Any) -> dict[str, Any]:
    """The fields of a training's dataclass as recipe.json has them; its `recipe` becomes a table."""
    said = {name: getattr(training, name) for name in training.__dataclass_fields__ if name != "recipe"}
    told = {name: getattr(training.recipe, name) for name in training.recipe.__dataclass_fields__}
    plain = {k: v if isinstance(v, int | float | None) else repr(v) for k, v in told.items()}
    return json.loads(json.dumps(said | {"recipe": plain}))  # type: ignore[no-any-return]


def open_folder(folder: Path, wanted: Mapping[str, Any], resume: bool) -> bool:
    """Make a training's folder and write its settings, or see that it is this very training's; whether it goes on.

    What ended before its first checkpoint left nothing to go on from, and is begun anew. wanted: its settings, with its
    architecture and the options of that. Raises `UsageError`.
    """
    if latest(folder) or (folder / WEIGHTS).exists():
        if not resume:
            raise UsageError(f"{folder} holds a training already; say --resume to go on, or choose another --out.")
        there = recipe_of(folder)
        changed = [name for name, value in wanted.items() if there.get(name) != value]
        if changed:
            raise UsageError(
                f"{folder} was begun with another {', '.join(changed)}; choose another --out, or ask for the same."
            )
        return True
    folder.mkdir(parents=True, exist_ok=True)
    write_recipe(folder, wanted)
    return False


def write_recipe(folder: Path, said: Mapping[str, Any]) -> None:
    """recipe.json, whole."""
    write_whole(folder / RECIPE, (json.dumps({"bauta": __version__, **said}, indent=1) + "\n").encode())
