"""Recipes: what a training does besides its data and its network, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bauta.errors import UsageError
from bauta.protections import Protection
from bauta.recognizers.heads import ArcFace, Head
from bauta.train.augment import Augment
from bauta.train.plans import OneCycle, Plan, Steps

__all__ = ["PRESETS", "Recipe", "preset", "published", "small"]


@dataclass(frozen=True)
class Recipe:
    """epochs; batch_size: in each process. head: over the training people, or None where a teacher alone is followed.

    people: what the head's loss weighs against the cosine to the teacher; a margin's scale makes it many times larger.
    pairs: what the similarities inside a batch weigh against the cosine to the teacher. copies: under how many draws of
    its protections a picture stands in a batch, or None for what these ask for (`copies`: 18 for PartialFace, 3 for
    MinusFace). A batch then holds so many times fewer pictures, and an epoch takes so many times longer. The draws are
    others in each epoch.
    """

    epochs: int
    batch_size: int
    plan: Plan
    head: Head | None = None
    augment: Augment = field(default_factory=Augment)
    people: float = 1.0
    pairs: float = 10.0
    copies: int | None = None

    def draws(self, protections: Iterable[Protection]) -> int:
        """How many copies there are of a picture in a batch behind these protections."""
        asked = [int(getattr(protection, "copies", 1)) for protection in protections]
        return self.copies or max([1, *asked])


def small(*, epochs: int = 14) -> Recipe:
    """For two cores: follow a teacher, without a head, by AdamW with one cycle of the rate, in batches of 64.

    Cost: a MobileFaceNet of half width on LFW's 10,500 pictures takes one to two minutes an epoch on two cores, half an
    hour in all; the teacher's templates are computed once before, in about three minutes with a MobileFaceNet.
    """
    return Recipe(epochs, 64, OneCycle())


def published(*, epochs: int = 24) -> Recipe:
    """The recipe of TFace's frequency family (DuetFace, DCTDP, PartialFace, MinusFace): ArcFace of scale 64 and margin
    0.5, SGD at 0.1 with momentum 0.9, x 0.1 at epochs 10, 18 and 22, weight decay 5e-4 not on batch norms, batches of
    64 in each process, mirror images. DCTDP's own margin is 0.4: ``--head "ArcFace(margin=0.4)"``.

    Cost, counted and not measured: 24 epochs of MS1M's 5.8 million pictures forward and back through an IR-50 of 6.3
    GMAC are 5.3 EFLOP, through an IR-18 of 2.6 GMAC 2.2. At 40 TFLOP/s (eight V100 at a third of their peak in 32 bits)
    that is 37 hours and 15; at the 0.1 TFLOP/s of two cores an *epoch* takes 26 days and 11. MS1M is some 30 GB. The
    head over 85,742 people is a matrix of 176 MB, whole in each process; TFace divides it among them.
    """
    return Recipe(epochs, 64, Steps(), ArcFace())


PRESETS: dict[str, Callable[..., Recipe]] = {"small": small, "published": published}


def preset(name: str, epochs: int | None = None) -> Recipe:
    """The recipe called `name`, for its own number of epochs or another. Raises `UsageError`."""
    if name not in PRESETS:
        raise UsageError(f"No preset is called {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]() if epochs is None else PRESETS[name](epochs=epochs)
