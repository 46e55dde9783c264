"""Oracles: a system that answers how like an enrolled face a picture is, and systems that answer less than that.

A `Victim` is one. Anything else can be judged as well, one's own system in process or on loopback::

    oracle = AnySystem(lambda images, target: my_matcher(images, target))
    Map2V(prior).search(oracle, torch.tensor([0, 1, 2]))

Whoever asks counts: `queries` is the number of pictures that a system was asked about, each time it was. An answer that
is not given is NaN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from bauta.errors import ShapeError, UsageError
from bauta.ops.noise import generators, normal, row_digests
from bauta.spec import recipe
from bauta.types import Images


class Oracle(Protocol):
    """Pictures of somebody's choice in, similarities out."""

    @property
    def queries(self) -> int:
        """How many pictures it was asked about."""
        ...

    def score(self, images: Images, target: Tensor) -> Tensor:
        """(B,) how like enrolment number `target` (B,) each picture (B, 3, H, W) is; NaN where there is no answer."""
        ...


class AnySystem:
    """Any callable (images, target) -> (B,) scores as an oracle. Raises `ShapeError` for another form of answer."""

    def __init__(self, ask: Callable[[Images, Tensor], Tensor]) -> None:
        self.ask = ask
        self.queries = 0

    def score(self, images: Images, target: Tensor) -> Tensor:
        """What the callable answers; it is given no gradient."""
        self.queries += len(images)
        with torch.no_grad():
            answer = torch.as_tensor(self.ask(images, target))
        if answer.shape != (len(images),):
            raise ShapeError(f"The system must answer one score a picture ({len(images)},), got {tuple(answer.shape)}.")
        return answer.float()


class Restricted:
    """Base of oracles that pass on less than the one behind them, which counts; a subclass says what by `limited`."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle

    __repr__ = recipe

    @property
    def queries(self) -> int:
        """Of the oracle behind it."""
        return self.oracle.queries

    def score(self, images: Images, target: Tensor) -> Tensor:
        """The answers behind it, as far as they are passed on."""
        return self.limited(self.oracle.score(images, target), images, target)

    def limited(self, scores: Tensor, images: Images, target: Tensor) -> Tensor:
        """(B,) what is passed on of the scores of these pictures."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it passes on.")


class AcceptReject(Restricted):
    """1 where the score is above the threshold and 0 elsewhere: the top-1 decision and nothing else."""

    def __init__(self, oracle: Oracle, threshold: float) -> None:
        super().__init__(oracle)
        self.threshold = threshold

    def limited(self, scores: Tensor, images: Images, target: Tensor) -> Tensor:
        return torch.where(scores.isnan(), scores, (scores > self.threshold).to(scores))


class QuantizedScores(Restricted):
    """Scores rounded to multiples of `step`: 0.01 is what a percentage without decimals shows."""

    def __init__(self, oracle: Oracle, step: float = 0.01) -> None:
        if step <= 0:
            raise UsageError(f"QuantizedScores needs a step above 0, got {step}.")
        super().__init__(oracle)
        self.step = step

    def limited(self, scores: Tensor, images: Images, target: Tensor) -> Tensor:
        return (scores / self.step).round() * self.step


class NoisyScores(Restricted):
    """Scores plus Gaussian noise of standard deviation `sigma`.

    The noise follows the seed, the picture's content and the enrolment: asking again gives the same answer, so that
    there is nothing to average.
    """

    def __init__(self, oracle: Oracle, sigma: float = 0.05, *, seed: int = 0) -> None:
        super().__init__(oracle)
        self.sigma, self.seed = sigma, seed

    def limited(self, scores: Tensor, images: Images, target: Tensor) -> Tensor:
        who = [f"{digest}:{number}" for digest, number in zip(row_digests(images), target.tolist(), strict=True)]
        return scores + self.sigma * normal((), generators(self.seed, who, "score"), scores)


class QueryLimit(Restricted):
    """So many answers for each enrolment, and NaN from then on: a rate limit that is never lifted.

    What is refused does not reach the system and is not counted.
    """

    def __init__(self, oracle: Oracle, budget: int) -> None:
        if budget < 0:
            raise UsageError(f"QueryLimit needs a budget of 0 or more, got {budget}.")
        super().__init__(oracle)
        self.budget = budget
        self._spent: Counter[int] = Counter()

    def score(self, images: Images, target: Tensor) -> Tensor:
        """The first answers for each enrolment, in the order of the rows; NaN for the others."""
        allowed = []
        for row, number in enumerate(target.tolist()):
            if self._spent[number] < self.budget:
                self._spent[number] += 1
                allowed.append(row)
        answers = torch.full((len(images),), torch.nan, device=images.device)
        if allowed:
            rows = torch.tensor(allowed, device=images.device)
            answers[rows] = self.oracle.score(images[rows], target[rows.to(target.device)]).to(answers)
        return answers
