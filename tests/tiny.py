"""Small networks and pictures for tests that need no good recognizer, only a real one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from bauta.faces import Pairs
from bauta.generators.autoencoder import LatentDecoder, written
from bauta.recognizers import Preprocess, Recognizer
from bauta.recognizers.base import sequence
from bauta.types import Faces, Source

SIDE = 32


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and running statistics, also negative PReLU slopes: every number counts."""
    g = torch.Generator().manual_seed(seed)

    def uniform(like: Tensor, low: float, high: float) -> Tensor:
        return torch.rand(like.shape, generator=g) * (high - low) + low

    with torch.no_grad():
        for m in module.modules():
            if isinstance(m, nn.BatchNorm2d):
                assert m.running_mean is not None
                assert m.running_var is not None
                m.running_var.copy_(uniform(m.running_var, 0.3, 3))
                m.running_mean.copy_(uniform(m.running_mean, -0.3, 0.3))
                m.weight.copy_(uniform(m.weight, 0.7, 1.3))
                m.bias.copy_(uniform(m.bias, -0.3, 0.3))
            elif isinstance(m, nn.Conv2d):
                m.weight.copy_(torch.randn(m.weight.shape, generator=g) * (2 / m.weight[0].numel()) ** 0.5)
            elif isinstance(m, nn.PReLU):
                m.weight.copy_(uniform(m.weight, -0.3, 0.6))
    return module


def block(inputs: int, outputs: int, kernel: int, stride: int, act: nn.Module) -> nn.Sequential:
    """Convolution, batch norm, activation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return sequence({"conv": conv, "bn": nn.BatchNorm2d(outputs), "act": act})


def recognizer(name: str = "tiny", *, seed: int = 0, cut: int = 2, embedding: int = 16) -> Recognizer:
    """Four layers on 32 x 32 pictures, random weights."""
    stem = sequence({"input": Preprocess(), **dict(block(3, 8, 3, 2, nn.PReLU(8)).named_children())})
    layers = {
        "stem": stem,
        "middle": block(8, 12, 3, 1, nn.PReLU(12)),
        "down": block(12, 12, 3, 2, nn.ReLU6()),
        "embedding": sequence({"conv": nn.Conv2d(12, embedding, SIDE // 4, bias=False)}),
    }
    made = Recognizer(layers, cut=cut, name=name)
    filled(made, seed)
    return made.frozen()


def pictures(number: int = 4, *, seed: int = 1, side: int = SIDE) -> Tensor:
    """Smooth color pictures (number, 3, side, side)."""
    coarse = torch.rand(number, 3, 7, 7, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 1)


def faces(number: int = 4, *, seed: int = 1, side: int = SIDE) -> Faces:
    """Two pictures of each of `number` / 2 people, with digests of files."""
    sources = [Source(f"{i}.png", f"{seed:032x}{i:032x}") for i in range(number)]
    return Faces(pictures(number, seed=seed, side=side), torch.arange(number) // 2, source=sources)


def pairs() -> Pairs:
    """Six people with two pictures each, both noisy; six genuine and six impostor pairs."""
    base = pictures(6, seed=2).repeat_interleave(2, 0)
    noise = 0.05 * torch.randn(base.shape, generator=torch.Generator().manual_seed(0))
    even = torch.arange(0, 12, 2)
    return Pairs(
        Faces((base + noise).clamp(0, 1), torch.arange(12) // 2),
        torch.cat([even, even]),
        torch.cat([even + 1, (even + 3) % 12]),
        torch.arange(12) < 6,
        torch.arange(12) % 2,
    )


def write_prior(path: Path, *, latent: int = 5, spread: float = 0.0, half: bool = True, seed: int = 3) -> Path:
    """The file of an autoencoder's prior on 112 x 112, random. spread: of a person's pictures; with 0 none are kept."""
    torch.manual_seed(seed)
    decoder = LatentDecoder(latent=latent, widths=(8, 8, 8, 8)).train()
    decoder(torch.randn(32, latent))
    people, moves = torch.randn(50, latent), torch.randn(40 if spread else 0, latent)
    path.write_bytes(written(decoder.eval(), people, moves * spread, half=half))
    return path
