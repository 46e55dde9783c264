"""MinusFace: the residue of a picture and its regeneration, shuffled and decoded (Mi, Zhong et al., CVPR 2024)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from bauta.errors import UsageError
from bauta.generators.maps import MapUNet
from bauta.ops.dct import CHANNELS, PLANES, inverse_block_dct
from bauta.ops.noise import generators
from bauta.ops.seeds import seeded
from bauta.protections.features.frequency import DrawnProtection, FrequencyProtection
from bauta.protections.features.public import public_features
from bauta.recognizers.base import Recognizer
from bauta.recognizers.checkpoints import read_state
from bauta.spec import recipe
from bauta.types import Faces, Features


class MinusFaceResidue(FrequencyProtection):
    """MinusFace's first stage: coefficients x (B, 192, h, w) -> the residue r = x - g(x), (B, 192, h, w).

    g is a U-Net (`MapUNet`: the paper's widths times `width`) that is trained together with a server on r, end to end:
    the server by its head's loss, weighed 1, and g by that and by `auxiliary_loss`, ``alpha * |X - d(g(x))|_1``, the
    mean over pixels of how far the regenerated picture is off. So d(r) turns blank while r stays recognizable. `rate`
    is g's learning rate in units of the server's: the paper halves it (the released code means a tenth and applies
    none).

    This is no protection to be used, d(r) is known from r: it is what `MinusFace` is built from.

    `fit` measures mean and deviation of each channel on public faces, as g works on channels of equal spread (ours: the
    coefficients reach from 1,000 to below 1, which convolutions without a norm do not train on). g's first weights
    come from `training_seed`; before it has been trained g(x) is arbitrary, and `steps_` counts the training.
    """

    needs = ("public faces",)
    trains = "the server behind it, with a generator"
    mean_: Tensor
    deviation_: Tensor
    steps_: Tensor

    def __init__(self, *, width: float = 1.0, alpha: float = 5.0, rate: float = 0.5, training_seed: int = 0) -> None:
        super().__init__()
        if not (alpha > 0 and rate > 0):
            raise UsageError(f"MinusFace's alpha and rate are more than 0; got alpha={alpha}, rate={rate}.")
        self.width, self.alpha, self.rate, self.training_seed = width, alpha, rate, training_seed
        with seeded(training_seed):
            self.generator_ = MapUNet(CHANNELS, width=width)
        self.register_buffer("mean_", torch.zeros(1, CHANNELS, 1, 1))
        self.register_buffer("deviation_", torch.zeros(1, CHANNELS, 1, 1))
        self.register_buffer("steps_", torch.tensor(0))

    __repr__ = recipe

    @property
    def channels(self) -> int:
        return CHANNELS

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Measure the channels on public faces. Training the generator is the trainer's work, with the server's."""
        total, squares, count = torch.zeros(()), torch.zeros(()), 0
        for _, x in public_features(self, faces, *recognizers):
            self.check(x)
            exact = x.double()
            total, squares = total + exact.sum((0, 2, 3)), squares + exact.square().sum((0, 2, 3))
            count += x[:, 0].numel()
        mean = total / count
        deviation = (squares / count - mean.square()).clamp_min(1e-12).sqrt().view(len(PLANES), -1)
        self.mean_ = mean.float().view(1, -1, 1, 1)
        # a plane that is constant (Cb and Cr of gray pictures) may move in use: a hundredth of what Y does, at least
        self.deviation_ = deviation.maximum(deviation[0] / 100).float().view(1, -1, 1, 1)
        return self

    def regenerated(self, x: Features) -> Features:
        """x' = g(x), in the coefficients' units."""
        return torch.addcmul(self.mean_, self._made(x - self.mean_), self.deviation_)

    def _made(self, centered: Features) -> Features:
        """What the generator makes of coefficients whose mean is taken off, of equal spread."""
        if not self.deviation_.any():
            raise UsageError(
                "MinusFace's generator does not know the channels' spread: call fit(faces, recognizer) first."
            )
        made: Tensor = self.generator_(centered / self.deviation_)
        return made

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        self.check(x, faces)
        if self.training:
            self.steps_ += 1
        centered = x - self.mean_  # once, and one product: a pass over 192 maps costs as much as a convolution
        return torch.addcmul(centered, self._made(centered), self.deviation_, value=-1)

    def auxiliary_loss(self, x: Features, residue: Features, faces: Faces | None = None) -> Tensor:
        """What training adds to the head's loss, from what came in and went out of `forward`; a number.

        The pictures are those that `x` decodes to, so that image protections before it are part of them. Decoding is
        affine, so what they differ by is decoded out of the residue.
        """
        nothing = inverse_block_dct(torch.zeros_like(residue[:1]))
        return self.alpha * (inverse_block_dct(residue) - nothing).abs().mean()

    def param_groups(self) -> list[dict[str, object]]:
        """The generator's weights, at `rate` times the server's learning rate."""
        return [{"params": list(self.generator_.parameters()), "lr_scale": self.rate}]


class MinusFace(DrawnProtection):
    """Coefficients x (B, 192, h, w) -> a picture (B, 3, h, w) in [0, 1]: d(shuffle(x - g(x))).

    All 192 channels of the residue are shuffled, by a permutation drawn for each picture alone (`order_of`: the secret,
    one of 192!), and decoded (`inverse_block_dct`), which takes the 63 times as much to store away again. It is stage
    two: `residue` is a trained `MinusFaceResidue`, copied and frozen here, whose server was thrown away; the server of
    this is a new one for three channels, trained on `copies` permutations an image.

        MinusFace(stage_one, seed=3)
        MinusFace(MinusFaceResidue(width=0.25), stage_one="runs/first/protections.safetensors").fit(None)

    The second has `fit` take what stage one learned from a file: of a training's folder, or any of safetensors that
    holds a `MinusFaceResidue`'s `learned`.

    The paper's decoder is affine but for the clipping to [0, 1], which costs what lies beyond, and the offset of 128.
    The permutation is the server's to cope with: nobody tells it which was drawn. seed: with a face's digest it fixes
    the draw.

    Raises `UsageError` while the generator has not been trained.
    """

    trains = "the server behind it, after its generator"

    def __init__(
        self,
        residue: MinusFaceResidue | None = None,
        *,
        stage_one: str | None = None,
        copies: int = 3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if copies < 1:
            raise UsageError(f"MinusFace trains on at least one permutation an image; got copies={copies}.")
        self.residue = MinusFaceResidue() if residue is None else copy.deepcopy(residue)
        self.residue.requires_grad_(False).eval()
        self.stage_one, self.copies, self.seed = stage_one, copies, seed

    __repr__ = recipe

    @property
    def channels(self) -> int:
        return len(PLANES)

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Read what stage one has learned, where a file is named; there is nothing else to learn from.

        Raises `MissingWeights`, `BadCheckpoint`, `UsageError`.
        """
        if self.stage_one is not None:
            state = read_state(Path(self.stage_one))
            found = [name.removesuffix("steps_") for name in state if name.endswith("steps_")]
            if len(found) != 1:
                raise UsageError(f"{self.stage_one} holds {len(found)} trained MinusFaceResidue; give a file with one.")
            learned = {k.removeprefix(found[0]): v for k, v in state.items() if k.startswith(found[0])}
            self.residue = self.residue.restored(learned).eval().requires_grad_(False)
        return self

    def train(self, mode: bool = True) -> Self:
        """As modules do, but for the generator: it stays as it is."""
        super().train(mode)
        self.residue.eval()
        return self

    def order_of(self, faces: Faces) -> Tensor:
        """(B, 192): channel i of the shuffled residue is channel order[i] of the residue. The secret draw."""
        return self._orders(faces.digests())

    def places(self, faces: Faces) -> Tensor:
        """Of the 192 channels that the picture was decoded from."""
        return self.order_of(faces)

    def drawn(self, x: Features, digests: Sequence[str], identity: Tensor | None) -> Features:
        if not self.residue.steps_:
            raise UsageError(
                "MinusFace's generator has not been trained: train a recognizer behind MinusFaceResidue first, and "
                "give that, MinusFace(residue), or its file as stage_one=."
            )
        residue = self.residue(x)
        shuffled = torch.stack([r[o] for r, o in zip(residue, self._orders(digests).to(x.device), strict=True)])
        return inverse_block_dct(shuffled).clamp(0, 1)

    def restored(self, tensors: Mapping[str, Tensor], *recognizers: Recognizer) -> Self:
        other = super().restored(tensors, *recognizers)
        other.residue.requires_grad_(False)
        return other

    def _orders(self, digests: Sequence[str]) -> Tensor:
        draws = generators(self.seed, digests, "MinusFace")
        return torch.stack([torch.randperm(CHANNELS, generator=draw) for draw in draws])
