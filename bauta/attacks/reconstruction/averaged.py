"""ALSUV: many latents searched at once, averaged along their way, chosen by a recognizer that is not attacked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bauta.attacks.base import Access, Knowledge, Knows, Victim
from bauta.attacks.oracle import Oracle
from bauta.attacks.reconstruction.search import Found, LatentSearch
from bauta.attacks.reconstruction.starts import MeanStart
from bauta.attacks.reconstruction.whitebox import AskingGlass, Glass, uphill
from bauta.errors import UsageError
from bauta.generators import FacePrior
from bauta.generators.prior import truncated
from bauta.recognizers import Recognizer, load
from bauta.recognizers.folding import folded
from bauta.spec import recipe
from bauta.types import Images, Stage, Templates


class AveragedSearch(LatentSearch):
    """Templates (V, D) -> faces of the prior that other recognizers accept too (Jung, Park et al., "Face Reconstruction
    Transfer Attack as Out-of-Distribution Generalization", ECCV 2024: averaged latent search with unsupervised
    validation, ALSUV).

    For one who holds the complete system, its keys and a stored template. `latents` draws of the prior, the same for
    every target, follow the gradient of the cosine, each by itself; of each, the last `window` latents of its way are
    averaged. The `finalists` averages that the attacked system likes best are read by the surrogate, and that one is
    the guess whose template is nearest to their mean, the *pseudo target*: what all of them share is the person, what
    each has for itself fits one network.

    prior: see `Map2V`. surrogate: a recognizer that is not attacked, a zoo name or a network. psi: how far a latent is
    from the prior's mean, which pictures are made with. rate, weight_decay, milestones: of Adam. flip: templates of a
    picture and its mirror image are averaged, of the system and of the surrogate. seed: of the draws.
    ``AveragedSearch(prior, surrogate, latents=1, window=1, finalists=1)`` is plain gradient descent.

    Numbers are the paper's and its released code's: 20,000 pictures (and as many gradients) for one face. The paper's
    latents are W+, of StyleGAN2: give such a prior. Raises `UsageError` where a protection passes no gradient.
    """

    default_knowledge = Knowledge(sees=Stage.TEMPLATES, access=Access.GRADIENT, knows=Knows.KEYS)

    def __init__(
        self,
        prior: FacePrior | None = None,
        surrogate: str | Recognizer = "mobilefacenet-y1-ms1m",
        *,
        latents: int = 100,
        iterations: int = 100,
        window: int = 70,
        finalists: int = 10,
        psi: float = 0.8,
        rate: float = 0.1,
        weight_decay: float = 5e-4,
        milestones: Sequence[int] = (50,),
        flip: bool = True,
        seed: int = 0,
        batch_size: int = 128,
    ) -> None:
        if not 1 <= window <= iterations or not 1 <= finalists <= latents:
            raise UsageError(
                "AveragedSearch needs 1 <= window <= iterations and 1 <= finalists <= latents; got window="
                f"{window}, iterations={iterations}, finalists={finalists}, latents={latents}."
            )
        super().__init__(prior, flip=flip, seed=seed, batch_size=batch_size)
        judge = load(surrogate) if isinstance(surrogate, str) else surrogate
        self._judge, self.surrogate = folded(judge), judge.name
        self.latents, self.iterations, self.window, self.finalists = latents, iterations, window, finalists
        self.psi, self.rate, self.weight_decay, self.milestones = psi, rate, weight_decay, tuple(milestones)

    __repr__ = recipe

    def __call__(self, leak: Templates, victim: Victim) -> Images:  # type: ignore[override]
        return super().__call__(leak, Glass(victim, leak))

    def search(self, oracle: Oracle, targets: Tensor) -> Iterator[Found]:
        """After each step the best that was asked so far, and at the end what was chosen; the oracle is a `Glass`."""
        if not isinstance(oracle, Glass):
            raise UsageError("AveragedSearch follows gradients; give Glass(victim, templates) as the oracle.")
        asking = AskingGlass(
            self.prior, oracle, torch.arange(len(targets), device=targets.device), flip=self.flip,
            batch_size=self.batch_size,
        )  # fmt: skip
        rows = torch.arange(len(targets)).repeat_interleave(self.latents)
        drawn = self.prior.sample(self.latents, Generator().manual_seed(self.seed))
        points = drawn.repeat(len(targets), *[1] * (drawn.ndim - 1))
        middle = drawn[:1].clone() if self.psi == 1 else MeanStart()(self.prior, targets[:1], asking, self.seed)
        toward = middle.expand_as(points)
        adam = torch.optim.Adam([points], self.rate, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.MultiStepLR(adam, self.milestones, 0.1)
        total = torch.zeros_like(points)
        for step in range(self.iterations):
            points.grad = uphill(self, asking, points, toward, rows, self.psi)
            adam.step()
            schedule.step()
            if step >= self.iterations - self.window:
                total += points.detach()
            yield asking.found
        shown = truncated(total / self.window, toward, self.psi)
        scores = asking(shown, rows).view(-1, self.latents)
        best = scores.topk(self.finalists).indices
        chosen = best.gather(1, self._nearest(shown.view(-1, *drawn.shape), best))
        known = asking.found
        yield Found(
            shown.view(-1, *drawn.shape)[torch.arange(len(best)), chosen[:, 0].to(shown.device)],
            scores.gather(1, chosen)[:, 0],
            known.queries,
        )

    def _nearest(self, averages: Tensor, best: Tensor) -> Tensor:
        """averages (V, latents, *shape), best (V, finalists) of them -> (V, 1) the finalist nearest to the pseudo
        target."""
        judge = self._judge.to(averages.device)
        found = []
        with torch.no_grad():
            for own, those in zip(averages, best, strict=True):
                parts = []
                for some in torch.split(own[those.to(own.device)], self.batch_size):
                    pictures = self.prior.render(some)
                    read = judge.embed(pictures)
                    parts.append(F.normalize(read + judge.embed(pictures.flip(-1))) if self.flip else read)
                read = torch.cat(parts)
                found.append(F.cosine_similarity(read, read.mean(0, keepdim=True)).argmax())
        return torch.stack(found).cpu()[:, None]
