"""The paper's numbers, by what the paper and arithmetic say of them."""

from __future__ import annotations

from itertools import chain, product

from bauta.study.published import (
    PAPER_CHOICES,
    PAPER_PAIRS,
    PAPER_TABLE_IX,
    PAPER_TABLE_IX_NETWORKS,
    PAPER_TABLE_VI_LFW,
    PAPER_TABLE_VII_LFW,
    PAPER_TABLE_VIII,
    PAPER_TABLE_VIII_COLUMNS,
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


def test_the_papers_own_claims_hold_in_its_tables() -> None:
    """Section 6.3: SSIM falls from 0.99 to 0.03 and PSNR from 34.40 to 11.21, and SRRA stays 1.0 (LFW, black box)."""
    bare, pmt = PAPER_TABLE_VI_LFW["bare"]["RecFace"], PAPER_TABLE_VI_LFW["PMT"]["RecFace"]
    assert (bare[:2], pmt[:2]) == ((0.99, 34.40), (0.03, 11.21))
    for attack in ("Inversion", "RecFace"):
        unprotected, noisy, ours = (PAPER_TABLE_VI_LFW[name][attack] for name in ("bare", "matched noise", "PMT"))
        assert all(a > b > c for a, b, c in zip(unprotected[:2], noisy[:2], ours[:2], strict=True))
        assert unprotected[2] > ours[2] > noisy[2]
        assert {numbers[3] for numbers in (unprotected, noisy, ours)} == {1.0}
    # section 6.5: every attribute is confused more by PMT than by noise
    for lines in PAPER_TABLE_VIII.values():
        for name, ours_, noisy_ in zip(PAPER_TABLE_VIII_COLUMNS, lines["PMT"], lines["noise"], strict=True):
            assert (ours_ > noisy_) if name == "age" else (ours_ < noisy_)
