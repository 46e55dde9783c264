"""Faces in whole photos: what comes back is the face, and what was pasted is on it."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from torch import Generator, Tensor

from bauta.faces import load_dataset
from bauta.faces.detect import Detection, YuNet
from bauta.metrics import PSNR
from bauta.study.photographs import SIDE, around, drawn, photographed


class Nobody:
    """Finds no face, so that each is read from where it was put."""

    def detect(self, image: Tensor) -> list[Detection]:
        assert image.shape == (3, SIDE, SIDE)
        return []


class Beside:
    """Finds each face two pixels of the photo to the right of where the next draw puts it."""

    def __init__(self, seed: int, looks: int) -> None:
        self.draws, self.looks, self.asked = Generator().manual_seed(seed), looks, 0

    def detect(self, image: Tensor) -> list[Detection]:
        if self.asked % self.looks == 0:
            self.place = drawn(self.draws)
        self.asked += 1
        return [Detection((200.0, 200.0, 100.0, 100.0), self.place.landmarks + np.array([2, 0]), 1.0)]


FACES = tiny.pictures(6, side=112)
CHANGE = 0.06 * (tiny.pictures(6, seed=3, side=112) - 0.5)


def test_a_face_comes_back_from_where_it_was_put() -> None:
    back = photographed(FACES, None, Nobody(), 0)
    assert (PSNR(back, FACES) > 35).all()
    assert torch.equal(back, photographed(FACES, None, Nobody(), 0))
    assert not torch.equal(back, photographed(FACES, None, Nobody(), 1))
    torch.testing.assert_close(back * 255, (back * 255).round(), atol=1e-3, rtol=0)


def test_a_change_lies_on_the_face_that_was_found() -> None:
    plain, changed = (photographed(FACES * 0.8 + 0.1, c, Nobody(), 0) for c in (None, CHANGE))
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    difference = (changed - plain - CHANGE)[inside].abs()
    assert float(difference.mean()) < 1 / 255
    assert float(CHANGE[inside].abs().mean()) > 2 / 255


def test_the_detector_says_where() -> None:
    moved = photographed(FACES, None, Beside(0, 1), 0)
    exact = photographed(FACES, None, Nobody(), 0)
    assert (PSNR(moved, FACES) < PSNR(exact, FACES)).all()
    # it is asked before the change is pasted and after
    finder = Beside(0, 2)
    photographed(FACES, CHANGE, finder, 0)
    assert finder.asked == 2 * len(FACES)


def test_a_photo_goes_on_where_the_face_ends() -> None:
    place = drawn(Generator().manual_seed(2))
    photo = around(FACES[0], place)
    assert photo.shape == (3, SIDE, SIDE)
    corner = FACES[0][:, 0, 0]
    assert float((photo[:, 0, 0] - corner).abs().max()) < 0.02


def test_no_faces_make_no_photos() -> None:
    assert photographed(FACES[:0], None, Nobody(), 0).shape == (0, 3, 112, 112)


@pytest.mark.mirror
def test_real_faces_are_found_again(mirror: object) -> None:
    faces = load_dataset("celeb12", 12).images
    back, exact = photographed(faces, None, YuNet(), 0), photographed(faces, None, Nobody(), 0)
    assert not torch.equal(back, exact)  # found, and not where the template has it to the pixel
    assert (PSNR(back, faces) > 12).all()
