"""`bauta generator people` and `bauta demo`: people who do not exist, as files."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bauta.faces import load_dataset, load_pairs, read_image
from bauta.generators import synthetic

Command = Callable[..., tuple[int, str, str]]


def test_people_are_a_data_set(bauta: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mirror and without a network."""
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    out = tmp_path / "people"
    sheet = tmp_path / "sheet.jpg"
    words = ("generator", "people", "-o", out, "-n", "4", "--views", "3", "--seed", "2", "--sheet", sheet)
    code, said, errors = bauta(*words)
    assert (code, errors) == (0, "")
    assert said == f"12 pictures of 4 people who do not exist are in {out}.\n"
    faces, drawn = load_dataset(out), synthetic(4, 2, views=3)
    names = [one.file for one in drawn.source]
    order = sorted(range(12), key=names.__getitem__)
    assert [one.file for one in faces.source] == [names[row] for row in order]
    levels = (drawn.images[order] * 255).round() / 255
    assert torch.allclose(faces.images, levels, atol=1e-6)
    drawn_there = read_image(sheet)
    assert drawn_there.shape == (3, 4 * 112, 3 * 112)
    assert float((drawn_there[:, 112:224, 224:] - drawn.images[5]).abs().mean()) < 0.02
    assert faces.attributes["gender"].tolist() == drawn.attributes["gender"][order].tolist()
    assert len(load_pairs(out, 12)) == 12
    assert len(list(csv.DictReader((out / "labels.csv").open()))) == 12
    before = hashlib.sha256((out / names[0]).read_bytes()).digest()
    code, _, errors = bauta("generator", "people", "-o", out)
    assert (code, errors.count("\n")) == (2, 1)
    assert "holds something already" in errors
    assert hashlib.sha256((out / names[0]).read_bytes()).digest() == before


def test_a_prior_of_ones_own_needs_its_list(bauta: Command, tmp_path: Path) -> None:
    code, _, errors = bauta("generator", "people", "-o", tmp_path / "people", "--prior", tmp_path)
    assert code == 2
    assert "give both" in errors
    code, _, errors = bauta("generator", "people", "-o", tmp_path / "people", "-n", "100000")
    assert code == 2
    assert "found to be nobody" in errors
    assert not (tmp_path / "people").exists()
