"""Intervals of a thousand draws: all at once, against the loop over draws, and against scipy for a mean.

    python benchmarks/intervals.py [PAIRS] [ROUNDS]

PAIRS comparisons (1,200) of people two by two. Seconds of one thread, the least of ROUNDS (3), and how many times as
quick; again: with the draws of the same pairs remembered, as a table asks for one number after the other. The ends of
both intervals are compared: they are the same numbers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import bootstrap as scipy_bootstrap

from bauta.metrics import auc, bootstrap, eer, tar_at_far
from bauta.metrics.base import kept
from bauta.metrics.draws import aucs, eers, fold_means, means, tars
from bauta.metrics.verification import mean_of_folds


def seconds(run: Callable[[], object], rounds: int) -> float:
    """The least of some rounds."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def main(pairs: int, rounds: int) -> None:
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    same, fold = torch.arange(pairs) % 2 == 0, torch.arange(pairs) % 10
    scores, people = torch.randn(pairs, generator=draw) + same, torch.randint(pairs // 2, (pairs, 2), generator=draw)
    right = ((scores > 0.5) == same).double()
    cases: dict[str, tuple[Callable[..., float], Callable[..., torch.Tensor], tuple[torch.Tensor, ...]]] = {
        "mean": (lambda v: float(v.mean()), means, (right,)),
        "mean of folds": (mean_of_folds, fold_means, (right, fold)),
        "AUC": (auc, aucs, (scores, same)),
        "EER": (eer, eers, (scores, same)),
        "TAR at a FAR of 0.01": (lambda s, y: tar_at_far(s, y, 0.01), tars(0.01), (scores, same)),
    }
    print(f"{pairs} comparisons, 1,000 draws of people, one thread; loop, at once and again in seconds, ratios")
    for name, (plain, at_once, arrays) in cases.items():
        slow = bootstrap(plain, *arrays, groups=people)
        quick = bootstrap(plain, *arrays, groups=people, at_once=at_once)
        assert abs(slow.low - quick.low) + abs(slow.high - quick.high) < 1e-9, name

        def measured(forget: bool, plain=plain, arrays=arrays, **how: object) -> float:  # type: ignore[no-untyped-def]
            def run() -> None:
                if forget:
                    kept.cache_clear()
                bootstrap(plain, *arrays, groups=people, **how)

            return seconds(run, rounds)

        loop, once, again = measured(True), measured(True, at_once=at_once), measured(False, at_once=at_once)
        print(f"{name:22} {loop:6.3f} {once:6.3f} {again:6.3f}  {loop / once:5.1f}x {loop / again:5.1f}x")
    theirs = seconds(lambda: scipy_bootstrap((right.numpy(),), np.mean, n_resamples=1000, method="percentile"), rounds)
    ours = seconds(lambda: (kept.cache_clear(), bootstrap(lambda v: float(v.mean()), right, at_once=means)), rounds)
    print(f"scipy.stats.bootstrap, a mean of rows, vectorized: {theirs:.3f}; ours {ours:.3f}: {theirs / ours:.1f}x")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*given, *(1200, 3)[len(given) :])
