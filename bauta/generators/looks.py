"""What an attribute network reads off people who do not exist, so that attackers have something to guess."""

from __future__ import annotations

import torch

from bauta.estimators import estimator
from bauta.generators.population import Population

__all__ = ["genders"]

SURE = 0.7  # of a person's pictures on the average
PICTURES = 8


def genders(population: Population, name: str = "bauta-attributes") -> tuple[int, ...]:
    """For each of the people 0 (read as a man) or 1 (as a woman), -1 where the network is not `SURE`.

    It takes a population and no pictures, so that nobody who exists can be read by it. Raises as `estimator`.
    """
    network = estimator(name)
    found = []
    with torch.no_grad():
        for person in population.people:
            pictures = population.pictures([person] * PICTURES, [*range(PICTURES)])
            woman = float(network(pictures)["gender"].softmax(1)[:, 1].mean())
            found.append(1 if woman > SURE else 0 if woman < 1 - SURE else -1)
    return tuple(found)
