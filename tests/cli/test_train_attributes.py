"""`bauta train attributes`: from labelled faces to a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import labelled

from bauta.estimators import read_attributes

Command = Callable[..., tuple[int, str, str]]


def test_a_training_makes_an_attribute_network(bauta: Command, tmp_path: Path) -> None:
    sets = labelled.utkface(tmp_path / "utkface"), labelled.lfw(tmp_path / "lfw")
    out = tmp_path / "out"
    words = ("train", "attributes", "--data", sets[0], "--data", sets[1], "--device", "cpu", "--batch", "32", "-o", out)
    code, said, errors = bauta(*words, "--epochs", "1")
    assert code == 0, errors
    assert said.startswith("Faces held out, classes balanced: age off by ")
    assert said.endswith(f"{out} holds the network.\n")
    assert read_attributes(out).attributes == ("age", "gender", "race", "emotion")
    assert (out / "log.csv").is_file()
    code, _, errors = bauta(*words, "--epochs", "1")
    assert (code, errors.count("\n")) == (2, 1)
    assert "--resume" in errors
    code, _, errors = bauta("train", "attributes", "--data", sets[1], "-o", tmp_path / "other", "--device", "cpu")
    assert code == 2
    assert "do not teach age" in errors
