"""AdvFace: adversarial noise on stored features, against networks that turn features back into faces."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import torch
from torch import Generator, Tensor, nn

from bauta.errors import ShapeError, UsageError, check_shape
from bauta.generators import DECODERS, Decoder
from bauta.generators.training import LOSSES, compact, train
from bauta.ops.noise import generators, row_digests, uniform
from bauta.ops.seeds import seeded
from bauta.ops.similarity import structural_similarity
from bauta.protections.base import FeatureProtection
from bauta.recognizers.base import Recognizer
from bauta.spec import recipe
from bauta.types import Faces, Features, Images

PRECISIONS = ("float32", "bfloat16")
PUBLIC = 64  # public faces at a time through the client


class AdvFace(FeatureProtection):
    """Features (B, C, h, w) plus the noise that spoils most what a shadow model makes of them.

    Wang et al., "Privacy-preserving Adversarial Facial Features", CVPR 2023: a provider's database stores adversarial
    features, and the recognition network stays as it is. Only the stored side is adversarial, the live probe is clean:
    ``System(probe=Pipeline(r), gallery=Pipeline(r, AdvFace().fit(public, r)))``.

    Established: the shadow model simulates the attacker, features to pictures; it makes a shadow image x_s of the
    stored feature z, x_s passes the client's layers to a shadow feature z_s, and the noise, found from the loss between
    x_s and the picture of z_s plus noise, is added. Silent: on the shadow model, its loss, the noise's bound, steps and
    start. Ours:

    * Noise is sought at z itself, for which a provider needs features and nothing else. Sought at z_s, as the paper's
      figure has it, it came to the same in a trial (48 LFW faces, one network, no intervals).
    * Structural dissimilarity, 1 - SSIM, is maximized. In that trial mean absolute error gave the same SSIM by patches
      of light and dark: with the local contrast evened out, no training at all, the face was back behind them.
    * Signed steps with momentum on gradients of mean 1 (Dong et al., CVPR 2018), 2.5 epsilon / steps long, from a
      start drawn uniformly inside: at z the loss begins at its minimum, where there is no gradient. A clean-trained
      RecFace's SSIM after 1, 5 and 20 steps: 0.585 [0.579, 0.591], 0.483 [0.478, 0.489], 0.456 [0.450, 0.462].
    * epsilon: a bound in units of each channel's standard deviation over the public features, so that it carries from
      cut to cut; of each value ("linf"), or of the root of the mean square over a face ("l2"), which goes further and
      costs more (SSIM 0.327 [0.320, 0.334] for 0.483; 0.92 [0.02, 1.94] points of accuracy for 0.33 [-0.47, 1.05]).
    * precision: of the passes through the shadow models while the noise is sought, "float32" or "bfloat16", which is
      about twice as quick on processors that multiply in it. Loss, noise and what is stored stay float32.
    * shadow: "plain" (`PlainDecoder`) or "unet" (`UNet`, as RecFace). Noise made against one spoils the other as well,
      trained on other pictures (SSIM 0.483 and 0.495 [0.488, 0.504]), and the plain one is several times quicker.
      width, shadow_steps: of the network, its training.

    It holds against those who do not know of it, and no further: a RecFace that was trained on 600 protected features
    of other people, made with the very shadow model, reaches SSIM 0.902 [0.898, 0.906], under Gaussian noise of that
    norm 0.910 [0.906, 0.913]. These numbers are of `bauta study run advface` at 28 x 24: docs/features.md.

    Draws follow the seed and a face's digest, or the features themselves where no faces are given. A rekeyed copy draws
    anew against the same shadow model: who knows the scheme is granted the model, as no secret of the method's.
    """

    needs = ("client layers", "public faces")
    trains = "a shadow model"
    spread_: Tensor | None
    shape_: Tensor | None

    def __init__(
        self,
        epsilon: float = 0.3,
        *,
        bound: str = "linf",
        steps: int = 5,
        momentum: float = 1.0,
        shadow: str = "plain",
        width: float = 0.5,
        shadow_steps: int = 600,
        precision: str = "float32",
        batch_size: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not epsilon > 0:
            raise UsageError(f"{name}'s epsilon is a share of each channel's spread, more than 0; got {epsilon}.")
        if not 0 <= momentum <= 1:
            raise UsageError(f"{name}'s momentum lies in 0..1; got {momentum}.")
        known = (("bound", bound, BOUNDS), ("shadow", shadow, DECODERS), ("precision", precision, PRECISIONS))
        for option, word, words in known:
            if word not in words:
                raise UsageError(f"{name}'s {option} must be one of {', '.join(words)}; got {word!r}.")
        for option, number in (("steps", steps), ("shadow_steps", shadow_steps), ("batch_size", batch_size)):
            if number < 1:
                raise UsageError(f"{name}'s {option} must be at least 1; got {number}.")
        self.epsilon, self.bound, self.steps, self.momentum = epsilon, bound, steps, momentum
        self.shadow, self.width, self.shadow_steps = shadow, width, shadow_steps
        self.precision, self.batch_size, self.seed = precision, batch_size, seed
        self.shadows_ = nn.ModuleList()
        self.register_buffer("spread_", None)
        self.register_buffer("shape_", None)

    __repr__ = recipe

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Train the shadow model on what the client's layers of the one recognizer make of public faces.

        Raises `UsageError` without public faces.
        """
        if len(recognizers) != 1:
            raise UsageError(f"{type(self).__name__} protects the features of one recognizer; got {len(recognizers)}.")
        if faces is None or len(faces) < 2:
            raise UsageError(
                f"{self!r} trains its shadow model on public faces; give at least two, none of them stored."
            )
        with torch.no_grad():
            features = compact(torch.cat([recognizers[0].features(part.images) for part in faces.batches(PUBLIC)]))
        self.learn(features, faces.images)
        return self

    def learn(self, features: Features, images: Images) -> None:
        """From public features and their pictures: the channels' spread, and the shadow model."""
        self.spread_ = spread(features)
        self.shape_ = torch.tensor([*features.shape[1:], *images.shape[-2:]])
        self.shadows_ = nn.ModuleList([self.trained(self.shadow, features, images, self.seed)])

    def trained(self, shadow: str, features: Features, images: Images, seed: int) -> Decoder:
        """A shadow model, trained as `RecFace` trains its network."""
        with seeded(seed):
            network = DECODERS[shadow](features.shape[1:], _size(images), width=self.width)
        return train(
            network.adapt(features[:500]).to(features.device),
            features,
            images,
            steps=self.shadow_steps,
            rate=3e-3,
            loss=LOSSES["l1+ssim"],
            generator=Generator().manual_seed(seed),
        )

    def architectures(self) -> Sequence[str]:
        """The shadow models' architectures, in the order in which they are trained."""
        return (self.shadow,)

    def restored(self, tensors: Mapping[str, Tensor], *recognizers: Recognizer) -> Self:
        """A copy with the shadow models that `learned` gave; the recognizer is not needed."""
        shape = tensors.get("shape_", torch.empty(0)).tolist()
        if len(shape) != 5 or min(shape) < 1:
            raise UsageError(
                f"{self!r} learns the shape (C, h, w, H, W) of features and pictures, got {shape or 'none'}."
            )
        other = copy.deepcopy(self)
        channels, *_, height, width = shape
        with torch.device("meta"):  # nothing is allocated that the tensors do not fill
            other.spread_, other.shape_ = torch.empty(1, channels, 1, 1), torch.empty(5, dtype=torch.long)
            other.shadows_ = nn.ModuleList(
                DECODERS[name](shape[:3], (height, width), width=self.width) for name in self.architectures()
            )
        other.eval().requires_grad_(False)
        return super(AdvFace, other).restored(tensors)

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        check_shape(x, "B C h w", "features")
        if self.spread_ is None or self.shape_ is None:
            raise UsageError(f"{type(self).__name__} has no shadow model yet: call fit(faces, recognizer) first.")
        if x.shape[1:] != tuple(self.shape_[:3].tolist()):
            raise ShapeError(
                f"{type(self).__name__} was fitted at a cut with features {tuple(self.shape_[:3].tolist())}, got "
                f"{tuple(x.shape[1:])}; fit it for the recognizer as it is cut here."
            )
        if not len(x):
            return x
        digests = row_digests(x) if faces is None else faces.digests()
        draws = generators(self.seed, digests, "adversarial features")
        parts = [
            self.noise(rows, draws[start * self.batch_size :][: len(rows)])
            for start, rows in enumerate(torch.split(x.detach(), self.batch_size))
        ]
        return x + torch.cat(parts).to(x)

    def noise(self, features: Features, draws: Sequence[Generator]) -> Tensor:
        """The noise for one batch; each row's depends on that row and its draw alone."""
        assert self.spread_ is not None
        limit, direction = BOUNDS[self.bound]
        features = features.float()
        with torch.no_grad():
            shadow_images = self.shadows_[0](features).clamp(0, 1)
        noise = limit((2 * uniform(features.shape[1:], draws, features) - 1) * self.epsilon, self.epsilon)
        weights = self.weights(draws).to(features)
        memory = torch.zeros_like(noise)
        for _ in range(self.steps):
            noise.requires_grad_(True)
            with torch.enable_grad():  # a caller that needs no gradient may have switched it off
                spoiled = self.spoiled(features + noise * self.spread_, shadow_images, weights)
                (gradient,) = torch.autograd.grad(spoiled.sum(), noise)
            memory = self.momentum * memory + gradient / gradient.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
            step = 2.5 * self.epsilon / self.steps
            noise = limit(noise.detach() + step * direction(memory), self.epsilon)
        return noise * self.spread_

    def weights(self, draws: Sequence[Generator]) -> Tensor:
        """(B, shadow models): how much each row's noise is to spoil each shadow model's picture."""
        return torch.ones(len(draws), len(self.shadows_))

    def spoiled(self, features: Features, shadow_images: Images, weights: Tensor) -> Tensor:
        """(B,) how unlike the shadow models' pictures are to the shadow images: what is maximized.

        They are not clipped: what is beyond black or white would have no gradient.
        """
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            pictures = [network(features) for network in self.shadows_]
        far = [1 - structural_similarity(picture, shadow_images) for picture in pictures]
        return (weights * torch.stack(far, 1)).sum(1)


def spread(features: Features) -> Tensor:
    """(1, C, 1, 1) standard deviation of each channel over rows and places."""
    maps = features.float().transpose(0, 1).flatten(1)
    return maps.std(1, correction=0).view(1, -1, 1, 1)


def _size(images: Images) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]


def rms(x: Tensor) -> Tensor:
    """(B, 1, 1, 1) root of the mean square of each row."""
    return x.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)


def clipped(noise: Tensor, epsilon: float) -> Tensor:
    """No value beyond epsilon."""
    return noise.clamp(-epsilon, epsilon)


def shrunk(noise: Tensor, epsilon: float) -> Tensor:
    """No row whose root mean square is beyond epsilon: an L2 ball that compares with the L-inf one."""
    return noise * (epsilon / rms(noise)).clamp_max(1)


# Name -> what keeps noise (in units of the spread) inside, and the direction of the steepest ascent there.
BOUNDS: dict[str, tuple[Callable[[Tensor, float], Tensor], Callable[[Tensor], Tensor]]] = {
    "linf": (clipped, torch.sign),
    "l2": (shrunk, lambda gradient: gradient / rms(gradient)),
}
