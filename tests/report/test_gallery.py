"""A gallery holds the very pixels that it was given, in rows and columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from bauta.errors import UsageError
from bauta.report import gallery, save_figure


def windows(sheet: np.ndarray, tile: np.ndarray) -> list[tuple[int, int]]:
    """Where in the sheet the tile stands, pixel for pixel."""
    tall, wide = tile.shape[:2]
    found = np.argwhere((sheet[: 1 - tall, : 1 - wide] == tile[0, 0]).all(2))
    return [(y, x) for y, x in found.tolist() if np.array_equal(sheet[y : y + tall, x : x + wide], tile)]


@pytest.mark.parametrize("columns", [(), ("Ann", "Bo", "Cy")])
def test_each_picture_stands_once_in_its_row_and_column(tmp_path: Path, columns: tuple[str, ...]) -> None:
    rows = {"original": tiny.pictures(3, seed=1), "RecFace(), aware": tiny.pictures(3, seed=2)}
    path = save_figure(gallery(rows, columns, title="PMT | a $ sign"), tmp_path / "g.png")
    sheet = np.asarray(Image.open(path).convert("RGB"))
    places = []
    for images in rows.values():
        levels = (images * 255).round().byte().permute(0, 2, 3, 1).numpy()
        (row,) = zip(*(windows(sheet, tile) for tile in levels), strict=True)
        places.append(row)
    (top, below) = places
    assert {y for y, _ in top} == {top[0][0]}
    assert {y for y, _ in below} == {below[0][0]}
    assert below[0][0] >= top[0][0] + 32, "the second row is below the first"
    assert [x for _, x in top] == [x for _, x in below] == sorted(x for _, x in top)
    left = sheet[:, : top[0][1]]
    for y, _ in (top[0], below[0]):
        assert (left[y : y + 32] < 128).any(), "a label stands beside each row"
    assert save_figure(gallery(rows, columns, title="PMT | a $ sign"), tmp_path / "h.png").read_bytes() == (
        path.read_bytes()
    )


@pytest.mark.parametrize("number", range(1, 12))
def test_no_size_costs_a_pixel(tmp_path: Path, number: int) -> None:
    """The last picture of the last row is the one that rounding of the sheet would cut."""
    images = tiny.pictures(number, seed=number, side=29 + number)
    path = save_figure(gallery({str(row): images for row in range(number)}), tmp_path / "g.png")
    sheet = np.asarray(Image.open(path).convert("RGB"))
    last = (images[-1] * 255).round().byte().permute(1, 2, 0).numpy()
    assert len(windows(sheet, last)) == number


def test_what_is_missing_is_left_open(tmp_path: Path) -> None:
    images = tiny.pictures(2)
    images[1] = torch.nan
    sheet = np.asarray(Image.open(save_figure(gallery({"a": images}), tmp_path / "g.png")).convert("RGB"))
    ((y, x),) = windows(sheet, (images[0] * 255).round().byte().permute(1, 2, 0).numpy())
    assert (sheet[y : y + 32, x + 32 :] == 255).all()
    assert sheet.shape[1] >= x + 64


def test_wrong_pictures_are_named() -> None:
    with pytest.raises(UsageError, match="no rows"):
        gallery({})
    with pytest.raises(UsageError, match="of one shape for all rows"):
        gallery({"a": tiny.pictures(2), "b": tiny.pictures(3)})
    with pytest.raises(UsageError, match="needs pictures"):
        gallery({"a": torch.zeros(2, 1, 8, 8)})
    with pytest.raises(UsageError, match="as many names of columns, got 1"):
        gallery({"a": tiny.pictures(2)}, ["Ann"])
