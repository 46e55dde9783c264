"""Dropout of features: how many, where, and what stands there instead."""

from __future__ import annotations

import pytest
import tiny
import torch
from scipy import stats

from bauta.errors import ShapeError, UsageError
from bauta.ops.quantize import to_8bit
from bauta.protections import FeatureDropout
from bauta.types import Faces

NETWORK = tiny.recognizer(cut=2)
PUBLIC, FACES = Faces(to_8bit(tiny.pictures(24, seed=5))), tiny.faces(4)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.8])
def test_as_many_are_left_out_as_a_coin_says(rate: float) -> None:
    clean = NETWORK.features(FACES.images)
    out = FeatureDropout(rate).fit(PUBLIC, NETWORK)(clean, FACES)
    for kept, row in zip(out, clean, strict=True):
        holes = int((kept != row).sum())
        assert stats.binomtest(holes, row.numel(), rate).pvalue > 0.001


def test_holes_hold_the_public_mean_and_the_rest_is_untouched() -> None:
    clean = NETWORK.features(FACES.images)
    out = FeatureDropout(0.5).fit(PUBLIC, NETWORK)(clean, FACES)
    mean = NETWORK.features(PUBLIC.images).mean(0).expand_as(clean)
    holes = out != clean
    assert torch.allclose(out[holes], mean[holes], atol=1e-3)
    patterns = holes.flatten(1).float()
    assert float((torch.corrcoef(patterns) - torch.eye(4)).abs().max()) < 0.1, "each face has its own holes"
    assert torch.equal(FeatureDropout(0.0).fit(PUBLIC, NETWORK)(clean, FACES), clean)
    everything = FeatureDropout(1.0).fit(PUBLIC, NETWORK)(clean, FACES)
    assert torch.equal(everything[0], everything[1])


def test_draws_belong_to_the_face_and_the_seed() -> None:
    clean = NETWORK.features(FACES.images)
    fitted = FeatureDropout(seed=3).fit(PUBLIC, NETWORK)
    out = fitted(clean, FACES)
    assert torch.equal(fitted(clean[[2]], FACES[[2]]), out[[2]])
    assert torch.equal(fitted(clean[[3, 1]]), fitted(clean)[[3, 1]]), "without faces they belong to the features"
    assert not torch.equal(fitted.rekeyed(4)(clean, FACES), out)
    assert torch.equal(FeatureDropout(seed=3).restored(fitted.learned())(clean, FACES), out)


def test_it_refuses_what_has_no_meaning() -> None:
    clean = NETWORK.features(FACES.images)
    with pytest.raises(UsageError, match=r"probability in 0..1; got 1.5"):
        FeatureDropout(1.5)
    with pytest.raises(UsageError, match="call fit"):
        FeatureDropout()(clean)
    with pytest.raises(ShapeError, match="fit it for the recognizer as it is cut here"):
        FeatureDropout().fit(PUBLIC, NETWORK)(NETWORK.at_cut(3).features(FACES.images))
