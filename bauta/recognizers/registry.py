"""From a zoo record to a network with its weights.

A record names a *layout*: an architecture together with the names under which somebody publishes its weights.

============================  ==========================================================================================
layout                        whose checkpoints
============================  ==========================================================================================
mobilefacenet-xiaoccer        Xiaoccer/MobileFaceNet_Pytorch (112 x 96 images)
mobilefacenet-foamliu         foamliu/MobileFaceNet
mobilefacenet-insightface-y1  InsightFace's y1, in MXNet
mobileface-v3                 becauseofAI/MobileFace V3, in MXNet
iresnet18                     InsightFace's arcface_torch: also 34, 50, 100
evolve-ir50                   `model_irse` of face.evoLVe and InsightFace_Pytorch: also 100, 152 and ``evolve-irse...``
tface-ir18                    `model_irse` of TFace: also 34, 50, 100, 152, 200 and ``tface-irse...``
evolve-resnet50               `model_resnet` of face.evoLVe and TFace: also 101, 152
robfr-mobileface              RobFR's MobileFace: MobileFaceNet on 112 x 112 images
robfr-ir50                    RobFR's IR50, whatever its loss: ``evolve-ir50``
robfr-mobilenet               RobFR's Mobilenet; ``robfr-mobilenet-stride1`` its Mobilenet-stride1
robfr-resnet50                RobFR's ResNet50: ``evolve-resnet50``
inception-resnet-v1           facenet-pytorch
compact-residual              bauta, by `bauta train recognizer`: also -bottleneck, -ir, -mobilenet and -plain
============================  ==========================================================================================

RobFR's networks take 0..255 and normalize inside; a record says the same with its `Input`: (x255 - 127.5) / 127.5 for
IR50, (x255 - 127.5) / 128 for MobileFace, Mobilenet and ResNet50. MobileFace, Mobilenet, ResNet50 and IR50-Softmax,
-SphereFace, -CosFace, -ArcFace and -Am want blue first; those trained on CASIA or against attacks want red first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from bauta import zoo
from bauta.errors import BadCheckpoint, UsageError
from bauta.recognizers import (
    inception_resnet_v1,
    iresnet,
    irse,
    mobileface,
    mobilefacenet,
    mobilenet,
    resnet_face,
)
from bauta.recognizers.base import Preprocess, Recognizer
from bauta.recognizers.checkpoints import State, fitting, load_state, read_state
from bauta.recognizers.trainable import RECIPE, WEIGHTS, new, recipe_of

__all__ = ["ARCHITECTURES", "Layout", "build", "layout", "load", "load_state", "load_trained"]


class Layout(NamedTuple):
    """make: builds the network from a `Preprocess` and keywords. keys: the checkpoint's names -> ours."""

    make: Callable[..., Recognizer]
    keys: Callable[[State], State]


def _trained(architecture: str) -> Layout:
    """A network of `bauta.recognizers.trainable` under the names that it has here."""

    def make(input: Preprocess, *, embedding: int, cut: int | None, name: str) -> Recognizer:
        network = new(architecture, {"embedding": embedding}, name=name)
        network.get_submodule("layers.stem").input = input
        return network if cut is None else network.at_cut(cut)

    return Layout(make, dict)


def _model_irse() -> dict[str, Layout]:
    found: dict[str, Layout] = {}
    for kind, dressed in (("ir", lambda branch: branch), ("irse", irse.squeezed)):
        for depth, units in irse.EVOLVE_UNITS.items():
            evolve = partial(irse.EvolveIR, units=units, residual=dressed(irse.lean))
            found[f"evolve-{kind}{depth}"] = Layout(evolve, partial(irse.from_irse, units=units))
        for depth, units in irse.TFACE_UNITS.items():
            basic = partial(irse.TFaceIR, units=units, residual=dressed(iresnet.residual))
            found[f"tface-{kind}{depth}"] = Layout(basic, partial(irse.from_irse, units=units))
        for depth, units in irse.BOTTLENECK_UNITS.items():
            residual, widths = dressed(irse.bottleneck), irse.BOTTLENECK_WIDTHS
            wide = partial(irse.TFaceIR, units=units, residual=residual, widths=widths)
            found[f"tface-{kind}{depth}"] = Layout(wide, partial(irse.from_irse, units=units))
    return found


MODEL_IRSE = _model_irse()
MODEL_RESNET = {
    f"evolve-resnet{depth}": Layout(partial(resnet_face.ResNetFace, units=units), resnet_face.from_model_resnet)
    for depth, units in resnet_face.UNITS.items()
}

ARCHITECTURES: dict[str, Layout] = {
    "mobilefacenet-xiaoccer": Layout(partial(mobilefacenet.MobileFaceNet, grid=(7, 6)), mobilefacenet.from_xiaoccer),
    "mobilefacenet-foamliu": Layout(mobilefacenet.MobileFaceNetReLU6, mobilefacenet.from_foamliu),
    "mobilefacenet-insightface-y1": Layout(
        partial(mobilefacenet.MobileFaceNet, eps=1e-3, head_eps=2e-5), mobilefacenet.from_insightface_y1
    ),
    "mobileface-v3": Layout(mobileface.MobileFaceV3, mobileface.from_mxnet_v3),
    **{
        f"iresnet{depth}": Layout(partial(iresnet.IResNet, units=units), iresnet.from_insightface)
        for depth, units in iresnet.UNITS.items()
    },
    **MODEL_IRSE,
    **MODEL_RESNET,
    "robfr-mobileface": Layout(mobilefacenet.MobileFaceNet, mobilefacenet.from_xiaoccer),
    "robfr-ir50": MODEL_IRSE["evolve-ir50"],
    "robfr-mobilenet": Layout(mobilenet.MobileNet, mobilenet.from_robfr),
    "robfr-mobilenet-stride1": Layout(partial(mobilenet.MobileNet, stride=1), mobilenet.from_robfr),
    "robfr-resnet50": MODEL_RESNET["evolve-resnet50"],
    "inception-resnet-v1": Layout(inception_resnet_v1.InceptionResnetV1, inception_resnet_v1.from_facenet_pytorch),
    "compact-residual": _trained("compact_residual"),
    "compact-bottleneck": _trained("compact_bottleneck"),
    "compact-ir": _trained("compact_ir"),
    "compact-mobilenet": _trained("compact_mobilenet"),
    "compact-plain": _trained("compact_plain"),
}


def layout(record: zoo.Weights) -> Layout:
    """The layout that a record names. Raises `UsageError` with those there are."""
    if record.architecture not in ARCHITECTURES:
        raise UsageError(
            f"{record.name} has the unknown architecture {record.architecture!r}; there are {', '.join(ARCHITECTURES)}."
        )
    return ARCHITECTURES[record.architecture]


def build(record: zoo.Weights, *, cut: int | None = None) -> Recognizer:
    """The network of a record, with random weights; `cut` defaults to the record's own. Raises `UsageError`."""
    return layout(record).make(
        Preprocess(**asdict(record.input)),
        embedding=record.embedding,
        cut=record.cut if cut is None else cut,
        name=record.name,
    )


def load(name: str, *, cut: int | None = None) -> Recognizer:
    """The recognizer called `name` (a zoo record, or the path of a folder that a training left), with its weights,
    frozen and in evaluation mode.

    cut: how many layers the client holds; the record's measured default if None.
    Raises `UsageError` (unknown name), `MissingWeights`, `BadCheckpoint`.
    """
    if (Path(name) / RECIPE).is_file():
        return load_trained(Path(name), cut=cut)
    record = zoo.weights(name)
    path = zoo.locate(record.files[0])
    network = build(record, cut=cut)
    state = read_state(path)
    try:
        state = layout(record).keys(state)
    except (KeyError, RuntimeError, ValueError) as error:
        raise BadCheckpoint(
            f"{path} does not hold weights of the layout {record.architecture} ({error}); check the record of {name}."
        ) from error
    load_state(network, state, str(path))
    return network.frozen()


def load_trained(folder: Path, *, cut: int | None = None) -> Recognizer:
    """The network in a training's folder, frozen and in evaluation mode; raises as `load`."""
    said, path = recipe_of(folder), folder / WEIGHTS
    state = read_state(path)
    with torch.device("meta"):  # a recipe is anybody's file, and may ask for any size
        fitting(new(said["architecture"], said["options"]), state, str(path))
    network = new(said["architecture"], said["options"], name=str(folder))
    load_state(network, state, str(path))
    return (network if cut is None else network.at_cut(cut)).frozen()
