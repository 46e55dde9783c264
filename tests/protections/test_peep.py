"""PEEP: its eigenfaces against scikit-learn, its noise against scipy, and what it leaves of real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image
from scipy import stats
from sklearn.decomposition import PCA

from bauta.errors import ShapeError, UsageError
from bauta.metrics import SSIM
from bauta.protections import PEEP
from bauta.protections.images.peep import luma

PUBLIC, FACES = tiny.faces(40, seed=5), tiny.faces(4)


def test_the_eigenfaces_are_scikit_learns() -> None:
    fitted = PEEP(components=6).fit(PUBLIC)
    gray = luma(PUBLIC.images).flatten(1).double().numpy()
    reference = PCA(6, svd_solver="full").fit(gray)
    ours = fitted.eigenfaces_.flatten(1).double().numpy()
    assert np.allclose(np.abs((ours * reference.components_).sum(1)), 1, atol=1e-4), "up to the sign"
    assert np.allclose(ours @ ours.T, np.eye(6), atol=1e-4)
    assert np.allclose(fitted.mean_.flatten(), reference.mean_, atol=1e-5)
    assert np.allclose(
        np.abs(fitted.coefficients(FACES.images).numpy()),
        np.abs(reference.transform(luma(FACES.images).flatten(1).double().numpy())),
        atol=1e-3,
    )


def test_gray_is_pillows() -> None:
    pixels = (FACES.images[0].permute(1, 2, 0) * 255).round().byte().numpy()
    ours = luma(torch.from_numpy(pixels).permute(2, 0, 1)[None].float())
    assert np.abs(ours[0].numpy() - np.asarray(Image.fromarray(pixels).convert("L"), np.float32)).max() <= 1


def test_without_noise_it_is_the_projection() -> None:
    """A public face, and as many eigenfaces as there are: nothing is lost but the color."""
    fitted = PEEP(1e9, components=39).fit(PUBLIC)
    out = fitted(PUBLIC.images, PUBLIC)
    assert torch.allclose(out, luma(PUBLIC.images)[:, None].expand_as(out), atol=1e-3)


def test_each_scaled_coefficient_gets_laplace_noise_of_one_over_epsilon() -> None:
    """Read off the drawn picture, where nothing was clipped."""
    many = tiny.faces(400, seed=8)
    fitted = PEEP(40.0, components=5, seed=2).fit(PUBLIC)
    found = []
    for picture, own in zip(fitted(many.images, many), fitted.coefficients(many.images), strict=True):
        if picture.min() > 0 and picture.max() < 1:
            seen = fitted.coefficients(picture[None])[0]
            found.append((seen - own.clamp(fitted.low_, fitted.high_)) / (fitted.high_ - fitted.low_))
    noise = torch.stack(found).flatten().numpy()
    assert len(noise) > 400
    assert noise.std() == pytest.approx(2**0.5 / 40, rel=0.15)
    assert stats.kstest(noise, stats.laplace(scale=1 / 40).cdf).pvalue > 0.001
    assert fitted.total_epsilon == 200


def test_a_coefficient_has_the_sensitivity_that_is_stated() -> None:
    """However extreme a picture is, the scaled coefficients that the noise is added to lie in [0, 1]."""
    fitted = PEEP(1e9, components=5).fit(PUBLIC)
    wild = torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32), FACES.images[0].round()])
    out = fitted(wild)
    expected = fitted.drawn(fitted.coefficients(wild).clamp(fitted.low_, fitted.high_))
    assert torch.allclose(out, expected, atol=1e-5)
    assert not torch.allclose(out, fitted.drawn(fitted.coefficients(wild)), atol=1e-2), "something was clipped"


def test_draws_belong_to_the_face_and_the_seed() -> None:
    fitted = PEEP(components=5, seed=3).fit(PUBLIC)
    out = fitted(FACES.images, FACES)
    assert torch.allclose(fitted(FACES.images[[2]], FACES[[2]]), out[[2]], atol=1e-5)
    assert not torch.allclose(fitted.rekeyed(4)(FACES.images, FACES), out, atol=1e-2)
    assert torch.equal(PEEP(components=5, seed=3).restored(fitted.learned())(FACES.images, FACES), out)


def test_it_refuses_what_has_no_meaning() -> None:
    with pytest.raises(UsageError, match="epsilon, of one coefficient, is more than 0; got 0"):
        PEEP(0)
    with pytest.raises(UsageError, match="at least one component; got 0"):
        PEEP(components=0)
    with pytest.raises(UsageError, match="5 eigenfaces from more public faces than that; got 4"):
        PEEP(components=5).fit(FACES)
    with pytest.raises(UsageError, match="differ in fewer than 5 ways"):
        PEEP(components=5).fit(FACES[[0, 1, 2, 0, 1, 2]])
    with pytest.raises(UsageError, match="call fit"):
        PEEP()(FACES.images)
    with pytest.raises(ShapeError, match=r"\(32, 32\), got pictures \(16, 16\)"):
        PEEP(components=5).fit(PUBLIC)(FACES.images[..., :16, :16])


@pytest.mark.mirror
def test_it_leaves_a_face_that_a_network_does_not_know(mirror: Path) -> None:
    """Without noise the eye sees a blurred face; what a deep recognizer needs is gone already."""
    from bauta.faces import load_dataset
    from bauta.recognizers import load

    faces = load_dataset("lfw", 140)
    public, victims = faces[40:], faces[:40]
    network = load("mobilefacenet-casia")
    with torch.no_grad():
        clean = network.embed(victims.images)
        cosines = []
        for epsilon in (1e9, 8.0):
            out = PEEP(epsilon).fit(public)(victims.images, victims)
            cosines.append(float((network.embed(out) * clean).sum(1).mean()))
            if epsilon > 1e6:
                assert float(SSIM(out, victims.images).mean()) > 0.4
    assert cosines[1] < cosines[0] < 0.35
