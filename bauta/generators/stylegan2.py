"""StyleGAN2's generator in plain torch, as a face prior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import BadCheckpoint, UsageError
from bauta.generators.prior import FacePrior, stretched
from bauta.generators.stylegan2_files import MOST, read_stylegan2
from bauta.recognizers.checkpoints import fitting, load_state
from bauta.spec import recipe
from bauta.types import Images

FILTER = (1.0, 3.0, 3.0, 1.0)  # of all up-sampling
EPS = 1e-8
DEEPEST = 64  # layers of the mapping network


class StyleGAN2(FacePrior):
    """Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020; weights trained elsewhere.

    Latents of `style` numbers pass a mapping network to w; each layer is modulated by its own w in W+, 2 log2(size) - 2
    of them. The noise pictures are those of the checkpoint, so that one latent is one picture. Pictures as MAP2V has
    them: of 256 x 256 the 192 x 192 around a point 10 pixels below the middle (FFHQ's faces; in proportion at other
    sizes), scaled from darkest to brightest each by itself (the authors' code takes both over the whole batch), then
    resized.

    checkpoint: a PyTorch file with `g_ema` in rosinality's layout, or safetensors in that or in NVIDIA's; its own
    measures tell size, style, mapping layers and channels. space: "z", "w" or "w+". crop, below: side and offset of the
    cut, in pixels of 256. side: of the pictures. Raises `MissingWeights`, `BadCheckpoint`.
    """

    spaces: ClassVar[tuple[str, ...]] = ("z", "w", "w+")

    def __init__(
        self, checkpoint: str | Path, *, space: str = "w+", crop: int = 192, below: int = 10, side: int = 112
    ) -> None:
        super().__init__()
        if space not in self.spaces:
            raise UsageError(f"StyleGAN2 works in {', '.join(self.spaces)}; got {space!r}.")
        if not 0 < crop <= 256 or abs(below) > (256 - crop) // 2:
            raise UsageError(
                f"A cut of {crop} of 256 pixels, {below} below the middle, is not inside; make it smaller."
            )
        self.checkpoint, self.space, self.crop, self.below, self.side = str(checkpoint), space, crop, below, side
        state = read_stylegan2(Path(checkpoint))
        with torch.device("meta"):  # nothing is allocated that the checkpoint does not fill
            network = Synthesis.like(state, str(checkpoint))
        fitting(network, state, str(checkpoint))
        self.network = network.to_empty(device="cpu")
        load_state(self.network, state, str(checkpoint))
        self.eval().requires_grad_(False)

    __repr__ = recipe

    @property
    def z_shape(self) -> tuple[int, ...]:
        return (self.network.width,)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.network.layers, self.network.width) if self.space == "w+" else (self.network.width,)

    def working(self, z: Tensor) -> Tensor:
        if self.space == "z":
            return z
        w: Tensor = self.network.style(z)
        return w if self.space == "w" else w[:, None].repeat(1, self.network.layers, 1)

    def synthesize(self, latents: Tensor) -> Images:
        w = self.network.style(latents) if self.space == "z" else latents
        whole = self.network(w if self.space == "w+" else w[:, None].expand(-1, self.network.layers, -1))
        return F.interpolate(
            stretched(self.cut(whole)), (self.side, self.side), mode="bilinear", align_corners=False, antialias=True
        )

    def cut(self, whole: Images) -> Images:
        """The part of the generator's picture that recognizers are given."""
        scale = whole.shape[-1] / 256
        half, down = round(self.crop * scale) // 2, round(self.below * scale)
        middle = whole.shape[-1] // 2
        return whole[..., middle + down - half : middle + down + half, middle - half : middle + half]


class Synthesis(nn.Module):
    """Mapping and synthesis under rosinality's names: W+ (B, layers, width) -> (B, 3, size, size) in about [-1, 1].

    size: a power of two. width: of latents. depth: layers of the mapping. channels: at 4, 8, ... size. gain: of the
    mapping's learning rate, which is part of its weights' meaning.
    """

    def __init__(
        self, size: int, channels: Sequence[int], *, width: int = 512, depth: int = 8, gain: float = 0.01
    ) -> None:
        super().__init__()
        self.size, self.width, self.layers = size, width, 2 * len(channels)
        self.style = nn.Sequential(
            PixelNorm(), *(Linear(width, width, gain=gain, activated=True) for _ in range(depth))
        )
        self.input = Constant(channels[0])
        self.conv1 = Styled(channels[0], channels[0], width)
        self.to_rgb1 = ToRGB(channels[0], width, doubled=False)
        pairs = list(pairwise(channels))
        self.convs = nn.ModuleList(
            each for a, b in pairs for each in (Styled(a, b, width, doubled=True), Styled(b, b, width))
        )
        self.to_rgbs = nn.ModuleList(ToRGB(b, width) for _, b in pairs)
        self.noises = nn.Module()
        for k in range(2 * len(pairs) + 1):
            side = 4 * 2 ** ((k + 1) // 2)
            self.noises.register_buffer(f"noise_{k}", torch.zeros(1, 1, side, side))

    @classmethod
    def like(cls, state: dict[str, Tensor], origin: str) -> Synthesis:
        """Of the measures of a checkpoint in rosinality's layout. Raises `BadCheckpoint`, under the name `origin`."""
        ups = sum(key.startswith("to_rgbs.") and key.endswith(".bias") and key.count(".") == 2 for key in state)
        depth = sum(key.startswith("style.") and key.endswith(".weight") for key in state)
        try:
            channels = [state["conv1.conv.weight"].shape[1]]
            channels += [state[f"convs.{2 * k}.conv.weight"].shape[1] for k in range(ups)]
            width = state["style.1.weight"].shape[1]
        except (KeyError, IndexError) as error:
            raise BadCheckpoint(
                f"{origin} lacks layers of its StyleGAN2 generator ({error}); fetch it again."
            ) from error
        if 2 * ups >= MOST or depth > DEEPEST or not all((*channels, width)):
            raise BadCheckpoint(
                f"{origin} has {ups} doublings, {depth} mapping layers and channels {channels}, which no StyleGAN2 has."
            )
        return cls(4 * 2**ups, channels, width=width, depth=depth)

    def forward(self, w: Tensor) -> Tensor:
        noises = list(self.noises.buffers())
        x = self.conv1(self.input.input.expand(len(w), -1, -1, -1), w[:, 0], noises[0])
        picture: Tensor = self.to_rgb1(x, w[:, 1])
        for k, to_rgb in enumerate(self.to_rgbs):
            for at in (2 * k, 2 * k + 1):
                x = self.convs[at](x, w[:, at + 1], noises[at + 1])
            picture = to_rgb(x, w[:, 2 * k + 3], picture)
        return picture


class PixelNorm(nn.Module):
    """Rows of mean square 1."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(1, keepdim=True) + EPS).rsqrt()


class Linear(nn.Module):
    """Weights of unit variance, scaled when used. gain: of the learning rate; activated: leaky ReLU times √2."""

    def __init__(
        self, inputs: int, outputs: int, *, gain: float = 1.0, bias: float = 0.0, activated: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / gain)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.gain, self.activated = gain, activated

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.weight * (self.gain / math.sqrt(self.weight.shape[1])), self.bias * self.gain)
        return math.sqrt(2) * F.leaky_relu(y, 0.2) if self.activated else y


class Constant(nn.Module):
    """What synthesis starts from, 4 x 4."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))


class Modulated(nn.Module):
    """Convolution whose inputs are scaled by the style, and its outputs, where demodulated, back to unit variance.

    doubled: the map becomes twice as high and wide, by a transposed convolution and the filter.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, width: int, *, demodulated: bool = True, doubled: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel))
        self.modulation = Linear(width, inputs, bias=1.0)
        self.demodulated, self.doubled = demodulated, doubled
        if doubled:
            self.blur = Filter()

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.modulation(w)
        weight = self.weight[0] / math.sqrt(self.weight[0, 0].numel())
        # the style is the same for a whole input channel, so that one convolution with plain weights serves all rows
        x = x * style[:, :, None, None]
        y: Tensor
        if self.doubled:
            y = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), (1, 1))
        else:
            y = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if not self.demodulated:
            return y
        variance: Tensor = style.square() @ weight.square().sum((2, 3)).T
        return y * (variance + EPS).rsqrt()[:, :, None, None]


class Filter(nn.Module):
    """The FIR filter of up-sampling, with the gain 4 that makes up for the zeros between."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor(FILTER)
        self.register_buffer("kernel", 4 * line[:, None] * line / line.sum() ** 2)

    def forward(self, x: Tensor, pad: tuple[int, int]) -> Tensor:
        """Convolve each channel, padded by zeros before and after."""
        x = F.pad(x, (*pad, *pad))
        kernel = self.kernel.flip(0, 1)[None, None]
        return F.conv2d(x.flatten(0, 1)[:, None], kernel).view(*x.shape[:2], *[n - 3 for n in x.shape[2:]])


class Upsample(Filter):
    """Twice as high and wide: zeros between, then the filter."""

    def forward(self, x: Tensor, pad: tuple[int, int] = (2, 1)) -> Tensor:
        height, width = x.shape[-2:]
        spread = F.pad(x[..., :, None, :, None], (0, 1, 0, 0, 0, 1)).reshape(*x.shape[:2], 2 * height, 2 * width)
        return super().forward(spread, pad)


class Noise(nn.Module):
    """Adds a picture of noise to all channels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return x + self.weight * noise


class Bias(nn.Module):
    """A number for each channel, then leaky ReLU times √2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return math.sqrt(2) * F.leaky_relu(x + self.bias[:, None, None], 0.2)


class Styled(nn.Module):
    """Modulated convolution, noise, activation."""

    def __init__(self, inputs: int, outputs: int, width: int, *, doubled: bool = False) -> None:
        super().__init__()
        self.conv = Modulated(inputs, outputs, 3, width, doubled=doubled)
        self.noise = Noise()
        self.activate = Bias(outputs)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        y: Tensor = self.activate(self.noise(self.conv(x, w), noise))
        return y


class ToRGB(nn.Module):
    """A layer's share of the picture, added to that of the layers before."""

    def __init__(self, inputs: int, width: int, *, doubled: bool = True) -> None:
        super().__init__()
        self.conv = Modulated(inputs, 3, 1, width, demodulated=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        if doubled:
            self.upsample = Upsample()

    def forward(self, x: Tensor, w: Tensor, picture: Tensor | None = None) -> Tensor:
        y: Tensor = self.conv(x, w) + self.bias
        return y if picture is None else y + self.upsample(picture)
