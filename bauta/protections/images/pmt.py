"""PMT: pictures that only the authorized recognizer can use (Pu et al., Facial Data Minimization, IEEE TDSC 2025)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bauta.errors import ShapeError, UsageError, check_shape
from bauta.ops.filters import blur, filter_same, gaussian_kernel, linear_kernel
from bauta.ops.noise import generators, normal, uniform
from bauta.ops.quantize import through_8bit, to_8bit
from bauta.protections.base import ImageProtection
from bauta.recognizers.base import Recognizer
from bauta.recognizers.folding import folded_client
from bauta.spec import recipe
from bauta.types import Faces, Images


def noise_start(images: Images, draws: Sequence[Generator]) -> Images:
    """N(0.5, 0.25) in [0, 1]: nothing of the face."""
    return (0.5 + 0.25 * normal(images.shape[1:], draws, images)).clamp(0, 1)


def shuffle_start(images: Images, draws: Sequence[Generator]) -> Images:
    """The face's own pixels in random order."""
    orders = [torch.randperm(images[0, 0].numel(), generator=g) for g in draws]
    return torch.stack([x.flatten(1)[:, o.to(x.device)].view_as(x) for x, o in zip(images, orders, strict=True)])


def blur_start(images: Images, draws: Sequence[Generator]) -> Images:
    """The face itself, blurred (sigma 6 pixels): the paper's weakest start, kept to compare."""
    return blur(images, 6.0)


# (the obfuscated pictures, the originals): an augmentation changes both alike, or the obfuscated ones alone
Pair = tuple[Images, Images]
# for each recognizer, the layers' outputs that must agree
Maps = list[list[Tensor]]


def no_change(pair: Pair, draws: Sequence[Generator], noise: float) -> Pair:
    """Both as they are."""
    return pair


def add_noise(pair: Pair, draws: Sequence[Generator], noise: float) -> Pair:
    """White noise on the obfuscated picture alone: it must reach the clean features in spite of it."""
    ours, original = pair
    return ours + noise * normal(ours.shape[1:], draws, ours), original


def move(pair: Pair, draws: Sequence[Generator], noise: float) -> Pair:
    """The same small rotation (5 degrees), scale (5 %) and shift (3 %) of both pictures."""
    ours, original = pair
    u = 2 * uniform((4,), draws, ours) - 1
    angle, scale = u[:, 0] * torch.pi / 36, 1 + 0.05 * u[:, 1]
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    theta = torch.stack([cosine, -sine, 0.06 * u[:, 2], sine, cosine, 0.06 * u[:, 3]], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(ours.shape), align_corners=False)
    warped = [F.grid_sample(x, grid, padding_mode="border", align_corners=False) for x in (ours, original)]
    return warped[0], warped[1]


def move_and_noise(pair: Pair, draws: Sequence[Generator], noise: float) -> Pair:
    """The same motion of both, then noise on the obfuscated picture."""
    return add_noise(move(pair, draws, noise), draws, noise)


def soften(pair: Pair, draws: Sequence[Generator], noise: float) -> Pair:
    """What a service does to a file: the obfuscated picture, mixed with itself resized to 5/7 and back, plus noise."""
    ours, original = pair
    height, width = ours.shape[-2:]
    small = F.interpolate(ours, (height * 5 // 7, width * 5 // 7), mode="bilinear", antialias=True)
    share = uniform((1, 1, 1), draws, ours)
    soft = F.interpolate(small, (height, width), mode="bilinear")
    return add_noise((ours.lerp(soft, share), original), draws, noise)


def adam(gradient: Tensor, memory: Tensor, step: int) -> Tensor:
    """Kingma and Ba's direction (0.9, 0.999); `memory` (2, B, 3, H, W) holds the two moments and is updated."""
    mean = memory[0].lerp_(gradient, 0.1) / (1 - 0.9**step)
    square = memory[1].lerp_(gradient.square(), 0.001) / (1 - 0.999**step)
    return mean / (square.sqrt() + 1e-12)


def sign(gradient: Tensor, memory: Tensor, step: int) -> Tensor:
    """The sign of each entry: every pixel moves by the whole step."""
    return gradient.sign()


def normalized(gradient: Tensor, memory: Tensor, step: int) -> Tensor:
    """The gradient over its mean magnitude, picture by picture (the L1 norm of Algorithm 2)."""
    return gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-30)


STARTS = {"noise": noise_start, "shuffle": shuffle_start, "blur": blur_start}
AUGMENTATIONS = {"none": no_change, "noise": add_noise, "service": soften, "affine": move, "mix": move_and_noise}
KERNELS: dict[str, Callable[[int], Tensor] | None] = {
    "none": None,
    "linear": linear_kernel,
    "gaussian": gaussian_kernel,
}
RULES = {"adam": adam, "sign": sign, "normalized": normalized}


class PMT(ImageProtection):
    """Privacy minimization transformation: noise, optimized until the client's layers answer as for the face.

    Images (B, 3, H, W) in [0, 1] -> pictures of the same shape on 8-bit levels. `fit(None, recognizer, ...)` takes the
    authorized recognizers at their cuts; several give MR-PMT (Eq. 8), where each loss is relative to its own features'
    energy, so that none dominates. Minimized per picture (Eq. 7, by descent; the paper's ascent sign is a slip)::

        mean over recognizers and layers of  |P(E(T(x'))) - P(E(T(x)))|^2 / |P(E(T(x)))|^2

    steps: iterations K, at most.
    target_cosine: a picture stops as soon as its features at every cut reach this cosine to the original's (under the
    augmentation); None takes all the steps.
    start: "noise", "shuffle" or "blur".
    augment T: "none", "noise" (standard deviation `noise`, on x' alone), "affine" (the same motion of both), "mix" of
    these two, or "service" (softening and noise, on x' alone: what resizing and compression do; not in the paper).
    aggregate: match every client layer (Algorithm 2), not the last one alone. pool: P is average pooling of this size.
    kernel, length: smoothing of the gradient, "none", "linear" or "gaussian", with radius `length`.
    rule: "adam", "sign" or "normalized" (gradient over its mean magnitude), with `step_size` in units of [0, 1],
    falling to a tenth along a cosine.
    seed: with a picture's digest it fixes all its draws. batch_size: pictures optimized together.

    The privacy lies in the cut: at a shallow one the picture still shows the face, at a deep one whoever holds the
    client's layers still reads the identity. `bauta study run pmt-abuse` measures both.
    """

    needs = ("client layers",)

    def __init__(
        self,
        *,
        steps: int = 80,
        start: str = "noise",
        augment: str = "service",
        noise: float = 0.1,
        aggregate: bool = False,
        pool: int = 1,
        kernel: str = "gaussian",
        length: int = 1,
        rule: str = "adam",
        step_size: float = 0.1,
        target_cosine: float | None = 0.93,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        super().__init__()
        for option, value, known in (
            ("start", start, STARTS),
            ("augment", augment, AUGMENTATIONS),
            ("kernel", kernel, KERNELS),
            ("rule", rule, RULES),
        ):
            if value not in known:
                raise UsageError(f"PMT's {option} must be one of {', '.join(known)}; got {value!r}.")
        for option, number in (("steps", steps), ("pool", pool), ("length", length), ("batch_size", batch_size)):
            if number < 1:
                raise UsageError(f"PMT's {option} must be at least 1; got {number}.")
        self.steps, self.start, self.augment, self.noise = steps, start, augment, noise
        self.aggregate, self.pool, self.kernel, self.length = aggregate, pool, kernel, length
        self.rule, self.step_size, self.target_cosine = rule, step_size, target_cosine
        self.seed, self.batch_size = seed, batch_size
        self.clients_ = nn.ModuleList()

    __repr__ = recipe

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Take the client's layers of the authorized recognizers; `faces` is not used."""
        if not recognizers:
            raise UsageError("PMT needs at least one authorized recognizer: fit(None, recognizer).")
        self.clients_ = nn.ModuleList(folded_client(r) for r in recognizers)
        return self

    def forward(self, x: Images, faces: Faces | None = None) -> Images:
        check_shape(x, "B 3 H W", "images")
        if x.numel() and not ((x >= -1e-4) & (x <= 1 + 1e-4)).all():
            raise ShapeError(f"images must lie in [0, 1], got {x.min():g} to {x.max():g}; divide 8-bit values by 255.")
        if not self.clients_:
            raise UsageError("PMT does not know who is authorized: call fit(None, recognizer) first.")
        digests = [str(row) for row in range(len(x))] if faces is None else faces.digests()
        starts = range(0, len(x), self.batch_size)
        with torch.enable_grad():  # of the pictures; a caller that needs no gradient may have switched it off
            parts = [self._obfuscate(x[i : i + self.batch_size], digests[i : i + self.batch_size]) for i in starts]
        return torch.cat(parts) if parts else x

    def _obfuscate(self, original: Images, digests: Sequence[str]) -> Images:
        original = original.detach().contiguous(memory_format=torch.channels_last)
        result = STARTS[self.start](original, generators(self.seed, digests, "start"))
        draws = generators(self.seed, digests, "augment")
        make = KERNELS[self.kernel]
        smooth = None if make is None else make(self.length)
        still = self.augment not in ("affine", "mix")  # the original does not move: its features are needed only once
        with torch.no_grad():
            goals = self._features(original)
        picture, memory = result, torch.zeros(2, *result.shape).to(result)
        rows = torch.arange(len(original), device=original.device)  # where in the batch each active picture stands

        for step in range(1, self.steps + 1):
            picture = picture.detach().requires_grad_(True)
            ours, theirs = AUGMENTATIONS[self.augment]((through_8bit(picture), original), draws, self.noise)
            if not still:
                with torch.no_grad():
                    goals = self._features(theirs)
            found = self._features(ours)
            (gradient,) = torch.autograd.grad(distance(found, goals).sum(), picture)
            with torch.no_grad():
                if self.target_cosine is not None:
                    close = cosine(found, goals) >= self.target_cosine
                    if close.any():
                        result[rows[close]] = picture[close]
                        rows, picture, original, gradient = (t[~close] for t in (rows, picture, original, gradient))
                        memory = memory[:, ~close]
                        goals = [[g[~close] for g in maps] for maps in goals]
                        draws = [d for d, gone in zip(draws, close.tolist(), strict=True) if not gone]
                        if not len(rows):
                            break
                if smooth is not None:
                    gradient = filter_same(gradient, smooth)
                rate = self.step_size * (0.55 + 0.45 * math.cos(math.pi * (step - 1) / self.steps))
                picture = (picture - rate * RULES[self.rule](gradient, memory, step)).clamp_(0, 1)
        result[rows] = picture.detach()
        return to_8bit(result.contiguous())

    def _features(self, images: Images) -> Maps:
        return [self._maps(client, images) for client in self.clients_]

    def _maps(self, client: nn.Module, x: Tensor) -> list[Tensor]:
        maps = []
        for layer in client.children():
            x = layer(x)
            maps.append(x)
        chosen = maps if self.aggregate else maps[-1:]
        return [F.avg_pool2d(m, self.pool, ceil_mode=True) if self.pool > 1 else m for m in chosen]


def distance(found: Maps, goals: Maps) -> Tensor:
    """(B,) squared distance relative to the goal's own energy: the mean of each recognizer's mean over its layers."""
    return torch.stack([_relative(f, g) for f, g in zip(found, goals, strict=True)]).mean(0)


def _relative(found: list[Tensor], goals: list[Tensor]) -> Tensor:
    parts = [
        (f - g).square().flatten(1).sum(1) / g.square().flatten(1).sum(1) for f, g in zip(found, goals, strict=True)
    ]
    return torch.stack(parts).mean(0)


def cosine(found: Maps, goals: Maps) -> Tensor:
    """(B,) cosine of the features at the cut, the smallest over recognizers."""
    return torch.stack(
        [F.cosine_similarity(f[-1].flatten(1), g[-1].flatten(1)) for f, g in zip(found, goals, strict=True)]
    ).amin(0)
