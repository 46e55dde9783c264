"""Noise on features: its size, whose it is, and what a shuffle keeps."""

from __future__ import annotations

import pytest
import tiny
import torch
from scipy import stats

from bauta.errors import ShapeError, UsageError
from bauta.pipeline import Pipeline
from bauta.protections import PMT, GaussianNoise, MatchedNoise, NormMatchedNoise, WhiteNoise
from bauta.recognizers import Recognizer


@pytest.fixture(scope="module")
def network() -> Recognizer:
    return tiny.recognizer(cut=2)


def test_the_noise_is_gaussian_and_as_large_as_the_features_say(network: Recognizer) -> None:
    """Whatever the scale of a face's features, its noise has the given share of their deviation."""
    faces = tiny.faces(4)
    clean = network.features(faces.images) * torch.tensor([1.0, 10.0, 0.1, 3.0]).view(-1, 1, 1, 1)
    change = GaussianNoise(0.2, seed=3)(clean, faces) - clean
    for row, own in zip(change, clean, strict=True):
        share = (row / own.numpy().std()).flatten().numpy()
        assert stats.kstest(share, "norm", args=(0, 0.2)).pvalue > 0.001
        assert share.std() == pytest.approx(0.2, rel=0.05)


def test_draws_belong_to_the_face_and_the_seed(network: Recognizer) -> None:
    faces = tiny.faces(4)
    clean = network.features(faces.images)
    noisy = GaussianNoise(0.2, seed=3)(clean, faces)
    assert torch.equal(GaussianNoise(0.2, seed=3)(clean[[2]], faces[[2]]), noisy[[2]])
    other = GaussianNoise(0.2).rekeyed(4)
    assert repr(other) == "GaussianNoise(sd=0.2, seed=4)"
    assert not torch.allclose(other(clean, faces), noisy)
    assert torch.equal(GaussianNoise(0.0)(clean, faces), clean)
    with pytest.raises(UsageError, match="0 or more; got -1"):
        GaussianNoise(-1)


def test_without_faces_the_draw_belongs_to_the_features_and_not_to_their_row(network: Recognizer) -> None:
    clean = network.features(tiny.faces(4).images)
    noisy = GaussianNoise(0.2, seed=3)(clean)
    assert torch.equal(GaussianNoise(0.2, seed=3)(clean[[2, 0]]), noisy[[2, 0]])
    shares = (noisy - clean) / clean.std((1, 2, 3), keepdim=True, correction=0)
    assert float(torch.corrcoef(shares.flatten(1)).fill_diagonal_(0).abs().max()) < 0.1
    twins = GaussianNoise(0.2, seed=3)(clean[[1, 1]])
    assert torch.equal(twins[0], twins[1])


def test_a_shuffle_keeps_every_value_of_the_perturbation(network: Recognizer) -> None:
    """Sorted, the noise is the protection's own change of the features, face by face; in its order it is not."""
    faces, blurred = tiny.faces(4), PMT(steps=4, seed=2)
    matched = MatchedNoise(blurred, seed=7).fit(None, network)
    clean = network.features(Pipeline(network).images(faces))
    noise = Pipeline(network, matched).features(faces) - clean
    own = Pipeline(network, PMT(steps=4, seed=2).fit(None, network)).features(faces) - clean
    assert torch.allclose(noise.flatten(1).sort().values, own.flatten(1).sort().values, atol=2e-4)
    assert own.flatten(1).norm(dim=1).min() > 0.1
    turned = torch.nn.functional.cosine_similarity(noise.flatten(1), own.flatten(1))
    assert float(turned.abs().max()) < 0.1 + abs(float(own.mean() / own.std())) ** 2


def test_it_refuses_what_it_cannot_know(network: Recognizer) -> None:
    faces = tiny.faces(2)
    clean = network.features(faces.images)
    with pytest.raises(UsageError, match="call fit"):
        MatchedNoise(WhiteNoise())(clean, faces)
    with pytest.raises(UsageError, match="one recognizer; got 2"):
        MatchedNoise(WhiteNoise()).fit(None, network, network)
    fitted = MatchedNoise(WhiteNoise()).fit(None, network)
    with pytest.raises(UsageError, match="got none; give faces="):
        fitted(clean)
    with pytest.raises(ShapeError, match="fit it for the recognizer as it is cut here"):
        fitted(tiny.recognizer(cut=3).features(faces.images), faces)


def test_a_rekeyed_shuffle_leaves_the_first_alone(network: Recognizer) -> None:
    faces = tiny.faces(2)
    clean = network.features(faces.images)
    fitted = MatchedNoise(PMT(steps=2)).fit(None, network)
    before, other = fitted(clean, faces), fitted.rekeyed(5)
    assert (repr(fitted), repr(other)) == (
        "MatchedNoise(protection=PMT(steps=2))",
        "MatchedNoise(protection=PMT(steps=2, seed=5), seed=5)",
    )
    assert not torch.allclose(other(clean, faces), before)
    assert torch.equal(fitted(clean, faces), before)


def test_norm_matched_noise_has_the_norms_and_not_the_direction() -> None:
    x = torch.randn(6, 5, 9, 7, generator=torch.Generator().manual_seed(3)) * torch.arange(1, 6)[:, None, None]
    own, other = GaussianNoise(0.4, seed=1), NormMatchedNoise(GaussianNoise(0.4, seed=1), seed=1).fit(None)
    change, noise = own(x) - x, other(x) - x
    torch.testing.assert_close(noise.flatten(2).norm(dim=2), change.flatten(2).norm(dim=2))
    aligned = torch.cosine_similarity(noise.flatten(1), change.flatten(1))
    assert float(aligned.abs().max()) < 4 / x[0].numel() ** 0.5  # four deviations of chance
    within = (noise / noise.flatten(2).norm(dim=2)[..., None, None] * 63**0.5).flatten()
    assert stats.kstest(within.numpy(), "norm").pvalue > 0.001
    # a row's noise is its own, whatever stands beside it
    torch.testing.assert_close(other(x[2:4]), other(x)[2:4])
    assert not torch.equal(other.rekeyed(7)(x), other(x))
    assert torch.equal(other.restored(other.learned())(x), other(x))
