"""Attribute networks of others, on the picture."""

from __future__ import annotations

import torch
from torch import Tensor

from bauta import estimators
from bauta.attacks.base import AttributeInference, Knowledge, Victim
from bauta.errors import UsageError
from bauta.estimators import Estimator
from bauta.types import Stage


class ForeignEstimator(AttributeInference):
    """Somebody else's network reads the picture, or a reconstruction, as if it were a face (PMT section 6.1).

    attribute: one that the network reads. estimator: a name in `bauta.estimators.ESTIMATORS`, or a network. Its figures
    on clean faces belong beside every leak, for it may have seen them in training: `estimator.seen`.
    Raises `UsageError`, `MissingWeights`, `MissingPackage`.
    """

    default_knowledge = Knowledge(sees=Stage.IMAGES)

    def __init__(self, attribute: str, estimator: str | Estimator = "age-gender") -> None:
        self.attribute = attribute
        self.estimator = estimators.estimator(estimator) if isinstance(estimator, str) else estimator
        if attribute not in self.estimator.attributes:
            raise UsageError(
                f"{self.estimator.name} reads {', '.join(self.estimator.attributes)}, not {attribute}; "
                f"there are the estimators {', '.join(estimators.ESTIMATORS)}."
            )

    def __repr__(self) -> str:
        return f"ForeignEstimator({self.attribute!r}, {self.estimator.name!r})"

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        with torch.no_grad():
            return torch.cat([self.estimator(some)[self.attribute] for some in torch.split(leak, 64)])
