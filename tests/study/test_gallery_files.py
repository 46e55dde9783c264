"""Kept pictures: which faces, which bytes, and how cells come together."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor

from bauta.attacks import Inversion
from bauta.errors import BadFile
from bauta.faces import Pairs
from bauta.pipeline import Pipeline, System
from bauta.protections import WhiteNoise
from bauta.study.gallery import ORIGINAL, PROTECTED, Gallery, common_faces, read, safe, shown
from bauta.study.run import run


def rounded(images: Tensor) -> Tensor:
    return (images * 255).round() / 255


def test_a_run_is_kept_and_comes_back_as_one_gallery_a_system(tmp_path: Path) -> None:
    network = tiny.recognizer(cut=1)
    plain, noisy = Pipeline(network), Pipeline(network, WhiteNoise(0.3))
    victims, attack = tiny.faces(4), Inversion(steps=2, side=tiny.SIDE)
    systems = {"bare": System(plain, plain), "noise": System(noisy, plain)}
    seen: dict[str, Tensor] = {}
    keep = Gallery(tmp_path, faces=3)

    def show(cell: str, pictures: Tensor, originals: tiny.Faces) -> None:
        seen[cell] = pictures
        keep(cell, pictures, originals)

    list(run(systems, [attack], None, victims, 0, show=show))
    found = shown(tmp_path)
    assert list(found) == ["bare", "noise"]
    words = "Inversion(steps=2, side=32), unaware"
    assert list(found["bare"]) == [ORIGINAL, words], "what is not protected has no row of its own"
    assert list(found["noise"]) == [ORIGINAL, PROTECTED, words]
    assert torch.equal(found["noise"][ORIGINAL], rounded(victims.images[:3]))
    assert torch.equal(found["noise"][PROTECTED], rounded(seen["noise / utility"][:3]))
    assert torch.equal(found["bare"][words], rounded(seen[f"bare / {attack!r} / NOTHING"][:3]))
    assert {len(images) for images in shown(tmp_path, 2)["noise"].values()} == {2}


def test_cells_of_different_parts_of_a_protocol_share_their_columns(tmp_path: Path) -> None:
    """A cell of many pairs and one of the fewest, as the costly attacks take: the faces of the latter are in both."""
    row = torch.arange(12)
    fold, same = row % 2, row % 4 < 2
    everybody = tiny.faces(24)
    victims = Pairs(everybody, row.flip(0), row + 12, same, fold)
    keep = Gallery(tmp_path, common_faces(victims), faces=4)
    for cell, part in (("s / utility", victims), ("s / costly / NOTHING", victims.take(4))):
        originals = part.faces[torch.unique(part.first)]
        keep(cell, 1 - originals.images, originals)
    rows = shown(tmp_path)["s"]
    assert rows["costly, unaware"].isfinite().all()
    assert torch.equal(rows["costly, unaware"], rows[PROTECTED])
    assert torch.allclose(rows[PROTECTED], 1 - rows[ORIGINAL], atol=1e-6)
    assert len(rows[ORIGINAL]) == 4


def test_a_face_that_a_cell_lacks_is_left_open(tmp_path: Path) -> None:
    everybody = tiny.faces(4)
    keep = Gallery(tmp_path)
    keep("s / utility", everybody.images * 0.5, everybody)
    keep("s / a / SCHEME", everybody.images[2:], everybody[2:])
    rows = shown(tmp_path)["s"]
    assert torch.equal(rows[ORIGINAL], rounded(everybody.images[[2, 3, 0, 1]])), "what most cells have stands first"
    assert torch.equal(rows["a, aware"][:2], rounded(everybody.images[2:]))
    assert rows["a, aware"][2:].isnan().all()


def test_names_are_safe_and_never_meet(tmp_path: Path) -> None:
    cells = ["a / b", "a _ b", "A / B", "../../etc / utility", "x" * 500 + " / utility", "x" * 500 + " / z"]
    names = [safe(cell) for cell in cells]
    assert len({name.lower() for name in names}) == len(cells)
    assert all(len(name) < 100 and not name.startswith(".") and "/" not in name for name in names)
    victims = tiny.faces(2)
    for cell in cells:
        Gallery(tmp_path / "out")(cell, victims.images, victims)
    assert {path.parent for path in tmp_path.rglob("*.safetensors")} == {tmp_path / "out" / "shown"}
    assert sorted(read(path)[0] for path in tmp_path.rglob("*.safetensors")) == sorted(cells)


def test_the_same_cell_writes_the_same_bytes_over_itself(tmp_path: Path) -> None:
    victims = tiny.faces(3)
    Gallery(tmp_path)("s / utility", victims.images, victims)
    (path,) = tmp_path.rglob("*.*")
    before = path.read_bytes()
    Gallery(tmp_path)("s / utility", victims.images, victims)
    assert [p.read_bytes() for p in tmp_path.rglob("*.*")] == [before]


@pytest.mark.parametrize("damage", [b"", b"none", b"\xff" * 400])
def test_a_file_of_somebody_else_is_named(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "a.safetensors").write_bytes(damage)
    with pytest.raises(BadFile, match=r"a\.safetensors holds no pictures"):
        shown(tmp_path)
    assert shown(tmp_path / "elsewhere") == {}
