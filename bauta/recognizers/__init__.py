"""Face recognizers: `load("mobilefacenet-casia")` builds one with its published weights."""

from __future__ import annotations

from dataclasses import asdict

from torch import nn

from bauta import zoo
from bauta.errors import BadCheckpoint
from bauta.recognizers import mobileface, mobilefacenet
from bauta.recognizers.base import Preprocess, Recognizer
from bauta.recognizers.checkpoints import read_state

__all__ = ["ARCHITECTURES", "Preprocess", "Recognizer", "build", "load"]

# name in a record -> (build from a Preprocess and keywords, the checkpoint's keys -> ours)
ARCHITECTURES = {
    "mobilefacenet-xiaoccer": (
        lambda p, **k: mobilefacenet.MobileFaceNet(p, grid=(7, 6), **k),
        mobilefacenet.from_xiaoccer,
    ),
    "mobilefacenet-foamliu": (mobilefacenet.MobileFaceNetReLU6, mobilefacenet.from_foamliu),
    "mobilefacenet-insightface-y1": (
        lambda p, **k: mobilefacenet.MobileFaceNet(p, eps=1e-3, head_eps=2e-5, **k),
        mobilefacenet.from_insightface_y1,
    ),
    "mobileface-v3": (mobileface.MobileFaceV3, mobileface.from_mxnet_v3),
}


def build(record: zoo.Weights, *, cut: int | None = None) -> Recognizer:
    """The network of a record, with random weights; `cut` defaults to the record's own."""
    make, _ = ARCHITECTURES[record.architecture]
    network: Recognizer = make(
        Preprocess(**asdict(record.input)), embedding=record.embedding, cut=cut or record.cut, name=record.name
    )
    return network


def load(name: str, *, cut: int | None = None) -> Recognizer:
    """The recognizer called `name` (a zoo record), with its weights, frozen and in evaluation mode.

    cut: how many layers the client holds; the record's measured default if None.
    Raises `UsageError` (unknown name), `MissingWeights`, `BadCheckpoint`.
    """
    record = zoo.weights(name)
    path = zoo.locate(record.files[0])
    network = build(record, cut=cut)
    load_state(network, ARCHITECTURES[record.architecture][1](read_state(path)), str(path))
    return network.frozen()


def load_state(network: nn.Module, state: dict[str, object], origin: str) -> None:
    """Load strictly: every weight of the network, and no other (batch counters aside). Raises `BadCheckpoint`."""
    own = network.state_dict()
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    foreign = [k for k in state if k not in own and not k.endswith("num_batches_tracked")]
    if missing or foreign:
        raise BadCheckpoint(
            f"{origin} does not fit {type(network).__name__}: {len(missing)} weights are missing {missing[:3]}, "
            f"{len(foreign)} are unknown {foreign[:3]}."
        )
    network.load_state_dict({k: v for k, v in state.items() if k in own}, strict=False)  # type: ignore[arg-type]
