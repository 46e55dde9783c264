"""Oracles count each picture that a network was asked about, and pass on no more than they say."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Tensor, nn

from bauta.attacks import (
    AcceptReject,
    Access,
    AnySystem,
    Knowledge,
    Map2V,
    NoisyScores,
    Oracle,
    QuantizedScores,
    QueryLimit,
    Ranked,
    Victim,
)
from bauta.errors import ShapeError, UsageError
from bauta.generators import Eigenfaces
from bauta.pipeline import Pipeline
from bauta.types import Stage


class Seen:
    """Counts the rows that pass a network's first layer, where no oracle can hide them."""

    def __init__(self, network: nn.Module) -> None:
        self.rows = 0
        next(m for m in network.modules() if isinstance(m, nn.Conv2d)).register_forward_hook(self.count)

    def count(self, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        self.rows += len(inputs[0])


def victim() -> tuple[Victim, Seen]:
    """Four enrolled people, and the counter in the network."""
    pipeline = Pipeline(tiny.recognizer())
    enrolled = pipeline.templates(tiny.faces(4))
    seen = Seen(pipeline.recognizer)
    return Victim(pipeline, Knowledge(Stage.SCORES, Access.QUERY), enrolled=enrolled), seen


PICTURES, TARGET = tiny.pictures(6, seed=9), torch.tensor([0, 1, 1, 3, 1, 0])


@pytest.mark.parametrize("flip", [False, True])
def test_the_counter_is_exact(flip: bool) -> None:
    """Against the network's own first layer, through a whole search; and the attack's own books agree."""
    asked, seen = victim()
    prior = Eigenfaces(components=5).fit(tiny.faces(12, seed=4))
    attack = Map2V(prior, Ranked(priors=7, top=2), iterations=3, directions=4, flip=flip, batch_size=5)
    *_, found = attack.search(asked, torch.tensor([2, 0, 3]))
    expected = 3 * (7 + 3 * (4 + 1)) * (2 if flip else 1)
    assert asked.queries == seen.rows == int(found.queries.sum()) == expected


def test_a_limit_counts_what_reaches_the_system_and_no_more() -> None:
    asked, seen = victim()
    limit = QueryLimit(asked, 2)
    scores = limit.score(PICTURES, TARGET)
    assert scores.isnan().tolist() == [False, False, False, False, True, False], "the third about enrolment 1"
    assert limit.queries == asked.queries == seen.rows == 5
    kept = ~scores.isnan()
    assert torch.equal(scores[kept], asked.score(PICTURES[kept], TARGET[kept]))
    assert limit.score(PICTURES[:2], torch.tensor([0, 1])).isnan().all()
    assert asked.queries == 5 + 5, "the five that this test asked, and none since"


def test_accept_or_reject() -> None:
    asked, _ = victim()
    plain = asked.score(PICTURES, TARGET)
    threshold = float(plain.sort().values[2])
    answers = AcceptReject(asked, threshold).score(PICTURES, TARGET)
    assert answers.tolist() == [1.0 if s > threshold else 0.0 for s in plain.tolist()]
    assert sorted(answers.tolist()) == [0, 0, 0, 1, 1, 1], "equal to the threshold is rejected"


def test_quantized_scores() -> None:
    asked, _ = victim()
    plain = asked.score(PICTURES, TARGET)
    answers = QuantizedScores(asked, 0.05).score(PICTURES, TARGET)
    assert answers.tolist() == pytest.approx([0.05 * round(s / 0.05) for s in plain.tolist()], abs=1e-6)
    with pytest.raises(UsageError, match="step above 0"):
        QuantizedScores(asked, 0)


def test_noise_belongs_to_the_picture_and_the_enrolment() -> None:
    asked, _ = victim()
    plain, noisy = asked.score(PICTURES, TARGET), NoisyScores(asked, 0.1, seed=3)
    first = noisy.score(PICTURES, TARGET)
    order = torch.tensor([5, 3, 0, 1, 4, 2])
    assert torch.allclose(noisy.score(PICTURES[order], TARGET[order]), first[order], atol=1e-5), "asking again"
    other = torch.tensor([1, 1, 1, 3, 1, 0])
    change = (noisy.score(PICTURES, other) - asked.score(PICTURES, other)) - (first - plain)
    assert float(change[0].abs()) > 1e-3, "another enrolment"
    assert torch.allclose(change[1:], torch.zeros(5), atol=1e-5)
    many = tiny.pictures(300, seed=11)
    who = torch.zeros(300, dtype=torch.long)
    noise = noisy.score(many, who) - asked.score(many, who)
    assert float(noise.mean()) == pytest.approx(0, abs=0.02)
    assert float(noise.std()) == pytest.approx(0.1, abs=0.015)


def test_what_is_not_answered_stays_so_behind_other_limits() -> None:
    asked, _ = victim()
    for behind in (AcceptReject(QueryLimit(asked, 0), 0.5), QuantizedScores(QueryLimit(asked, 0))):
        assert behind.score(PICTURES, TARGET).isnan().all()
    assert asked.queries == 0


def test_any_callable_is_an_oracle() -> None:
    system: Oracle = AnySystem(lambda images, target: images.mean((1, 2, 3)) + target)
    scores = system.score(PICTURES, TARGET)
    assert scores.tolist() == pytest.approx([float(p.mean()) + int(n) for p, n in zip(PICTURES, TARGET, strict=True)])
    assert system.queries == 6
    with pytest.raises(ShapeError, match="one score a picture"):
        AnySystem(lambda images, target: images).score(PICTURES, TARGET)
