"""StyleGAN2 checkpoints, rosinality's and NVIDIA's, under rosinality's names."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from bauta.errors import BadCheckpoint, MissingWeights
from bauta.recognizers.checkpoints import check_plain, read_plain

State = dict[str, Tensor]
MOST = 17  # convolutions of a generator: 1024 x 1024 pixels
NEEDED = ("style.1.weight", "conv1.conv.weight", "to_rgb1.bias", "input.input")


def read_stylegan2(path: Path) -> State:
    """The generator in a file. Nothing is unpickled: a PyTorch file is read with weights_only, all else safetensors.

    rosinality's files keep the averaged weights under ``g_ema``; NVIDIA's networks are pickles, so convert their
    ``G_ema.state_dict()`` to safetensors first. Raises `MissingWeights`, `BadCheckpoint`.
    """
    if not path.is_file():
        raise MissingWeights(f"{path} is not a file; give the path of a StyleGAN2 checkpoint.")
    content = read_plain(path)
    nested = content.get("g_ema", content) if isinstance(content, dict) else {}
    arrays = nested if isinstance(nested, dict) else {}
    check_plain((v for v in arrays.values() if isinstance(v, Tensor)), path)
    state = {str(k).removeprefix("g_ema."): v.detach().float() for k, v in arrays.items() if isinstance(v, Tensor)}
    try:
        state = completed(from_nvidia(state) if "synthesis.b4.const" in state else state)
    except (KeyError, ValueError, IndexError, RuntimeError) as error:  # missing, or of another shape
        raise BadCheckpoint(f"{path} holds half of a StyleGAN2 generator ({error}); fetch it again.") from error
    if any(key not in state for key in NEEDED):
        missing = ", ".join(key for key in NEEDED if key not in state)
        raise BadCheckpoint(f"{path} holds no StyleGAN2 generator: {missing} is missing; give one with g_ema.")
    return state


def completed(state: State) -> State:
    """With the noise pictures, which the oldest files of rosinality's layout do not have: zeros, so no noise."""
    convolutions = 1 + sum(bool(re.fullmatch(r"convs\.\d+\.activate\.bias", key)) for key in state)
    if convolutions > MOST:
        raise ValueError(f"{convolutions} convolutions, more than pictures of 1024 x 1024 have")
    sides = {f"noises.noise_{k}": 4 * 2 ** ((k + 1) // 2) for k in range(convolutions)}
    return {**{name: torch.zeros(1, 1, side, side) for name, side in sides.items()}, **state}


def from_nvidia(state: State) -> State:
    """NVIDIA's names (stylegan2-ada-pytorch) -> rosinality's; both keep weights of unit variance, oriented alike."""
    found: State = {}
    for key, value in state.items():
        if match := re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", key):
            found[f"style.{int(match[1]) + 1}.{match[2]}"] = value
        elif match := re.fullmatch(r"synthesis\.b(\d+)\.(conv0|conv1|torgb)\.(.+)", key):
            found |= _layer(int(match[1]).bit_length() - 3, match[2], match[3], value)
    found["input.input"] = state["synthesis.b4.const"][None]
    for key in [key for key in found if re.fullmatch(r"to_rgbs\.\d+\.bias", key)]:
        level = int(key.split(".")[1])
        # one filter of sum 1 a block, where rosinality has one of sum 4 in every layer that doubles
        kernel = 4 * state[f"synthesis.b{8 * 2**level}.resample_filter"]
        found |= {f"convs.{2 * level}.conv.blur.kernel": kernel, f"to_rgbs.{level}.upsample.kernel": kernel}
    return found


def _layer(level: int, part: str, name: str, value: Tensor) -> State:
    """One array of the block of 4 * 2^level pixels; nothing where rosinality has no such array."""
    at = 2 * (level - 1) + (part == "conv1")
    colors = part == "torgb"
    place = (f"to_rgbs.{level - 1}" if level else "to_rgb1") if colors else (f"convs.{at}" if level else "conv1")
    if name == "noise_const":
        return {f"noises.noise_{at + 1 if level else 0}": value[None, None]}
    arrays = {
        "weight": ("conv.weight", value[None]),
        "affine.weight": ("conv.modulation.weight", value),
        "affine.bias": ("conv.modulation.bias", value),
        "bias": ("bias", value.view(1, -1, 1, 1)) if colors else ("activate.bias", value),
        "noise_strength": ("noise.weight", value.reshape(-1)),
    }
    if name not in arrays:
        return {}
    ours, array = arrays[name]
    return {f"{place}.{ours}": array}
