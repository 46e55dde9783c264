"""A decoder of faces, small enough for a CPU, as a prior: `bauta train generator` makes its file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import safe_open
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bauta import zoo
from bauta.errors import BadFile, MissingData, UsageError
from bauta.generators.prior import FacePrior
from bauta.spec import recipe
from bauta.types import Images

__all__ = ["AutoencoderPrior", "LatentDecoder", "written"]

GRID, SHUFFLED = 7, 12  # the first grid; channels at the picture's own size
EMBEDDED = "bauta-faces"
SETTINGS = "bauta.latent_decoder"


class Modulated(nn.Module):
    """Twice the grid, a 3 x 3 convolution, batch norm, and a scale and a shift of each channel by the latent (Perez et
    al., FiLM, AAAI 2018)."""

    def __init__(self, inputs: int, outputs: int, latent: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs, affine=False)
        self.style = nn.Linear(latent, 2 * outputs)
        nn.init.zeros_(self.style.bias)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        x = self.bn(self.conv(F.interpolate(x, scale_factor=2.0)))
        scale, shift = self.style(latent)[:, :, None, None].chunk(2, 1)
        return F.leaky_relu(x * (1 + scale) + shift, 0.2)


class LatentDecoder(nn.Module):
    """Latents (n, latent) -> pictures (n, 3, 112, 112) in [0, 1]: from a grid of 7 x 7 to 56 x 56 by convolutions, and
    the last doubling by a shuffle of channels (Shi et al., CVPR 2016).

    widths: channels on the grids of 7, 14, 28 and 56.
    """

    def __init__(self, *, latent: int = 256, widths: Sequence[int] = (160, 160, 96, 48)) -> None:
        super().__init__()
        if latent < 1 or len(widths) != 4:
            raise UsageError(f"A decoder takes a latent of at least 1 and four widths, got {latent} and {widths}.")
        self.latent, self.widths = latent, tuple(widths)
        first, *rest = self.widths
        self.enter = nn.Linear(latent, first * GRID * GRID)
        steps = zip(self.widths, rest, strict=False)
        self.blocks = nn.ModuleList(Modulated(inputs, outputs, latent) for inputs, outputs in steps)
        self.wide = nn.Conv2d(self.widths[-1], 4 * SHUFFLED, 3, 1, 1)
        self.last = nn.Conv2d(SHUFFLED, 3, 3, 1, 1)

    def forward(self, latents: Tensor) -> Images:
        x = self.enter(latents).view(-1, self.widths[0], GRID, GRID)
        x = F.leaky_relu(x, 0.2).contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, latents)
        x = F.leaky_relu(F.pixel_shuffle(self.wide(x), 2), 0.2)
        pictures: Images = self.last(x).sigmoid()
        return pictures


class AutoencoderPrior(FacePrior):
    """Latents of faces that an autoencoder found, as a normal distribution, and its decoder.

    Z is whitened: row z stands for the latent mean_ + z @ factor_, whose rows are the principal axes of the latents of
    the faces that were encoded, each as long as they deviate along it, the longest first; W is the latent itself.
    The distribution is that of the *color* faces of the training, where it had both. moves_ are principal axes too, of
    how the latents of several pictures of one person lie around each other; none where the training knew nobody twice.

    weights: the file that `bauta train generator` wrote (weights.safetensors, or its folder), or "bauta-faces", the one
    that comes with bauta. Raises `MissingData`, `BadFile`.
    """

    spaces: ClassVar[tuple[str, ...]] = ("z", "w")
    mean_: Tensor
    factor_: Tensor
    moves_: Tensor

    def __init__(self, weights: str | Path = EMBEDDED, *, space: str = "z") -> None:
        super().__init__()
        if space not in self.spaces:
            raise UsageError(f"AutoencoderPrior works in {', '.join(self.spaces)}; got {space!r}.")
        self.weights, self.space = str(weights), space
        path = Path(weights) / "weights.safetensors" if Path(weights).is_dir() else Path(weights)
        if str(weights) == EMBEDDED:
            path = zoo.locate(zoo.tool(EMBEDDED).files[0])
        if not path.is_file():
            raise MissingData(f"There is no generator at {path}; train one with `bauta train generator`.")
        try:
            with safe_open(path, "pt") as file:
                settings = json.loads((file.metadata() or {})[SETTINGS])
                tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no dict
            with torch.device("meta"):  # what the settings say takes no memory; the weights are those of the file
                widths = [int(width) for width in settings["widths"]]
                self.decoder = LatentDecoder(latent=int(settings["latent"]), widths=widths)
            for name in ("mean_", "factor_", "moves_"):
                self.register_buffer(name, tensors.pop(name))
            self.decoder.load_state_dict(tensors, assign=True)
            shapes = [tuple(t.shape) for t in (self.mean_, self.factor_[0], *self.moves_[:1])]
            if set(shapes) != {(self.decoder.latent,)}:
                raise ValueError(f"a mean and axes of {shapes}")
        except Exception as error:  # a file that is damaged can raise anything
            first = str(error).partition("\n")[0] or type(error).__name__
            raise BadFile(f"{path} is no generator of `bauta train generator` ({first}); copy it again.") from error
        self.eval().requires_grad_(False)

    __repr__ = recipe

    @property
    def z_shape(self) -> tuple[int, ...]:
        return (len(self.factor_),)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.z_shape if self.space == "z" else tuple(self.mean_.shape)

    def working(self, z: Tensor) -> Tensor:
        return z if self.space == "z" else self.mapped(z)

    def mapped(self, z: Tensor) -> Tensor:
        """Rows of Z as latents."""
        return self.mean_ + z @ self.factor_

    def moved(self, latents: Tensor, draw: Generator, amount: float = 1.0) -> Tensor:
        """Latents of W (n, latent) -> those of other pictures of the same people: in another pose, light and mood.

        amount: 1 is as far as pictures of one person lie from their mean in the training's photos.
        """
        steps = torch.randn(len(latents), len(self.moves_), generator=draw).to(latents)
        return latents + amount * steps @ self.moves_

    def synthesize(self, latents: Tensor) -> Images:
        pictures: Images = self.decoder(self.mapped(latents) if self.space == "z" else latents)
        return pictures


def written(decoder: LatentDecoder, latents: Tensor, around: Tensor, *, half: bool = True) -> bytes:
    """The file of a prior: a decoder, the distribution of latents (N, latent), and how they lie `around` the mean of a
    person's pictures (M, latent), each as long as if the mean were known. half: in 16 bits."""
    from safetensors.torch import save

    mean = latents.double().mean(0)
    factor = axes(latents.double() - mean, len(latents) - 1)
    tensors = {**decoder.state_dict(), "mean_": mean, "factor_": factor, "moves_": axes(around.double(), len(around))}
    kept = {k: v for k, v in tensors.items() if not k.endswith("num_batches_tracked")}
    kind = torch.float16 if half else torch.float32
    settings = json.dumps({"latent": decoder.latent, "widths": decoder.widths})
    return save({k: v.detach().cpu().to(kind).contiguous() for k, v in kept.items()}, {SETTINGS: settings})


def axes(deviations: Tensor, freedom: int) -> Tensor:
    """Principal axes of deviations (N, D), the longest first, each as long as these deviate along it."""
    _, spread, across = torch.linalg.svd(deviations, full_matrices=False)
    found: Tensor = across * spread[:, None] / max(1, freedom) ** 0.5
    return found
