"""MAP2V's descent with the gradient itself, for whoever holds the whole system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from bauta.attacks.base import Access, Knowledge, Knows, Victim
from bauta.attacks.oracle import Oracle
from bauta.attacks.reconstruction.map2v import Descent
from bauta.attacks.reconstruction.search import Asking, Found, LatentSearch
from bauta.errors import UsageError
from bauta.generators.prior import truncated
from bauta.types import Images, Stage, Templates


class Map2VWhiteBox(Descent):
    """Templates (V, D) -> faces of the prior: `Map2V` with the loss's own gradient, the authors' white-box switch.

    For one who holds the complete system, its keys and a stored template. With `flip` the templates of a latent's two
    pictures are averaged, as the paper has it. Options: see `Map2V`. Raises `UsageError` where a protection passes no
    gradient.
    """

    default_knowledge = Knowledge(sees=Stage.TEMPLATES, access=Access.GRADIENT, knows=Knows.KEYS)

    def __call__(self, leak: Templates, victim: Victim) -> Images:  # type: ignore[override]
        return super().__call__(leak, Glass(victim, leak))

    def search(self, oracle: Oracle, targets: Tensor) -> Iterator[Found]:
        """As `Map2V.search`; the oracle is a `Glass`, the targets are its templates."""
        if not isinstance(oracle, Glass):
            raise UsageError(f"{type(self).__name__} follows gradients; give Glass(victim, templates) as the oracle.")
        yield from super().search(oracle, targets)

    def asking(self, oracle: Oracle, targets: Tensor) -> Asking:
        rows = torch.arange(len(targets), device=targets.device)
        return AskingGlass(self.prior, oracle, rows, flip=self.flip, batch_size=self.batch_size)

    def slopes(self, asking: Asking, here: Tensor, start: Tensor, rows: Tensor, draws: Sequence[Generator]) -> Tensor:
        return uphill(self, asking, here, start, rows, self.psi)


def uphill(search: LatentSearch, asking: Asking, here: Tensor, start: Tensor, rows: Tensor, psi: float) -> Tensor:
    """(L, *shape) gradient of minus the scores at `here` for the targets in `rows`; it asks, batch by batch.

    Raises `UsageError` where a protection passes no gradient.
    """
    slopes = []
    for there, toward, who in zip(*(torch.split(x, search.batch_size) for x in (here, start, rows)), strict=True):
        with torch.enable_grad():  # a caller that needs no gradient may have switched it off
            point = there.detach().requires_grad_(True)
            shown = truncated(point, toward, psi)
            scores = asking.answers(asking.prior.render(shown), who)
            if not scores.requires_grad:
                raise UsageError(f"The victim's protection passes no gradient, so {type(search).__name__} has none.")
            (slope,) = torch.autograd.grad(-scores.sum(), point)
        asking.enter(shown.detach(), who, scores.detach())
        slopes.append(slope)
    return torch.cat(slopes)


class Glass:
    """A victim that is held whole, as an oracle over stored templates (V, D): targets are their rows."""

    def __init__(self, victim: Victim, templates: Templates) -> None:
        self.victim, self.templates = victim, templates

    @property
    def queries(self) -> int:
        """Of the victim."""
        return self.victim.queries

    def embed(self, images: Images) -> Templates:
        """What the system makes of the pictures, with a gradient where one is recorded."""
        return self.victim.differentiable(images) if torch.is_grad_enabled() else self.victim.observe(images)

    def score(self, images: Images, target: Tensor) -> Tensor:
        """(B,) cosine to the templates `target`."""
        return F.cosine_similarity(self.embed(images), self.templates[target])


class AskingGlass(Asking):
    """Averages the templates of a latent's two pictures instead of their scores."""

    def answers(self, pictures: Images, rows: Tensor) -> Tensor:
        assert isinstance(self.oracle, Glass)
        if not self.flip:
            return super().answers(pictures, rows)
        both = self.oracle.embed(torch.cat([pictures, pictures.flip(-1)])).view(2, len(pictures), -1)
        return F.cosine_similarity(both.mean(0), self.oracle.templates[rows.to(self.oracle.templates.device)])
