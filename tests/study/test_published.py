"""The paper's numbers, by what the paper and arithmetic say of them."""

from __future__ import annotations

from itertools import chain, product

from bauta.study.published import (
    PAPER_CHOICES,
    PAPER_PAIRS,
    PAPER_TABLE_IX,
    PAPER_TABLE_IX_NETWORKS,
    PAPER_TABLE_VII_LFW,
    PAPER_TABLE_X,
)


def on_the_grid(rate: float) -> bool:
    """Whether one decimal of a percentage is that of a whole number of pairs."""
    return any(abs(rate - round(100 * k / PAPER_PAIRS, 1)) < 0.051 for k in range(PAPER_PAIRS + 1))


def test_nearly_all_accuracies_are_whole_numbers_of_104_pairs() -> None:
    """A rate with one decimal lies there by chance one time in ten; a slip of a digit would leave the grid."""
    blocks = [*PAPER_CHOICES.values(), PAPER_TABLE_VII_LFW, *PAPER_TABLE_IX.values()]
    rates = list(chain.from_iterable(chain.from_iterable(block.values()) for block in blocks))
    assert len(rates) == 2 * 12 + 25 + 4 * 30
    assert sum(map(on_the_grid, rates)) >= len(rates) - 12


def test_what_is_authorized_is_accepted() -> None:
    for lines in PAPER_TABLE_IX.values():
        for numbers, rates in lines.items():
            assert len(rates) == len(PAPER_TABLE_IX_NETWORKS)
            authorized = [rates[n - 1] for n in numbers]
            assert min(authorized) >= 84.6
            assert min(authorized) > max(rate for n, rate in enumerate(rates, 1) if n not in numbers)


def test_what_the_paper_settles_on_is_what_it_finds_best() -> None:
    for option, settled in {"start": "noise", "augment": "noise", "aggregate": "yes", "kernel": "gaussian"}.items():
        choices = PAPER_CHOICES[option]
        assert min(choices, key=lambda name: choices[name][1]) == settled
    assert set(PAPER_TABLE_X) == set(product((False, True), repeat=3))
    assert max(PAPER_TABLE_X, key=lambda on: PAPER_TABLE_X[on][2]) == (True, True, True)
