"""Latent mapping: a linear recognizer over eigenfaces can be inverted with pencil and paper, so it must be."""

from __future__ import annotations

import pytest
import tiny
import torch
from sklearn.linear_model import Ridge
from torch import Generator, Tensor, nn

from bauta.attacks import Knows, LatentMapping, Victim
from bauta.errors import ShapeError, UsageError
from bauta.generators import Eigenfaces, LatentRegressor
from bauta.metrics import PSNR
from bauta.pipeline import Pipeline
from bauta.protections import WhiteNoise
from bauta.recognizers import Preprocess, Recognizer
from bauta.types import Faces

COUNT = 6


def smooth(number: int, seed: int) -> Faces:
    """Pictures around gray, so that nothing is clipped."""
    return Faces(0.5 + 0.2 * (tiny.pictures(number, seed=seed) - 0.5))


PRIOR = Eigenfaces(components=COUNT).fit(smooth(40, 4))


def linear() -> tuple[Recognizer, Tensor, Tensor]:
    """A recognizer of one linear layer, and what it makes of codes before their length is taken: A z + b."""
    embedding = nn.Conv2d(3, 12, tiny.SIDE)
    g = Generator().manual_seed(0)
    with torch.no_grad():
        embedding.weight.copy_(torch.randn(embedding.weight.shape, generator=g) / 30)
        embedding.bias.zero_()  # type: ignore[union-attr]
        weight = embedding.weight.flatten(1).double()
        axes = weight @ (PRIOR.components_ * PRIOR.deviations_[:, None]).T.double() * 2  # Preprocess: 2 x - 1
        embedding.bias.copy_(torch.randn(12, generator=g) * 2 * axes.norm(dim=1).mean())  # type: ignore[union-attr]
        whole = embedding.bias.double() + weight @ (2 * PRIOR.mean_.double() - 1)  # type: ignore[union-attr]
    layers = {"input": Preprocess(), "embedding": embedding}
    return Recognizer(layers, cut=1, name="linear").frozen(), axes, whole


def inverse(templates: Tensor, axes: Tensor, whole: Tensor) -> Tensor:
    """The codes of unit templates t: s t = A z + b, where the length s is unknown, so [z, 1] / s = pinv([A b]) t."""
    homogeneous = templates.double() @ torch.linalg.pinv(torch.cat([axes, whole[:, None]], 1)).T
    return homogeneous[:, :-1] / homogeneous[:, -1:]


def test_it_finds_the_inverse_that_is_known() -> None:
    recognizer, axes, whole = linear()
    pipeline = Pipeline(recognizer)
    hidden = PRIOR.sample(50, Generator().manual_seed(9))
    templates = recognizer.embed(PRIOR.render(hidden))
    assert torch.allclose(inverse(templates, axes, whole).float(), hidden, atol=1e-3), "it is the inverse"
    errors = {}
    for steps in (0, 400):
        attack = LatentMapping(PRIOR, draws=2000, steps=steps, pictures=0, width=64, ridge=1e-6)
        victim = Victim(pipeline, attack.knowledge)
        fitted = attack.fit(None, victim)
        assert victim.queries == 2000
        assert fitted.regressor_ is not None
        errors[steps] = float((fitted.regressor_(templates) - hidden).square().mean())
        found = fitted(templates, victim)
        assert torch.allclose(found, PRIOR.render(fitted.regressor_(templates)))
        assert victim.queries == 2000, "nothing is asked of the system for a victim"
    assert errors[0] < 0.02
    assert errors[400] < 0.6 * errors[0], "a length is no linear function"


def test_its_regression_is_that_of_another_library() -> None:
    g = Generator().manual_seed(0)
    x, y = torch.randn(60, 5, generator=g) * 3 + 1, torch.randn(60, 2, 3, generator=g)
    found = LatentRegressor(5, (2, 3), width=4).regress(x, y, ridge=0.1)
    scaled = (x - x.mean(0)) / x.std(0)
    expected = Ridge(alpha=0.1 * 60).fit(scaled.numpy(), y.flatten(1).numpy()).predict(scaled.numpy())
    with torch.no_grad():
        assert torch.allclose(found(x).flatten(1), torch.from_numpy(expected).float(), atol=1e-4)
        assert torch.allclose(found.standardized(y) * found.scale + found.middle, y.flatten(1), atol=1e-5)
    with pytest.raises(ShapeError):
        found(torch.zeros(1, 6))
    with pytest.raises(ShapeError):
        found.regress(x, y[:, :1], ridge=0.1)


def test_public_pictures_teach_what_draws_do_not_show() -> None:
    """Faces that are brighter than any draw: without them their templates are read as a draw's."""
    pipeline = Pipeline(tiny.recognizer())
    public, victims = (Faces((smooth(n, seed).images + 0.15).clamp(0, 1)) for n, seed in ((120, 5), (10, 6)))
    reached = {}
    for weight in (0.0, 5.0):
        attack = LatentMapping(PRIOR, draws=300, steps=150, pictures=weight, width=64)
        victim = Victim(pipeline, attack.knowledge)
        fitted = attack.fit(public, victim)
        assert victim.queries == 300 + (120 if weight else 0)
        reached[weight] = float(PSNR(fitted(pipeline.templates(victims), victim), victims.images).mean())
    assert reached[5.0] > reached[0.0] + 1


def test_the_aware_one_learns_from_the_protected_device() -> None:
    pipeline, public = Pipeline(tiny.recognizer(), WhiteNoise(0.5)), smooth(20, 5)
    unaware = LatentMapping(PRIOR, draws=40, steps=0)
    aware = unaware.knowing(knows=Knows.SCHEME)
    bare = Victim(Pipeline(pipeline.recognizer), unaware.knowledge)
    leak = pipeline.templates(smooth(3, 6))
    plain = unaware.fit(public, bare)(leak, bare)
    assert torch.equal(unaware.fit(public, Victim(pipeline, unaware.knowledge))(leak, bare), plain)
    assert not torch.allclose(aware.fit(public, Victim(pipeline, aware.knowledge))(leak, bare), plain, atol=1e-3)


def test_a_prior_is_fitted_where_it_needs_to_be() -> None:
    pipeline, raw = Pipeline(tiny.recognizer()), LatentMapping(Eigenfaces(components=3), draws=20, steps=2, width=4)
    victim = Victim(pipeline, raw.knowledge)
    fitted = raw.fit(smooth(12, 5), victim)
    assert fitted.prior.ready
    assert not raw.prior.ready
    for attack in (raw, LatentMapping(PRIOR)):
        with pytest.raises(UsageError, match="public faces"):
            attack.fit(None, victim)
        with pytest.raises(UsageError, match="has not been trained"):
            attack(torch.zeros(1, 16), victim)
    for option in ({"draws": 1}, {"steps": -1}, {"ridge": 0}, {"pictures": -1}):
        with pytest.raises(UsageError):
            LatentMapping(PRIOR, **option)  # type: ignore[arg-type]
