"""Pictures as they might have been taken: mirrored, in another light, a little turned, out of focus."""

from __future__ import annotations

from torch import nn

from bauta.spec import recipe
from bauta.types import Images

__all__ = ["Augment"]


class Augment:
    """(B, 3, H, W) in [0, 1] -> the same, by kornia; each picture is mirrored with a chance of a half.

    color: brightness and contrast times 1 ± color, saturation too, and a tenth of it in hue. turn: degrees, with
    shifts of up to 1 % a degree and a size of 1 ± 1 % a degree. blur: the chance of a Gaussian blur of 0.5 to 1.5
    pixels. All are off at 0. It draws from torch's global generator, which the loop sets for each step.
    """

    def __init__(self, *, color: float = 0.0, turn: float = 0.0, blur: float = 0.0) -> None:
        self.color, self.turn, self.blur = color, turn, blur
        self._steps: nn.Sequential | None = None

    __repr__ = recipe

    def __call__(self, images: Images) -> Images:
        if self._steps is None:
            self._steps = self._built()
        result: Images = self._steps(images).clamp(0, 1)
        return result

    def _built(self) -> nn.Sequential:
        import kornia.augmentation as kornia  # a second to import

        steps: list[nn.Module] = [kornia.RandomHorizontalFlip(p=0.5)]
        if self.turn:
            share = self.turn / 100
            steps.append(kornia.RandomAffine(self.turn, (share, share), (1 - share, 1 + share), p=1.0))
        if self.color:
            c = self.color
            steps.append(kornia.ColorJitter(c, c, c, min(0.5, c / 10), p=1.0))
        if self.blur:
            steps.append(kornia.RandomGaussianBlur((7, 7), (0.5, 1.5), p=self.blur))
        return nn.Sequential(*steps)
