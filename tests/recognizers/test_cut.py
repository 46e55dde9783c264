"""A recognizer cut in two, at every depth of every architecture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.errors import ShapeError, UsageError
from bauta.recognizers import ARCHITECTURES, Preprocess, Recognizer, iresnet, irse, resnet_face
from bauta.recognizers.base import sequence

from .published import filled

SHALLOW = (1, 2, 1, 1)

# One network of each plan, the deep ones with few units; the rest differ in depth or in the names of their weights.
NETWORKS: dict[str, Callable[[Preprocess], Recognizer]] = {
    "iresnet": lambda p: iresnet.IResNet(p, units=SHALLOW),
    "evolve ir-se": lambda p: irse.EvolveIR(p, units=SHALLOW, residual=irse.squeezed(irse.lean)),
    "tface ir": lambda p: irse.TFaceIR(p, units=SHALLOW),
    "resnet": lambda p: resnet_face.ResNetFace(p, units=SHALLOW),
    **{
        name: ARCHITECTURES[name].make
        for name in (
            "mobilefacenet-xiaoccer",
            "mobilefacenet-foamliu",
            "mobilefacenet-insightface-y1",
            "mobileface-v3",
            "robfr-mobilenet",
            "inception-resnet-v1",
        )
    },
}


def preprocess(name: str) -> Preprocess:
    columns = (8, 104) if name == "mobilefacenet-xiaoccer" else None
    return Preprocess(columns=columns, size=(160, 160) if name == "inception-resnet-v1" else None)


@pytest.fixture(params=NETWORKS, scope="module")
def network(request: pytest.FixtureRequest) -> Recognizer:
    made: Recognizer = filled(NETWORKS[request.param](preprocess(request.param)))
    return made.frozen()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(1, 3, 112, 112, generator=torch.Generator().manual_seed(3))


def test_every_cut_gives_the_same_templates(network: Recognizer, images: Tensor) -> None:
    whole = len(network.layers)
    with torch.no_grad():
        maps = network.at_cut(whole).feature_maps(images)
        expected = F.normalize(network.layers(images).flatten(1))
        assert len(maps) == whole
        for cut in range(1, whole + 1):
            here = network.at_cut(cut)
            assert here.cut == cut
            torch.testing.assert_close(here.templates(maps[cut - 1]), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_features_are_the_last_feature_map(network: Recognizer, images: Tensor, share: float) -> None:
    here = network.at_cut(max(1, int(share * len(network.layers))))
    with torch.no_grad():
        maps, features = here.feature_maps(images), here.features(images)
        again = here.feature_maps(images)
        assert torch.equal(maps[-1], features)
        assert torch.equal(here(images), here.embed(images))
    assert [m.ndim for m in maps] == [4] * here.cut
    assert all(torch.equal(a, b) for a, b in zip(maps, again, strict=True))


def test_no_layer_writes_into_what_it_was_given(network: Recognizer, images: Tensor) -> None:
    """Layer aggregation keeps every map, so an in-place activation would change the one before."""
    x = images
    for layer in network.layers:
        before = x.clone()
        with torch.no_grad():
            y = layer(x)
        assert torch.equal(x, before)
        x = y


def test_the_last_layer_gives_the_embedding(network: Recognizer, images: Tensor) -> None:
    with torch.no_grad():
        features = network.at_cut(len(network.layers)).features(images.expand(2, -1, -1, -1))
        templates = network.embed(images)
    assert features.shape == (2, templates.shape[1], 1, 1)
    assert templates.norm(dim=1).item() == pytest.approx(1, abs=1e-5)


def test_a_cut_shares_the_weights(network: Recognizer) -> None:
    other = network.at_cut(1)
    mine = {k: v.data_ptr() for k, v in network.named_parameters()}
    assert {k: v.data_ptr() for k, v in other.named_parameters()} == mine
    assert network.cut != 1
    first = next(iter(network.parameters()))
    try:
        first.data += 1
        assert torch.equal(next(iter(other.parameters())), first)
    finally:
        first.data -= 1


def test_a_gradient_reaches_the_image_and_no_weight(network: Recognizer, images: Tensor) -> None:
    x = images.clone().requires_grad_()
    network.embed(x).square().mul(torch.arange(1, 1 + network.embed(images).shape[1])).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert (x.grad.abs().sum((0, 1)) > 0).float().mean() > 0.5
    assert all(p.grad is None for p in network.parameters())


def test_names_follow_the_layers(network: Recognizer) -> None:
    names = network.layer_names()
    assert len(names) == len(set(names)) == len(network.layers)
    assert names[0] == "stem"
    assert names[-1] == "embedding"


@pytest.mark.parametrize("cut", [0, -1, 13])
def test_a_cut_outside_is_refused(cut: int) -> None:
    network = iresnet.IResNet(Preprocess(), units=SHALLOW)
    with pytest.raises(UsageError, match=r"a cut must lie in 1\.\.9"):
        network.at_cut(cut)
    with pytest.raises(UsageError, match=r"a cut must lie in 1\.\.9"):
        iresnet.IResNet(Preprocess(), units=SHALLOW, cut=cut)


def test_images_of_another_shape_are_refused() -> None:
    network = Recognizer({"stem": sequence({"input": Preprocess()})})
    with pytest.raises(ShapeError, match="images must have shape"):
        network.embed(torch.rand(3, 112, 112))
    with pytest.raises(ShapeError, match="floating point"):
        network.feature_maps(torch.zeros(1, 3, 112, 112, dtype=torch.uint8))
    with pytest.raises(ShapeError, match="features must have shape"):
        network.templates(torch.rand(2, 128))


def test_preprocess_is_arithmetic_on_pixels() -> None:
    """Against the publishers' formulas on 0..255, in numpy."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 112, 112))
    images = torch.from_numpy(pixels / 255)

    def same(module: Preprocess, expected: np.ndarray) -> None:
        np.testing.assert_allclose(module.double()(images).numpy(), expected, atol=1e-6)

    same(Preprocess(), (pixels - 127.5) / 127.5)
    same(Preprocess((127.5 / 255,), (128 / 255,)), (pixels - 127.5) / 128)
    same(Preprocess(columns=(8, 104)), ((pixels - 127.5) / 127.5)[..., 8:104])
    same(Preprocess(bgr=True), (pixels[:, ::-1] - 127.5) / 127.5)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (pixels / 255 - mean[:, None, None]) / std[:, None, None]
    same(Preprocess(tuple(mean), tuple(std)), expected)
    # mean and std follow the network's own order of channels
    blue = (pixels[:, ::-1] / 255 - mean[:, None, None]) / std[:, None, None]
    same(Preprocess(tuple(mean), tuple(std), bgr=True), blue)


def test_preprocess_resizes_to_the_networks_size() -> None:
    flat = torch.full((1, 3, 100, 90), 0.25)
    out = Preprocess(size=(160, 160))(flat)
    assert out.shape == (1, 3, 160, 160)
    torch.testing.assert_close(out, torch.full_like(out, -0.5))
    exact = torch.rand(1, 3, 160, 160)
    torch.testing.assert_close(Preprocess((0.0,), (1.0,), size=(160, 160))(exact), exact, rtol=0, atol=0)
