"""What cloaks share, and each of them on real faces."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch

from bauta.errors import ShapeError, UsageError
from bauta.ops.quantize import to_8bit
from bauta.protections import ALL, PGD
from bauta.protections.images.cloak import ball
from bauta.spec import parse
from bauta.types import Faces

# What each is asked for on real faces, and the highest mean cosine to the clean pictures that it may leave
FEW_STEPS = {
    "PGD(steps=8)": 0.2,
    "MIFGSM()": 0.2,
    "DIM()": 0.2,
    "TIM()": 0.2,
    "LowKey(steps=10)": 0.2,
    "TIPIM(steps=6, targets=2)": 0.4,
    "Fawkes(steps=40)": 0.7,
    "OPOMCenter(steps=15)": 0.4,
    "OPOMAffine(steps=15)": 0.4,
    "OPOMConvex(steps=15, warmup=5)": 0.4,
}


def test_the_ball_is_of_levels() -> None:
    x = torch.tensor([0.0, 100 / 255, 100.4 / 255, 1.0])
    low, high = ball(x, 5.5 / 255)
    assert torch.allclose(low * 255, torch.tensor([0.0, 95, 95, 250]))
    assert torch.allclose(high * 255, torch.tensor([5.0, 105, 105, 255]))
    low, high = ball(x[:2], 16 / 255)
    assert torch.allclose(high * 255, torch.tensor([16.0, 116]))


def test_it_says_what_it_needs() -> None:
    faces = tiny.faces(4)
    with pytest.raises(UsageError, match=r"PGD has no team yet: call fit\(faces, recognizer"):
        PGD()(faces.images, faces)
    with pytest.raises(UsageError, match="at least one recognizer"):
        PGD().fit(faces)
    with pytest.raises(ShapeError):
        PGD().fit(None, tiny.recognizer())(faces.images[0])


def test_no_pictures_no_batches_no_names() -> None:
    faces = tiny.faces(3)
    cloak = PGD(steps=1, batch_size=2).fit(None, tiny.recognizer())
    assert cloak(faces.images[:0], faces[:0]).shape == (0, 3, 32, 32)
    with torch.no_grad():
        out = cloak(faces.images)
    assert not out.requires_grad
    assert out.shape == faces.images.shape
    numbered = [cloak(x[None]) for x in faces.images]
    assert torch.equal(out[:1], numbered[0]), "without faces draws follow row numbers"


@pytest.mark.mirror
def test_each_turns_real_faces_away_from_themselves(mirror: Path) -> None:
    from bauta.faces import load_dataset
    from bauta.recognizers import load

    everyone = load_dataset("celeb12", limit=60)
    assert everyone.identity is not None
    rows = [row for p in (0, 1) for row in (everyone.identity == p).nonzero().flatten()[:4].tolist()]
    known = everyone[rows]
    two: Faces = known[[0, 4]]
    network = load("mobilefacenet-casia")
    clean = network.embed(two.images).detach()
    for spec, most in FEW_STEPS.items():
        cloak = parse(spec, ALL)
        out = to_8bit(cloak.fit(known, network)(two.images, two))  # type: ignore[attr-defined]
        left = (network.embed(out).detach() * clean).sum(1).mean()
        assert left < most, f"{spec} leaves a cosine of {left:.2f}"
        if not spec.startswith("Fawkes"):  # which has a budget of DSSIM instead
            assert (out - two.images).abs().max() <= 16 / 255 + 1e-6
