"""MAP2V as a judge: people are enrolled in a system and searched for by its similarities alone; recognizers score what
is found, the attacked one and others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.attacks import AcceptReject, Attack, NoisyScores, Oracle, QuantizedScores, QueryLimit, RandomStart
from bauta.attacks.reconstruction.search import LatentSearch
from bauta.errors import UsageError
from bauta.generators import FacePrior
from bauta.metrics import SSIM
from bauta.metrics.base import Interval
from bauta.metrics.privacy_score import privacy_scores
from bauta.ops.quantize import through_8bit
from bauta.pipeline import System
from bauta.recognizers import load
from bauta.recognizers.folding import folded
from bauta.spec import parse
from bauta.study.judge import Ledger
from bauta.study.records import Row
from bauta.study.run import QUERIES
from bauta.study.views import BATCH
from bauta.types import Faces, Images, Templates

LIMITS = (QuantizedScores, AcceptReject, NoisyScores, QueryLimit)
OWN, BLIND, ANOTHER = "the attacked system", "random prior", "another photo"
SIMILARITY, PSI, PSII, SAR = "similarity", "PSI", "PSII", "SAR@FAR="
SEVERAL = " as others"  # of SAR: accepted as the person's other pictures

Embed = Callable[[Faces], Templates]


@dataclass(frozen=True)
class Targets:
    """Whom a system is attacked for.

    real: pictures with identity, of the targets' people and of others. attacked, other, stranger: (T,) rows of it: the
    picture that is enrolled, another of the same person, one of somebody who is nobody's target.
    """

    real: Faces
    attacked: Tensor
    other: Tensor
    stranger: Tensor

    @property
    def faces(self) -> Faces:
        """The pictures that are enrolled, one for each target."""
        return self.real[self.attacked]


def targets(faces: Faces, number: int, seed: int, *, strangers: int = 1000) -> Targets:
    """`number` people with two pictures or more, drawn by the seed, and at most so many pictures of others.

    Raises `UsageError` where nobody is named, or there are not so many people with two pictures, or none besides.
    """
    if faces.identity is None:
        raise UsageError("These pictures do not say who is who; give a set with one folder a person.")
    draw = torch.Generator().manual_seed(seed)
    who, times = torch.unique(faces.identity, return_counts=True)
    several = who[times > 1]
    if len(several) < number or len(who) == number:
        raise UsageError(
            f"{number} victims need as many people with two pictures and somebody else to set a threshold by; there "
            f"are {len(several)} with two, of {len(who)} people: ask for fewer, or give more pictures."
        )
    chosen = several[torch.randperm(len(several), generator=draw)[:number]]
    mine = torch.isin(faces.identity, chosen).nonzero().flatten()
    others = (~torch.isin(faces.identity, chosen)).nonzero().flatten()
    others = others[torch.randperm(len(others), generator=draw)[:strangers]]
    real = faces[torch.cat([mine, others])]
    assert real.identity is not None
    rows = [(real.identity == person).nonzero().flatten() for person in chosen]
    strange = len(mine) + torch.arange(number) % len(others)
    return Targets(real, torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows]), strange)


@dataclass(frozen=True)
class Attacked:
    """A system from outside. enroll: what it stores of faces. asked: what it makes of pictures it is asked about."""

    name: str
    enroll: Embed
    asked: Embed

    @classmethod
    def of(cls, name: str, system: System, device: torch.device | str = "cpu") -> Attacked:
        """A `System`: enrolled on the side that leaks (see `System.exposed`), asked through the other."""
        return cls(name, embedding(system.exposed.templates, device), embedding(system.opposite.templates, device))

    def score(self, enrolled: Templates) -> Callable[[Images, Tensor], Tensor]:
        """What the matcher answers to pictures about enrolment numbers, for `AnySystem`."""

        def answer(images: Images, target: Tensor) -> Tensor:
            return F.cosine_similarity(self.asked(Faces(images)), enrolled[target.cpu()])

        return answer


def embedding(network: Embed, device: torch.device | str = "cpu") -> Embed:
    """Templates on the CPU of any number of faces, computed on a device, in batches and without gradients."""

    def embed(faces: Faces) -> Templates:
        with torch.no_grad():
            return torch.cat([network(batch.to(device)).cpu() for batch in faces.batches(BATCH)])

    return embed


def reading(name: str, device: torch.device | str = "cpu") -> Embed:
    """The templates that the recognizer called `name` makes of clean pictures."""
    network = folded(load(name)).to(device)
    return embedding(lambda faces: network.embed(faces.images), device)


class Meter:
    """An oracle with a count for each enrolment: how many pictures reached the one behind it."""

    def __init__(self, oracle: Oracle, enrolled: int) -> None:
        self.oracle = oracle
        self.spent = torch.zeros(enrolled, dtype=torch.long)

    @property
    def queries(self) -> int:
        """All that was asked here."""
        return int(self.spent.sum())

    def score(self, images: Images, target: Tensor) -> Tensor:
        """The answers behind it."""
        self.spent += torch.bincount(target.cpu(), minlength=len(self.spent))
        return self.oracle.score(images, target)


def limited(oracle: Oracle, limits: Sequence[str]) -> Oracle:
    """The oracle behind limits, in their order: specs of `LIMITS` without the oracle, as ``"QuantizedScores(0.01)"``.

    Raises `UsageError`.
    """
    for spec in limits:
        known = []
        for kind in LIMITS:
            behind: Any = partial(kind, oracle)
            behind.__name__ = kind.__name__
            known.append(behind)
        oracle = parse(spec, known)  # type: ignore[assignment]
    return oracle


def searching(attack: Attack) -> LatentSearch:
    """The attack, if similarities are all that it needs. Raises `UsageError`."""
    default = getattr(attack, "default_knowledge", None)
    if not isinstance(attack, LatentSearch) or default != LatentSearch.default_knowledge:
        raise UsageError(f"{attack!r} is told more than similarities; give Map2V(...) or Map2VFast(...).")
    return attack


@dataclass(frozen=True)
class Recovered:
    """Faces for T targets, as files can hold them. queries: (T,), exact. after: a number of queries -> what was best
    after at most so many of each; a search that knew nothing by then is left out."""

    pictures: Images
    queries: Tensor
    after: Mapping[int, Images]


def recover(
    attack: LatentSearch,
    oracle: Oracle,
    numbers: Tensor,
    *,
    enrolled: int,
    queries: int | None = None,
    limits: Sequence[str] = (),
    marks: Sequence[int] = (),
    told: Callable[[int], None] | None = None,
) -> Recovered:
    """Search for the enrolments `numbers` (T,) of so many that are enrolled.

    attack: fitted. queries: pictures that may be asked about for each target, exactly; None for as many as the attack
    wants. limits: see `limited`. told hears after each round how many queries were made. Raises `UsageError`.
    """
    meter = Meter(oracle, enrolled)
    asked = limited(meter, limits)
    if queries is not None:
        asked = QueryLimit(asked, queries)
    latents: dict[int, Tensor] = {}
    known = {mark: torch.zeros(len(numbers), dtype=torch.bool) for mark in marks}
    found = None
    for found in attack.search(asked, numbers):
        answered = found.scores.isfinite()
        for mark, so_far in known.items():
            early = answered & (meter.spent[numbers] <= mark)
            so_far |= early
            if mark not in latents:
                latents[mark] = found.latents.clone()
            latents[mark][early] = found.latents[early]
        if told is not None:
            told(meter.queries)
    if found is None:
        raise UsageError(f"{attack!r} found nothing; give at least one target and one query.")
    after = {mark: drawn(attack.prior, latents[mark]) for mark, so_far in known.items() if bool(so_far.all())}
    return Recovered(drawn(attack.prior, found.latents), meter.spent[numbers], after)


def blind(prior: FacePrior, numbers: Tensor, seed: int) -> Images:
    """One draw of the prior for each target, for which nobody was asked: what any search must be better than."""
    return drawn(prior, RandomStart()(prior, numbers, lambda latents, rows: torch.zeros(len(rows)), seed))


def drawn(prior: FacePrior, latents: Tensor) -> Images:
    """The latents' pictures, rounded as a file rounds them."""
    with torch.no_grad():
        return torch.cat([through_8bit(prior.render(some)).cpu() for some in torch.split(latents, BATCH)])


class Reader:
    """A validating recognizer and what it makes of the real pictures, read once."""

    def __init__(self, name: str, embed: Embed, found: Targets) -> None:
        self.name, self.embed, self.targets = name, embed, found
        self.real = embed(found.real)

    def rows(self, blank: Row, pictures: Images) -> Iterator[Row]:
        """PSI, PSII and SAR of reconstructions by this recognizer, in percent, as `privacy_scores` has them."""
        real, who = self.targets.real, self.targets.real.identity
        assert who is not None
        scores = privacy_scores(self.embed(Faces(pictures)), self.real, who, self.targets.attacked)
        note = f"threshold {scores.threshold:.3f}, which decides {scores.accuracy:.1f} % of real pairs rightly"
        measured: dict[str, Interval | None] = {PSI: scores.psi, PSII: scores.psii}
        measured |= {f"{SAR}{far:g}": interval for far, interval in scores.sar.items()}
        measured |= {f"{SAR}{far:g}{SEVERAL}": interval for far, interval in (scores.sar_others or {}).items()}
        for score, interval in measured.items():
            if interval is not None:
                facts = {**blank.settings, "validator": self.name, "score": score, "pictures": len(real)}
                own = replace(blank, settings=facts)
                yield Ledger(own, None).row(f"{score} by {self.name}", interval, "low", note)


def scored(
    blank: Row,
    pictures: Images,
    found: Targets,
    system: Attacked,
    enrolled: Templates,
    readers: Sequence[Reader],
    queries: Tensor | None = None,
) -> Iterator[Row]:
    """Reconstructions of the targets as rows: similarity at the attacked system, SSIM, privacy scores, and queries.

    enrolled: (T, D). What is asked here is the judge's affair and counts nowhere. Intervals from resampling targets.
    """
    ledger, numbers = Ledger(blank, None), torch.arange(len(pictures))
    yield ledger.mean(SIMILARITY, system.score(enrolled)(pictures, numbers))
    yield ledger.mean(SSIM.name, SSIM(pictures, found.faces.images), SSIM.private_when)
    for reader in readers:
        yield from reader.rows(blank, pictures)
    if queries is not None:
        note = f"{int(queries.min())} to {int(queries.max())} for each"
        total = float(queries.sum())
        yield replace(blank, metric=QUERIES, value=total, n=len(queries), private_when="high", note=note)
