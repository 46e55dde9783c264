"""`bauta generator people` and `bauta demo`: people who do not exist, as files."""

from __future__ import annotations

import csv
import hashlib
import sys
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


@pytest.mark.slow
def test_the_demo_from_end_to_end(
    bauta: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A small one: everything lies where it says, and the one who is authorized accepts what he is given."""
    demo = sys.modules["bauta.cli.demo"]
    for name, value in {"SHOWN": 2, "MASKED": 1, "PAIRS": 20}.items():
        monkeypatch.setattr(demo, name, value)
    out = tmp_path / "demo"
    demo.nobodies(out, number=24, views=4, budget=8.0)
    said = capsys.readouterr().out
    assert [line[:3] for line in said.splitlines() if line[:3] in ("1. ", "2. ", "3. ", "4. ")] == [
        "1. ",
        "2. ",
        "3. ",
        "4. ",
    ]
    (authorized,) = [line for line in said.splitlines() if line.split()[:2] == ["bauta-residual", "authorized"]]
    assert authorized.split()[2] == "2"
    assert " 1.00 [" in authorized
    for name in ("bauta-ir", "bauta-plain"):
        assert any(line.startswith(name) and " foreign " in line for line in said.splitlines())
    assert "PMT()" in said
    assert "TransferMask(epochs=6)" in said
    assert "PartialFace() of bauta-partialface" in said
    assert "Done in" in said
    assert len(list((out / "people").rglob("*.png"))) == 96
    assert len(list((out / "pmt").rglob("*.png"))) == 2
    assert len(list((out / "masked").glob("*.png"))) == 4
    assert (out / "audit" / "report.html").is_file()
    assert (out / "nobody.mask").is_file()
