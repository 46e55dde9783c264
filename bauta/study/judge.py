"""What a guess is worth against the truth: templates, pictures and attributes, as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.faces import Pairs
from bauta.metrics import (
    AUC,
    PSNR,
    SSIM,
    best_threshold,
    pmt_accuracy,
    rank1,
    srra,
    tar_metric,
    threshold_at_far,
)
from bauta.metrics.base import Interval, Metric, SetMetric
from bauta.metrics.draws import mean_interval
from bauta.metrics.image import cosine
from bauta.study.records import Row
from bauta.types import Images, Templates

RANKED = 200
FAR = 0.01
STRICT_FAR = 0.001
PAPER_KAPPA = 0.2  # PMT's threshold for every model
INSIDE = " of what the recognizer sees"


class Ledger:
    """Makes rows out of `blank`; a number's interval comes from resampling `groups`, one entry a row of its arrays."""

    def __init__(self, blank: Row, groups: Tensor | None) -> None:
        self.blank, self.groups = blank, groups

    def row(self, metric: str, interval: Interval, private_when: str = "low", note: str = "") -> Row:
        """One number. Utility has no private end."""
        good = "" if self.blank.role == "utility" else private_when
        return filled(replace(self.blank, metric=metric, private_when=good, note=note), interval)

    def mean(
        self, metric: str, values: Tensor, private_when: str = "low", note: str = "", rows: Tensor | None = None
    ) -> Row:
        """The mean of one value a row, of all rows or of the chosen ones."""
        chosen = slice(None) if rows is None else rows
        groups = None if self.groups is None else self.groups[chosen]
        return self.row(metric, mean_interval(values[chosen], groups), private_when, note)

    def over(self, metric: str, statistic: SetMetric, guess: Tensor, truth: Tensor) -> Row:
        """A statistic of the whole set."""
        return self.row(metric, statistic.interval(guess, truth, self.groups), statistic.private_when)


def judge_templates(
    blank: Row, probes: Templates, gallery: Templates, victims: Pairs, threshold: float | None, *, suffix: str = ""
) -> Iterator[Row]:
    """Verification of the distinct first pictures (`probes`) against the whole `gallery`.

    threshold: what the reader calls the same person above; None: the best one on the gallery's own pairs. suffix: what
    is added to each metric's name.
    """
    _, place = torch.unique(victims.first, return_inverse=True)
    first, second, same = victims.first, victims.second, victims.same
    probe = probes[place]
    own, pair = (probe * gallery[first]).sum(1), (probe * gallery[second]).sum(1)
    clean = (gallery[first] * gallery[second]).sum(1)
    line = best_threshold(clean, same) if threshold is None else threshold
    who, at = victims.faces.identity, f"threshold {line:.3f}"
    ledger = Ledger(blank, None if who is None else who[first])

    yield ledger.mean(f"accuracy (Eq. 10){suffix}", pmt_accuracy(own, pair, same, line), note=at)
    if suffix:
        yield ledger.mean(f"verification{suffix}", (pair > line) == same, note=at)
    else:
        yield ledger.mean("accuracy on the clean pairs", pmt_accuracy(torch.ones_like(own), clean, same, line), note=at)
    yield ledger.mean(f"accepted as itself{suffix}", srra(own, line), note=at)
    yield ledger.mean(f"accepted as the same person{suffix}", pair > line, note=at, rows=same)
    yield ledger.mean(f"accepted as a stranger{suffix}", pair > line, note=at, rows=~same)
    yield ledger.mean(f"cosine to itself{suffix}", own)
    yield ledger.over(f"AUC{suffix}", AUC, pair, same)
    yield ledger.over(f"TAR@FAR={FAR:g}{suffix or ' recalibrated'}", tar_metric(FAR), pair, same)
    if who is not None:
        chosen = ranked(victims)
        people = who[victims.first[chosen]]
        hits = rank1(probe[chosen], gallery[victims.second[chosen]], people, people).float()
        note = f"among {len(chosen)} people, chance {1 / len(chosen):.4f}"
        yield Ledger(blank, None).mean(f"rank-1{suffix}", hits, note=note)


def ranked(victims: Pairs) -> Tensor:
    """The first genuine pair of each of the first `RANKED` people who have one: probe its first, enroll its second."""
    who = victims.faces.identity
    if who is None:
        raise UsageError("Ranking needs to know who is who; these faces have no identity.")
    chosen: dict[int, int] = {}
    for index in victims.same.nonzero().flatten().tolist():
        chosen.setdefault(int(who[victims.first[index]]), index)
    return torch.tensor(list(chosen.values())[:RANKED])


def judge_pictures(
    blank: Row,
    pictures: Images,
    truth: Images,
    groups: Tensor | None,
    measures: Iterable[Metric],
    embed: Callable[[Images], Templates],
    lines: dict[str, float],
    columns: tuple[int, int] | None = None,
) -> Iterator[Row]:
    """Reconstructions beside the originals: by `measures`, and by the recognizer that was attacked.

    embed: its templates. lines: name -> threshold for the success rate of reconstruction attacks (SRRA). columns: what
    the recognizer looks at, if it is not all; no attacker who has its features can know the rest, so that SSIM and
    PSNR of the part that it saw stand beside.
    """
    ledger = Ledger(blank, groups)
    for measure in measures:
        yield ledger.mean(measure.name, measure(pictures, truth), measure.private_when)
    if columns is not None:
        seen = slice(*columns)
        for measure in (SSIM, PSNR):  # a network's distance is to whole faces
            inside = measure(pictures[..., seen], truth[..., seen])
            yield ledger.mean(f"{measure.name}{INSIDE}", inside, measure.private_when)
    own = cosine(embed(pictures), embed(truth))
    yield ledger.mean("COS", own)
    for name, line in lines.items():
        yield ledger.mean(name, srra(own, line), note=f"threshold {line:.3f}")


def srra_lines(threshold: float | None, gallery: Templates, identity: Tensor | None) -> dict[str, float]:
    """The thresholds that SRRA is measured at: the recognizer's own, at a FAR of 0.001 among the gallery, PMT's 0.2.

    Where nobody says who is who, any two pictures count as two people.
    """
    who = torch.arange(len(gallery)) if identity is None else identity
    above = torch.triu_indices(len(gallery), len(gallery), offset=1)
    scores, same = (gallery @ gallery.T)[above[0], above[1]], who[above[0]] == who[above[1]]
    lines = {} if threshold is None else {"SRRA": threshold}
    if int((~same).sum()) * STRICT_FAR >= 1:
        strangers = torch.cat([scores, torch.ones(1)])  # a set of pairs may have no two pictures of one person
        lines[f"SRRA at FAR {STRICT_FAR:g}"] = threshold_at_far(
            strangers, torch.cat([same, torch.ones(1, dtype=torch.bool)]), STRICT_FAR
        )
    return lines | {f"SRRA at {PAPER_KAPPA:g}": PAPER_KAPPA}


def filled(row: Row, interval: Interval) -> Row:
    """The row with its number."""
    return replace(row, value=interval.value, low=interval.low, high=interval.high, n=interval.n)
