"""Checkpoints of others, loaded by their keys: the same templates as the publisher's own network gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import BadCheckpoint
from bauta.recognizers import (
    ARCHITECTURES,
    Preprocess,
    Recognizer,
    iresnet,
    irse,
    load_state,
    mobilefacenet,
    mobilenet,
    resnet_face,
)
from bauta.recognizers.checkpoints import State
from bauta.recognizers.inception_resnet_v1 import InceptionResnetV1, from_facenet_pytorch

from . import published

SHALLOW = (1, 2, 1, 1)
HALF = Preprocess()
BY_128 = Preprocess((127.5 / 255,), (128 / 255,))
BGR_128 = Preprocess((127.5 / 255,), (128 / 255,), bgr=True)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def half(x: Tensor) -> Tensor:
    """0..255, RGB -> what most networks take."""
    return (x - 127.5) / 127.5


def blue_first(x: Tensor) -> Tensor:
    return x[:, [2, 1, 0]]


def imagenet(x: Tensor) -> Tensor:
    mean, std = (torch.tensor(v, dtype=x.dtype).view(3, 1, 1) for v in IMAGENET)
    return (x / 255 - mean) / std


@dataclass
class Case:
    """theirs: the publisher's network; taken: 0..255 RGB -> its input; ours: our network and the key mapping."""

    theirs: Callable[[], nn.Module]
    taken: Callable[[Tensor], Tensor]
    ours: Callable[[], Recognizer]
    keys: Callable[[State], State]


def irse_keys(state: State) -> State:
    return irse.from_irse(state, SHALLOW)


CASES = {
    "insightface": Case(
        lambda: published.InsightFace(SHALLOW),
        half,
        lambda: iresnet.IResNet(HALF, units=SHALLOW),
        iresnet.from_insightface,
    ),
    "evolve ir": Case(
        lambda: published.ModelIRSE(SHALLOW, published.evolve_branch, affine=True),
        half,
        lambda: irse.EvolveIR(HALF, units=SHALLOW),
        irse_keys,
    ),
    "evolve ir-se": Case(
        lambda: published.ModelIRSE(SHALLOW, published.evolve_se_branch, affine=True),
        half,
        lambda: irse.EvolveIR(HALF, units=SHALLOW, residual=irse.squeezed(irse.lean)),
        irse_keys,
    ),
    "robfr ir50, blue first": Case(
        lambda: published.ModelIRSE(SHALLOW, published.evolve_branch, affine=True),
        lambda x: half(blue_first(x)),
        lambda: irse.EvolveIR(Preprocess(bgr=True), units=SHALLOW),
        irse_keys,
    ),
    "tface ir": Case(
        lambda: published.ModelIRSE(SHALLOW, published.tface_branch, affine=False),
        half,
        lambda: irse.TFaceIR(HALF, units=SHALLOW),
        irse_keys,
    ),
    "tface ir-se": Case(
        lambda: published.ModelIRSE(SHALLOW, published.with_se_block(published.tface_branch), affine=False),
        half,
        lambda: irse.TFaceIR(HALF, units=SHALLOW, residual=irse.squeezed(iresnet.residual)),
        irse_keys,
    ),
    "tface bottlenecks": Case(
        lambda: published.ModelIRSE(SHALLOW, published.tface_bottleneck, affine=False, widths=irse.BOTTLENECK_WIDTHS),
        half,
        lambda: irse.TFaceIR(HALF, units=SHALLOW, residual=irse.bottleneck, widths=irse.BOTTLENECK_WIDTHS),
        irse_keys,
    ),
    "model_resnet, robfr": Case(
        lambda: published.ModelResNet(SHALLOW),
        lambda x: (blue_first(x) - 127.5) / 128,
        lambda: resnet_face.ResNetFace(BGR_128, units=SHALLOW),
        resnet_face.from_model_resnet,
    ),
    "robfr mobilenet": Case(
        lambda: published.RobFRMobilenet(2), blue_first, lambda: mobilenet.MobileNet(BGR_128), mobilenet.from_robfr
    ),
    "robfr mobilenet stride 1": Case(
        lambda: published.RobFRMobilenet(1),
        blue_first,
        lambda: mobilenet.MobileNet(BGR_128, stride=1),
        mobilenet.from_robfr,
    ),
    "robfr mobileface": Case(
        lambda: published.Xiaoccer((7, 7), 512),
        lambda x: (blue_first(x) - 127.5) / 128,
        lambda: mobilefacenet.MobileFaceNet(BGR_128, embedding=512),
        mobilefacenet.from_xiaoccer,
    ),
    "xiaoccer": Case(
        lambda: published.Xiaoccer((7, 6), 128),
        lambda x: ((x - 127.5) / 128)[..., 8:104],
        lambda: mobilefacenet.MobileFaceNet(Preprocess((127.5 / 255,), (128 / 255,), columns=(8, 104)), grid=(7, 6)),
        mobilefacenet.from_xiaoccer,
    ),
    "foamliu": Case(
        published.Foamliu,
        imagenet,
        lambda: mobilefacenet.MobileFaceNetReLU6(Preprocess(*IMAGENET)),
        mobilefacenet.from_foamliu,
    ),
    "facenet-pytorch": Case(
        published.FacenetPytorch, lambda x: (x - 127.5) / 128, lambda: InceptionResnetV1(BY_128), from_facenet_pytorch
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_same_templates_as_the_publishers_network(case: str) -> None:
    c = CASES[case]
    theirs = published.filled(c.theirs()).double()
    ours = c.ours().double()
    load_state(ours, c.keys(theirs.state_dict()), "the publisher's state")
    ours = ours.frozen().double()
    size = 160 if case == "facenet-pytorch" else 112
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        expected = F.normalize(theirs(c.taken(images * 255)))
        torch.testing.assert_close(ours.embed(images), expected, rtol=0, atol=1e-6)


def full_depths() -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """Every layout whose network comes in depths -> the publisher's network of that depth."""
    shallow_end, deep_end = (64, 128, 256, 512), (256, 512, 1024, 2048)
    for depth, units in {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3)}.items():
        yield f"iresnet{depth}", lambda u=units: published.InsightFace(u)
    for se in ("", "se"):
        for depth, units in {50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 152: (3, 8, 36, 3)}.items():
            branch = published.evolve_se_branch if se else published.evolve_branch
            yield f"evolve-ir{se}{depth}", lambda u=units, b=branch: published.ModelIRSE(u, b, affine=True)
        for depth, units in {
            18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 152: (3, 8, 36, 3),
            200: (3, 24, 36, 3),
        }.items():  # fmt: skip
            plain = published.tface_branch if depth <= 100 else published.tface_bottleneck
            branch = published.with_se_block(plain) if se else plain
            widths = shallow_end if depth <= 100 else deep_end
            yield (
                f"tface-ir{se}{depth}",
                lambda u=units, b=branch, w=widths: published.ModelIRSE(u, b, affine=False, widths=w),
            )
    for depth, units in {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}.items():
        yield f"evolve-resnet{depth}", lambda u=units: published.ModelResNet(u)
    yield "robfr-ir50", lambda: published.ModelIRSE((3, 4, 14, 3), published.evolve_branch, affine=True)
    yield "robfr-resnet50", lambda: published.ModelResNet((3, 4, 6, 3))
    yield "robfr-mobilenet", lambda: published.RobFRMobilenet(2)
    yield "robfr-mobilenet-stride1", lambda: published.RobFRMobilenet(1)
    yield "robfr-mobileface", lambda: published.Xiaoccer((7, 7), 512)
    yield "inception-resnet-v1", published.FacenetPytorch


FULL = dict(full_depths())


@pytest.mark.parametrize("name", FULL)
def test_every_weight_of_the_full_depth_has_its_place(name: str) -> None:
    make, keys = ARCHITECTURES[name]
    with torch.device("meta"):  # names and shapes without memory
        came = {k: v.shape for k, v in keys(FULL[name]().state_dict()).items()}
        own = {k: v.shape for k, v in make(HALF, embedding=512).state_dict().items()}
    assert came == own


def test_every_layout_is_tested_against_its_publisher() -> None:
    measured_on_real_weights = {"mobilefacenet-insightface-y1", "mobileface-v3"}
    shallow = {"mobilefacenet-xiaoccer", "mobilefacenet-foamliu"}
    published_by_bauta = {"compact-residual", "compact-ir", "compact-mobilenet", "compact-plain", "compact-bottleneck"}
    assert set(ARCHITECTURES) == set(FULL) | shallow | measured_on_real_weights | published_by_bauta


def test_the_wrong_layout_is_refused() -> None:
    """TFace's extra batch norm shifts the keys behind it: loaded as face.evoLVe's they must not fit."""
    theirs = published.ModelIRSE(SHALLOW, published.tface_branch, affine=True)
    ours = irse.EvolveIR(HALF, units=SHALLOW)
    with pytest.raises(BadCheckpoint, match="does not fit EvolveIR"):
        load_state(ours, irse_keys(theirs.state_dict()), "a TFace file")


def test_a_deeper_network_is_refused() -> None:
    with torch.device("meta"):
        deeper = published.ModelIRSE((1, 2, 1, 2), published.evolve_branch, affine=True).state_dict()
        ours = irse.EvolveIR(HALF, units=SHALLOW)
    with pytest.raises(BadCheckpoint, match=r"unknown \['body\.5\."):
        load_state(ours, irse_keys(deeper), "a deeper file")
