"""Damaged face priors: inverted codes, StyleGAN2, and the prior that a training writes."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import torch
from safetensors.torch import save
from torch import Generator

from bauta.generators import AutoencoderPrior, StyleGAN2
from bauta.generators.autoencoder import SETTINGS, LatentDecoder
from bauta.generators.prior import read_codes
from bauta.generators.stylegan2 import Synthesis
from campaigns.arena import Kind
from campaigns.damage import odd_json, safetensors_bytes
from campaigns.weights import State, crooked, torch_file, zipped


class Codes(Kind):
    """A file of inverted codes."""

    name = "codes"

    def prepare(self, folder: Path) -> None:
        self.codes = torch.randn(5, 4, 8, generator=Generator().manual_seed(0))
        self.samples = [zipped(self.codes), zipped({"codes": self.codes}), zipped(self.codes, old=True)]
        self.safe = [save({"codes": self.codes}), save({"codes": self.codes.half()})]

    def damaged(self, draw: Random, folder: Path) -> Path:
        safe = draw.random() < 0.4
        path = folder / f"codes.{'safetensors' if safe else 'pt'}"
        path.write_bytes(
            safetensors_bytes(draw, draw.choice(self.safe), self.safe)
            if safe
            else torch_file(draw, folder, self.samples, self.codes)
        )
        return path

    def read(self, thing: Path) -> None:
        read_codes(thing)


def styled() -> State:
    """rosinality's StyleGAN2 of 8 x 8 pixels with few channels."""
    return Synthesis(8, (4, 4), width=4, depth=2).state_dict()


class Styles(Kind):
    """StyleGAN2 in rosinality's layout and NVIDIA's names."""

    name = "stylegan2"

    def prepare(self, folder: Path) -> None:
        self.state = styled()
        made = {f"mapping.fc{k}.{n}": self.state[f"style.{k + 1}.{n}"] for k in (0, 1) for n in ("weight", "bias")}
        made |= {"synthesis.b4.const": self.state["input.input"][0], "synthesis.b8.resample_filter": torch.ones(4, 4)}
        made |= {"synthesis.b4.conv1.weight": torch.ones(4, 4, 3, 3), "synthesis.b4.torgb.bias": torch.ones(3)}
        made |= {"synthesis.b8.torgb.bias": torch.ones(3), "synthesis.b8.conv0.noise_const": torch.ones(8, 8)}
        self.nvidia = made
        self.samples = [zipped({"g_ema": self.state}), zipped(self.state)]

    def damaged(self, draw: Random, folder: Path) -> Path:
        kind = draw.random()
        if kind < 0.6:
            path = folder / "style.safetensors"
            state = crooked(draw, draw.choice((self.state, self.state, self.nvidia)))
            path.write_bytes(save({k: v.contiguous() for k, v in state.items()}))
        else:
            path = folder / "style.pt"
            path.write_bytes(torch_file(draw, folder, self.samples, {"g_ema": self.state}))
        return path

    def read(self, thing: Path) -> None:
        prior = StyleGAN2(thing)
        prior.render(prior.sample(1, Generator().manual_seed(0)))


class Priors(Kind):
    """The face prior that `bauta train generator` writes."""

    name = "prior"

    def prepare(self, folder: Path) -> None:
        decoder = LatentDecoder(latent=6, widths=[8, 8, 8, 8])
        state = {k: v for k, v in decoder.state_dict().items() if not k.endswith("num_batches_tracked")}
        axes = {"mean_": torch.zeros(6), "factor_": torch.eye(6), "moves_": torch.eye(6)}
        self.state = {k: v.contiguous() for k, v in {**state, **axes}.items()}
        self.settings = {"latent": decoder.latent, "widths": list(decoder.widths)}
        self.sample = save(self.state, {SETTINGS: json.dumps(self.settings)})

    def damaged(self, draw: Random, folder: Path) -> Path:
        path = folder / "weights.safetensors"
        kind = draw.random()
        if kind < 0.4:
            data = safetensors_bytes(draw, self.sample)
        elif kind < 0.7:
            state = {k: v.contiguous() for k, v in crooked(draw, self.state).items()}
            data = save(state, {SETTINGS: json.dumps(self.settings)})
        else:
            numbers = (0, -1, 10**4, 10**6, 10**12, 0.5, "8", None, [8] * 3, [10**5] * 4, [1] * 30_000, [8, 8, 8, -8])
            about = {**self.settings, draw.choice(("latent", "widths")): draw.choice(numbers)}
            data = save(self.state, {SETTINGS: json.dumps(odd_json(draw, about) if draw.random() < 0.3 else about)})
        path.write_bytes(data)
        return path

    def read(self, thing: Path) -> None:
        prior = AutoencoderPrior(thing)
        prior.render(prior.sample(1, Generator().manual_seed(0)))


def kinds() -> list[Kind]:
    """All kinds of priors."""
    return [Codes(), Styles(), Priors()]
