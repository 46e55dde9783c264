"""AdvFace: what its noise does to pictures, how large it is, whose it is, and what makes it again."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor, nn

from bauta.attacks import Knows, PlainFace, RecFace, Victim
from bauta.errors import ShapeError, UsageError
from bauta.faces import load_dataset
from bauta.metrics import PSNR, SSIM
from bauta.ops.quantize import through_8bit
from bauta.ops.similarity import structural_similarity
from bauta.pipeline import Pipeline
from bauta.protections import AdvFace
from bauta.protections.features.advface import rms
from bauta.recognizers import Recognizer, load
from bauta.types import Faces

QUICK = {"shadow_steps": 60, "width": 0.25, "batch_size": 8}


@pytest.fixture(scope="module")
def network() -> Recognizer:
    return tiny.recognizer(cut=1)


@pytest.fixture(scope="module")
def fitted(network: Recognizer) -> AdvFace:
    return AdvFace(0.4, steps=4, **QUICK).fit(tiny.faces(48, seed=3), network)


def reread(protection: AdvFace, **changes: object) -> AdvFace:
    """The same shadow model under another recipe."""
    options = {"steps": 4, **QUICK, **changes}
    return AdvFace(**options).restored(protection.learned())


def test_pictures_suffer_more_than_from_gaussian_noise_of_the_same_size(fitted: AdvFace, network: Recognizer) -> None:
    """Also those of attackers who have trained other networks on other people."""
    victims, others = tiny.faces(16, seed=4), tiny.faces(48, seed=5)
    features = network.features(victims.images)
    protected = fitted(features)
    assert fitted.spread_ is not None
    draw = torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
    size = rms((protected - features) / fitted.spread_)
    noisy = features + size * fitted.spread_ * draw
    victim = Victim(Pipeline(network, fitted), RecFace.default_knowledge)
    for kind in (RecFace, PlainFace):
        attack = kind(steps=80, batch_size=8, width=0.25, seed=9).fit(others, victim)
        adversarial, random = (PSNR(attack(leak, victim), victims.images).mean() for leak in (protected, noisy))
        assert adversarial < random - 1


def test_half_the_digits_find_nearly_the_noise(fitted: AdvFace, network: Recognizer) -> None:
    """Signs of small gradients turn, most stay; what is stored keeps its type and its bound."""
    assert fitted.spread_ is not None
    features = network.features(tiny.faces(8, seed=4).images)
    exact = fitted(features) - features
    found = reread(fitted, precision="bfloat16")(features)
    half = found - features
    assert found.dtype == features.dtype
    assert not torch.equal(half, exact)
    assert float((half / fitted.spread_).abs().max()) <= 0.4 * (1 + 1e-4)
    assert float(torch.cosine_similarity(half.flatten(1), exact.flatten(1)).min()) > 0.8
    with pytest.raises(UsageError, match="precision must be one of float32, bfloat16; got 'half'"):
        AdvFace(precision="half")


@pytest.mark.parametrize("cut", [2, 4])
def test_the_bound_is_a_share_of_each_channels_spread(cut: int) -> None:
    recognizer, public, own = tiny.recognizer(cut=cut), tiny.faces(16, seed=3), tiny.faces(4)
    everybody, features = recognizer.features(public.images), recognizer.features(own.images)
    spread = torch.tensor([channel.std() for channel in everybody.transpose(0, 1).flatten(1).numpy()]).view(1, -1, 1, 1)
    first = AdvFace(0.3, steps=3, shadow_steps=4, width=0.25).fit(public, recognizer)
    share = (first(features) - features) / spread
    assert float(share.abs().max()) == pytest.approx(0.3, rel=1e-3)
    assert float((share.abs() > 0.299).double().mean()) > 0.3, "signed steps end at the bound"
    second = AdvFace(0.3, bound="l2", steps=3, shadow_steps=4, width=0.25).restored(first.learned())
    share = (second(features) - features) / spread
    lengths = share.flatten(1).norm(dim=1) / share[0].numel() ** 0.5
    assert float(lengths.max()) <= 0.3 * (1 + 1e-4)
    assert float(share.abs().max()) > 0.31, "single values may go further"


def test_the_noise_climbs(fitted: AdvFace, network: Recognizer) -> None:
    """From the start to the end the shadow model's picture goes away from the shadow image."""
    features = network.features(tiny.faces(4).images)
    shadow = fitted.shadows_[0]

    def away(protected: Tensor) -> Tensor:
        return 1 - structural_similarity(shadow(protected), shadow(features).clamp(0, 1))

    few, many = (away(reread(fitted, epsilon=0.4, steps=n)(features)) for n in (1, 10))
    assert (many > few).all()
    assert (away(reread(fitted, epsilon=0.1)(features)) < many).all()


def test_a_row_is_treated_alike_in_any_batch(fitted: AdvFace, network: Recognizer) -> None:
    """With its picture or without: the draw follows the picture's digest, or the features themselves."""
    faces = tiny.faces(10, seed=6)
    features = network.features(faces.images)
    order = torch.tensor([7, 2, 9])
    for given, few in ((None, None), (faces, faces[order])):
        protected = fitted(features, given)
        assert torch.allclose(fitted(features[order], few), protected[order], atol=1e-5)
        assert torch.equal(fitted(features, given), protected)
    assert not torch.allclose(fitted(features), fitted(features, faces), atol=0.01)
    assert fitted(features[:0]).shape == features[:0].shape


def test_a_file_of_tensors_and_the_recipe_make_it_again(fitted: AdvFace, network: Recognizer) -> None:
    features = network.features(tiny.faces(3).images)
    again = AdvFace(0.4, steps=4, **QUICK).restored(fitted.learned())
    assert repr(again) == repr(fitted)
    assert torch.equal(again(features), fitted(features))
    assert not any(p.requires_grad for p in again.parameters())
    assert fitted.restored(fitted.learned()).shadows_[0] is not fitted.shadows_[0]
    assert AdvFace().learned() == {}


def test_tensors_of_another_recipe_or_type_are_refused(fitted: AdvFace) -> None:
    tensors = fitted.learned()
    with pytest.raises(UsageError, match="other names, shapes or types"):
        AdvFace(shadow="unet").restored(tensors)
    with pytest.raises(UsageError, match="other names, shapes or types"):
        reread(fitted, width=0.75)
    with pytest.raises(UsageError, match=r"learns the shape .* got none"):
        AdvFace().restored({})
    with pytest.raises(UsageError, match="other names, shapes or types"):
        fitted.restored({k: v.half() if v.is_floating_point() else v for k, v in tensors.items()})
    flat = {**tensors, "shape_": torch.tensor([10**6, 1, 1, 10**6, 10**6])}  # 10**16 weights, were they allocated
    with pytest.raises(UsageError, match="other names, shapes or types"):
        fitted.restored(flat)


def test_other_keys_draw_anew_against_the_same_shadow(fitted: AdvFace, network: Recognizer) -> None:
    """Who knows the scheme is granted the shadow model itself."""
    features = network.features(tiny.faces(2).images)
    other = fitted.rekeyed(7)
    assert not torch.equal(other(features), fitted(features))
    assert torch.equal(other.shadows_[0](features), fitted.shadows_[0](features))
    aware = RecFace(steps=2, batch_size=4, width=0.25).knowing(knows=Knows.SCHEME)
    victim = Victim(Pipeline(network, fitted), aware.knowledge, attacker_seed=7)
    own = Faces(through_8bit(tiny.faces(2).images))
    observed, expected = victim.observe(own), other(network.features(own.images), own)
    assert torch.equal(observed, expected)


def test_the_recognizer_is_left_as_it_was() -> None:
    network = tiny.recognizer(cut=2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    protection = AdvFace(steps=2, shadow_steps=3, width=0.25).fit(tiny.faces(8), network)
    protection(network.features(tiny.faces(2).images))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert not network.training
    held = {id(part) for part in network.modules()}
    assert not held & {id(part) for part in protection.modules()}


def test_gradients_pass_as_if_the_noise_stood_still(fitted: AdvFace, network: Recognizer) -> None:
    features = network.features(tiny.faces(2).images).requires_grad_(True)
    (gradient,) = torch.autograd.grad(fitted(features).sum(), features)
    assert torch.equal(gradient, torch.ones_like(features))
    assert all(isinstance(part, nn.Module) for part in fitted.shadows_)


def test_it_says_what_it_misses(fitted: AdvFace, network: Recognizer) -> None:
    with pytest.raises(UsageError, match="call fit"):
        AdvFace()(torch.zeros(1, 8, 16, 16))
    with pytest.raises(UsageError, match="public faces"):
        AdvFace().fit(None, network)
    with pytest.raises(UsageError, match="one recognizer; got 2"):
        AdvFace().fit(tiny.faces(4), network, network)
    with pytest.raises(ShapeError, match="fit it for the recognizer as it is cut here"):
        fitted(torch.zeros(1, 12, 16, 16))
    for options, words in (
        ({"epsilon": 0.0}, "more than 0"),
        ({"bound": "l1"}, "linf, l2"),
        ({"shadow": "gan"}, "unet, plain"),
        ({"momentum": 2.0}, r"0\.\.1"),
        ({"steps": 0}, "at least 1"),
    ):
        with pytest.raises(UsageError, match=words):
            AdvFace(**options)


@pytest.mark.slow
@pytest.mark.mirror
def test_real_faces_are_spoiled_for_a_stranger_and_kept_for_the_recognizer(mirror: Path) -> None:
    """Provider and attacker have other people's faces and other architectures; Gaussian noise has the same norm."""
    faces, network = load_dataset("lfw", 320), load("mobilefacenet-casia").frozen().at_cut(5)
    provider, others, victims = faces[:150], faces[150:300], faces[300:]
    protection = AdvFace(shadow_steps=40, shadow="plain").fit(provider, network)
    with torch.no_grad():
        clean = network.features(victims.images)
        protected = protection(clean)
        draw = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        noisy = clean + rms(protected - clean) * draw
        kept = torch.nn.functional.cosine_similarity(network.templates(clean), network.templates(protected))
    assert float(kept.mean()) > 0.9
    victim = Victim(Pipeline(network), RecFace.default_knowledge)
    attack = RecFace(steps=50, batch_size=8, width=0.5, seed=9).fit(others, victim)
    for metric, gap in ((SSIM, 0.1), (PSNR, 3)):
        adversarial, random = (metric(attack(leak, victim), victims.images).mean() for leak in (protected, noisy))
        assert adversarial < random - gap
