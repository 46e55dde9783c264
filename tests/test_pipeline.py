"""What each party sees, against the same steps done by hand."""

from __future__ import annotations

from typing import ClassVar, Self

import pytest
import tiny
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import UsageError
from bauta.ops.noise import generators, normal
from bauta.pipeline import Pipeline, System
from bauta.protections import PMT, FeatureProtection, ImageProtection, TemplateProtection, WhiteNoise
from bauta.types import Faces, Stage


class Darker(ImageProtection):
    """Half as bright; passes a gradient."""

    def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
        return x / 2


class Masked(FeatureProtection):
    """Features plus a mask drawn from a key, another for each face (its digest)."""

    def __init__(self, key: int = 0) -> None:
        super().__init__()
        self.key = key

    def rekeyed(self, seed: int) -> Self:
        return type(self)(seed)

    def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
        assert faces is not None
        return x + normal(x.shape[1:], generators(self.key, faces.digests(), "mask"), x)


class Packed(FeatureProtection):
    """Sends every channel twice."""

    changes_channels: ClassVar[bool] = True

    def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
        return torch.cat([x, x], 1)


class Turned(TemplateProtection):
    """A keyed orthogonal matrix: unit rows stay unit rows, cosines under one key stay."""

    def __init__(self, key: int = 0) -> None:
        super().__init__()
        self.key = key

    def rekeyed(self, seed: int) -> Self:
        return type(self)(seed)

    def forward(self, x: Tensor, faces: Faces | None = None) -> Tensor:
        random = torch.randn(x.shape[1], x.shape[1], generator=torch.Generator().manual_seed(self.key))
        turned: Tensor = x @ torch.linalg.qr(random)[0]
        return turned


def on_levels(x: Tensor) -> bool:
    return torch.allclose(x * 255, (x * 255).round(), atol=1e-4)


def test_stages_follow_one_another_as_by_hand() -> None:
    network, faces = tiny.recognizer(), tiny.faces()
    pipeline = Pipeline(network, Turned(3), Darker(), Masked(4), WhiteNoise(0.05, seed=9))
    images = (faces.images * 255).round() / 255
    images = (images / 2 * 255).round() / 255
    images = (WhiteNoise(0.05, seed=9)(images, faces) * 255).round() / 255
    features = Masked(4)(network.features(images), faces)
    templates = Turned(3)(network.templates(features))
    for stage, wanted in (
        (Stage.IMAGES, images),
        (Stage.FEATURES, features),
        (Stage.TEMPLATES, templates),
    ):
        assert torch.allclose(pipeline.at(stage, faces), wanted, atol=1e-5), stage
    assert torch.equal(pipeline.at(Stage.IMAGES, faces), pipeline.images(faces))
    assert torch.allclose(pipeline.templates(faces).norm(dim=1), torch.ones(4), atol=1e-5)


def test_the_order_of_protections_is_the_order_given() -> None:
    faces = tiny.faces()
    noise = WhiteNoise(0.2)
    first = Pipeline(tiny.recognizer(), noise, Darker()).images(faces)
    last = Pipeline(tiny.recognizer(), Darker(), noise).images(faces)
    assert not torch.allclose(first, last, atol=0.02)
    assert [type(p) for p in Pipeline(tiny.recognizer(), noise, Darker()).protections] == [WhiteNoise, Darker]


def test_pictures_are_what_an_8_bit_file_holds() -> None:
    faces = tiny.faces()
    for pipeline in (Pipeline(tiny.recognizer()), Pipeline(tiny.recognizer(), Darker(), Darker())):
        assert on_levels(pipeline.images(faces))
    assert not on_levels(faces.images / 4)


def test_scores_belong_to_a_victim() -> None:
    with pytest.raises(UsageError, match=r"Victim\.score"):
        Pipeline(tiny.recognizer()).at(Stage.SCORES, tiny.faces())


def test_bare_is_the_recognizer_alone() -> None:
    network, faces = tiny.recognizer(), tiny.faces()
    bare = Pipeline(network, Darker(), Masked(), Turned()).bare()
    assert bare.protections == []
    assert torch.allclose(bare.templates(faces), network.embed((faces.images * 255).round() / 255), atol=1e-6)


def test_bare_needs_a_twin_where_channels_change() -> None:
    twin = tiny.recognizer("twin", seed=7)
    with pytest.raises(UsageError, match="twin="):
        Pipeline(tiny.recognizer(), Packed()).bare()
    assert Pipeline(tiny.recognizer(), Packed(), twin=twin).bare().recognizer is twin
    assert Pipeline(tiny.recognizer(), Packed()).features(tiny.faces()).shape[1] == 24


def test_rekeyed_changes_keys_and_draws_and_nothing_else() -> None:
    network, faces = tiny.recognizer(), tiny.faces()
    pipeline = Pipeline(network, PMT(steps=2, seed=1).fit(None, network), Masked(1), Turned(1))
    other = pipeline.rekeyed(2)
    for stage in (Stage.IMAGES, Stage.FEATURES, Stage.TEMPLATES):
        assert not torch.allclose(pipeline.at(stage, faces), other.at(stage, faces), atol=1e-2), stage
    own = Pipeline(network, PMT(steps=2, seed=2).fit(None, network), Masked(2), Turned(2))
    assert torch.equal(other.images(faces), own.images(faces))
    assert torch.allclose(other.templates(faces), own.templates(faces), atol=1e-5)
    assert torch.equal(pipeline.images(faces), pipeline.rekeyed(1).images(faces))
    assert pipeline.rekeyed(2).bare().recognizer is network


def test_gradients_pass_the_rounding() -> None:
    network = tiny.recognizer().double()
    images = tiny.pictures().double().requires_grad_(True)
    pipeline = Pipeline(network, Darker())
    weight = torch.randn(4, 16, generator=torch.Generator().manual_seed(0)).double()
    (ours,) = torch.autograd.grad((pipeline.templates(Faces(images)) * weight).sum(), images)
    # by hand: the gradient at the rounded picture, times a half, as though no rounding had been there
    with torch.no_grad():
        rounded = (((images * 255).round() / 255 / 2) * 255).round() / 255
    rounded.requires_grad_(True)
    (wanted,) = torch.autograd.grad((network.embed(rounded) * weight).sum(), rounded)
    assert torch.allclose(ours, wanted / 2, atol=1e-12)
    assert float(ours.abs().max()) > 0


def test_a_keyed_template_protection_keeps_cosines_under_one_key_only() -> None:
    network, faces = tiny.recognizer(), tiny.faces()
    plain = Pipeline(network).templates(faces)
    one, two = Pipeline(network, Turned(1)).templates(faces), Pipeline(network, Turned(2)).templates(faces)
    assert torch.allclose(F.cosine_similarity(one[:1], one[1:]), F.cosine_similarity(plain[:1], plain[1:]), atol=1e-5)
    assert float(F.cosine_similarity(one, two).abs().max()) < 0.95


def test_an_attacker_has_the_side_that_is_protected_and_the_probe_where_both_are_or_none_is() -> None:
    network = tiny.recognizer()
    plain, other, ours, theirs = (
        Pipeline(network),
        Pipeline(network),
        Pipeline(network, Darker()),
        Pipeline(network, Masked()),
    )
    for probe, gallery, exposed in (
        (plain, other, plain),
        (ours, plain, ours),
        (ours, theirs, ours),
        (plain, theirs, theirs),
    ):
        system = System(probe, gallery)
        assert system.exposed is exposed
        assert system.opposite is (probe if exposed is gallery else gallery)
