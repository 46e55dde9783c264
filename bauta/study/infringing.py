"""The privacy-infringing models of PMT's Eq. 9: what somebody who must not know might read off a picture."""

from __future__ import annotations

from functools import cache

from torch import Tensor

from bauta import estimators, zoo
from bauta.errors import MissingWeights
from bauta.estimators import BautaAttributes, Estimator
from bauta.metrics.attribute import attribute_cosine
from bauta.metrics.base import Metric
from bauta.metrics.lpips import lpips
from bauta.metrics.perceptual import perceptual
from bauta.types import Images

ESTIMATORS = ("age-gender", "emotion")  # where neither is here, ours


def privacy_models(reader: str) -> list[Metric]:
    """Each Dist(m_i, m_i) as a metric of two pictures, high where m_i says different things of the face.

    LPIPS over VGG16, as the paper has it, where its weights are here (0 for equal pictures, seldom above 1). Else the
    attribute networks at hand, each as one minus the cosine of its probabilities, in [0, 1], and LPIPS's form over the
    layers of `reader`, a recognizer that nobody authorized, which weighs most in a mean: about 1 between two people,
    1.4 from a face to white noise. The metrics' names say which. Raises `MissingWeights` where `reader`'s are not to be
    had, `BadFile` where a file is not what its record names.
    """
    if all(zoo.find(file) is not None for file in zoo.tool("lpips-vgg").files):
        return [lpips("vgg")]
    return [*_attribute_networks(), _perceptual(reader)]


@cache
def _perceptual(reader: str) -> Metric:
    return perceptual(reader)


@cache
def _attribute_networks() -> tuple[Metric, ...]:
    found: list[Estimator] = []
    for name in ESTIMATORS:
        try:
            found.append(estimators.estimator(name))
        except MissingWeights:
            continue
    return tuple(
        _disagreement(network, attribute)
        for network in found or [estimators.estimator(BautaAttributes.name)]
        for attribute, classes in network.classes.items()
        if classes
    )


def _disagreement(network: Estimator, attribute: str) -> Metric:
    def distance(guess: Images, truth: Images) -> Tensor:
        return 1 - attribute_cosine(network(guess)[attribute], network(truth)[attribute])

    return Metric(f"disagreement on {attribute} ({network.name})", distance, private_when="high")
