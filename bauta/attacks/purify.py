"""A low-pass filter looks too: simple cleaning in front of any attack on pictures."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Self

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta.attacks.base import Attack, Knowledge, Knows, Relayed, Victim, Wrapper
from bauta.errors import UsageError
from bauta.faces.images import through_jpeg
from bauta.ops.filters import blur, median
from bauta.types import Faces, Images, Stage


def stretch(images: Images) -> Images:
    """Each channel of each picture to the full range [0, 1], one percent cut at each end."""
    rows = images.flatten(2)
    low, high = ends(rows, 0.01)
    return ((images - low[..., None, None]) / (high - low).clamp_min(1e-6)[..., None, None]).clamp(0, 1)


def ends(rows: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """The quantiles `share` and 1 - `share` (below a half) of the last dimension, interpolated as torch.quantile does.

    Only the ends are sorted, which is twenty times quicker than sorting all.
    """
    place = share * (rows.shape[-1] - 1)
    rank = int(place)
    low = rows.topk(rank + 2, largest=False).values[..., rank:]
    high = rows.topk(rank + 2).values[..., rank:]
    return low[..., 0].lerp(low[..., 1], place - rank), high[..., 0].lerp(high[..., 1], place - rank)


def gray(images: Images) -> Images:
    """The channels' average, in all three: independent noise in the channels falls by the square root of three."""
    return images.mean(1, keepdim=True).expand_as(images)


def downsample(images: Images, size: int) -> Images:
    """To `size` pixels (area-averaged) and back (bicubic)."""
    small = F.interpolate(images, (size, size), mode="area")
    return F.interpolate(small, images.shape[-2:], mode="bicubic").clamp(0, 1)


def non_local_means(images: Images) -> Images:
    """OpenCV's non-local means (strength 20 of 255) on the channels' average, stretched."""
    levels = (gray(images)[:, 0] * 255).round().byte().cpu().numpy()
    cleaned = [torch.from_numpy(cv2.fastNlMeansDenoising(x, None, 20)) for x in levels]
    return stretch((torch.stack(cleaned).to(images) / 255)[:, None].expand_as(images))


FILTERS: dict[str, Callable[[Images], Images]] = {
    "blur 1": lambda x: blur(x, 1.0),
    "blur 2": lambda x: blur(x, 2.0),
    "blur 1 + stretch": lambda x: stretch(blur(x, 1.0)),
    "blur 1.5 + stretch": lambda x: stretch(blur(x, 1.5)),
    "blur 2.5 + stretch": lambda x: stretch(blur(x, 2.5)),
    "gray + blur 1 + stretch": lambda x: stretch(blur(gray(x), 1.0)),
    "gray + blur 2 + stretch": lambda x: stretch(blur(gray(x), 2.0)),
    "gray + stretch": lambda x: stretch(gray(x)),
    "median 5 + stretch": lambda x: stretch(median(x, 5)),
    "downsample 56 + stretch": lambda x: stretch(downsample(x, 56)),
    "downsample 28 + stretch": lambda x: stretch(downsample(x, 28)),
    "JPEG 30 + gray + stretch": lambda x: stretch(gray(through_jpeg(x, 30))),
    "non-local means + stretch": non_local_means,
}


class Purify(Wrapper):
    """`filter` (a key of `FILTERS`) on the protected picture, then `attack`; clean reference pictures are left alone.

    The best of several filters counts, so a study runs them all and reports the worst case for the victim. An attacker
    who knows the scheme prepares on pictures cleaned alike.
    """

    default_knowledge = Knowledge(sees=Stage.IMAGES)

    def __init__(self, attack: Attack, filter: str) -> None:
        if filter not in FILTERS:
            raise UsageError(f"Purify knows the filters {', '.join(FILTERS)}; got {filter!r}.")
        if attack.knowledge.sees is not Stage.IMAGES:
            raise UsageError(f"Purify cleans pictures, but {attack!r} sees {attack.knowledge.sees.value}.")
        self.attack, self.filter = attack, filter

    @property
    def knowledge(self) -> Knowledge:
        """The wrapped attack's."""
        return self.attack.knowledge

    def __repr__(self) -> str:
        return f"Purify({self.attack!r}, {self.filter!r})"

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        fitted = copy.copy(self)
        aware = victim.knowledge.knows is not Knows.NOTHING
        fitted.attack = self.attack.fit(public, Relayed(victim, self._cleaned) if aware else victim)
        return fitted

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        return self.attack(self._cleaned(leak), victim)

    def _cleaned(self, images: Images) -> Images:
        return torch.cat([FILTERS[self.filter](batch) for batch in torch.split(images, 64)])
