"""Cleaning filters: what they do to pictures, and that they harm a plain face little."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from bauta.attacks import FILTERS, ClientHolder, Comparison, ForeignRecognizer, Purify, Victim
from bauta.attacks.base import Knows
from bauta.attacks.purify import downsample, ends, gray, stretch
from bauta.errors import UsageError
from bauta.pipeline import Pipeline

READER = tiny.recognizer("somebody else's", seed=4)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_keeps_shape_and_range(name: str) -> None:
    smooth = tiny.pictures(2, side=112)
    noise = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    for images in (smooth, noise, torch.full_like(smooth, 0.5)):
        before = images.clone()
        found = FILTERS[name](images)
        assert found.shape == images.shape
        assert found.dtype == images.dtype
        assert found.isfinite().all()
        assert -1e-5 <= float(found.min()) <= float(found.max()) <= 1 + 1e-5
        assert torch.equal(images, before)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_treats_each_picture_alone(name: str) -> None:
    images = tiny.pictures(3, side=112)
    assert torch.allclose(FILTERS[name](images)[1:2], FILTERS[name](images[1:2]), atol=1e-6)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_takes_noise_away(name: str) -> None:
    """A smooth picture under white noise correlates better with itself once cleaned."""
    clean = gray(tiny.pictures(2, side=112))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noisy = (clean + 0.3 * noise).clamp(0, 1)

    def like(a: torch.Tensor) -> float:
        return float(np.corrcoef(a.flatten().numpy(), clean.flatten().numpy())[0, 1])

    assert like(FILTERS[name](noisy)) > like(noisy) + 0.02


def test_stretch_is_numpys_percentiles() -> None:
    images = 0.3 + 0.2 * tiny.pictures(2)
    x = images.double().numpy()
    low, high = (np.percentile(x, q, axis=(2, 3), keepdims=True) for q in (1, 99))
    assert np.allclose(stretch(images).numpy(), np.clip((x - low) / (high - low), 0, 1), atol=1e-5)


def test_gray_is_the_average() -> None:
    images = tiny.pictures(2)
    assert np.allclose(gray(images).numpy(), images.numpy().mean(1, keepdims=True).repeat(3, 1), atol=1e-6)


def test_downsample_averages_areas() -> None:
    """Down, it is Pillow's box filter; up, torch's bicubic (Pillow's has another constant)."""
    images = tiny.pictures(1, side=112)
    small = np.asarray(Image.fromarray(images[0, 0].numpy()).resize((56, 56), Image.Resampling.BOX))
    again = downsample(downsample(images, 56), 56)
    assert np.allclose(images[0, 0].reshape(56, 2, 56, 2).mean((1, 3)).numpy(), small, atol=1e-6)
    wanted = torch.nn.functional.interpolate(torch.from_numpy(small.copy())[None, None], (112, 112), mode="bicubic")
    assert torch.allclose(downsample(images, 56)[:, :1], wanted.clamp(0, 1), atol=1e-5)
    assert float((again - images).abs().mean()) < 0.01


def test_cleaned_then_attacked_and_the_reference_is_not_cleaned() -> None:
    leak, inner = tiny.pictures(70), ForeignRecognizer(READER)
    attack = Purify(inner, "blur 2")
    victim = Victim(Pipeline(tiny.recognizer()), attack.knowledge)
    with torch.no_grad():
        assert torch.allclose(attack(leak, victim), READER.embed(FILTERS["blur 2"](leak)), atol=1e-5)
        assert torch.allclose(attack.reference(leak, victim), READER.embed(leak), atol=1e-5)
    assert attack.reference is inner
    assert Purify(Purify(inner, "blur 1"), "blur 2").reference is inner


def test_it_wraps_any_attack_on_pictures_with_its_knowledge() -> None:
    network, public = tiny.recognizer(), tiny.faces(6, seed=3)
    attack = Purify(ClientHolder(), "median 5 + stretch")
    assert attack.knowledge == ClientHolder.default_knowledge
    victim = Victim(Pipeline(network), attack.knowledge)
    leak = tiny.pictures()
    fitted = attack.fit(public, victim)
    wanted = ClientHolder().fit(public, victim)(FILTERS["median 5 + stretch"](leak), victim)
    assert torch.allclose(fitted(leak, victim), wanted, atol=1e-6)
    assert not torch.allclose(attack(leak, victim), wanted, atol=1e-3), "the attack given in stays unfitted"
    known = attack.knowing(knows=Knows.KEYS)
    assert known.knowledge.knows is Knows.KEYS
    assert attack.knowledge.knows is Knows.NOTHING


def test_its_threshold_is_the_wrapped_attacks() -> None:
    assert Purify(ForeignRecognizer(READER, threshold=0.4), "blur 1").threshold == 0.4


def test_what_it_cannot_clean_is_refused() -> None:
    with pytest.raises(UsageError, match=r"blur 1 \+ stretch.*got 'sharpen'"):
        Purify(ForeignRecognizer(READER), "sharpen")
    with pytest.raises(UsageError, match="sees features"):
        Purify(Comparison(), "blur 1")


@pytest.mark.slow
@pytest.mark.mirror
def test_a_plain_face_survives_every_filter(mirror: Path) -> None:
    from bauta.faces import load_pairs
    from bauta.recognizers import load

    images = load_pairs("lfw", 20).faces.images[:8]
    network = load("mobilefacenet-y1-ms1m")
    with torch.no_grad():
        truth = network.embed(images)
        for name, clean in FILTERS.items():
            cosines = (network.embed(clean(images)) * truth).sum(1)
            assert int((cosines > 0.246).sum()) >= 7, name


def test_ends_are_the_quantiles() -> None:
    rows = torch.rand(3, 2, 1001, generator=torch.Generator().manual_seed(0))
    for share in (0.0, 0.01, 0.1234):
        low, high = ends(rows, share)
        assert torch.allclose(low, rows.quantile(share, dim=-1), atol=1e-6)
        assert torch.allclose(high, rows.quantile(1 - share, dim=-1), atol=1e-6)
