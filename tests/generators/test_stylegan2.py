"""StyleGAN2 in the layouts of others, against the equations row by row in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from scipy.signal import upfirdn
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from bauta.errors import BadCheckpoint, MissingWeights, UsageError
from bauta.generators import StyleGAN2
from bauta.generators.stylegan2 import Filter, Modulated, Upsample

CHANNELS = (12, 10, 8, 6, 6)  # at 4, 8, 16, 32, 64: few, so that the test is quick
WIDTH, DEPTH = 9, 3
TAPS = torch.tensor([1.0, 3, 3, 1])
State = dict[str, Tensor]


def conv(place: str, inputs: int, outputs: int, kernel: int) -> dict[str, tuple[int, ...]]:
    """A modulated convolution's arrays in rosinality's files."""
    return {
        f"{place}.conv.weight": (1, outputs, inputs, kernel, kernel),
        f"{place}.conv.modulation.weight": (inputs, WIDTH),
        f"{place}.conv.modulation.bias": (inputs,),
    }


def rosinality() -> State:
    """Random values under the names and in the shapes of rosinality/stylegan2-pytorch, of 64 x 64 pixels."""
    shapes: dict[str, tuple[int, ...]] = {}
    for k in range(DEPTH):
        shapes |= {f"style.{k + 1}.weight": (WIDTH, WIDTH), f"style.{k + 1}.bias": (WIDTH,)}
    shapes["input.input"] = (1, CHANNELS[0], 4, 4)
    shapes |= conv("conv1", CHANNELS[0], CHANNELS[0], 3) | {"conv1.noise.weight": (1,)}
    shapes |= {
        "conv1.activate.bias": (CHANNELS[0],),
        **conv("to_rgb1", CHANNELS[0], 3, 1),
        "to_rgb1.bias": (1, 3, 1, 1),
    }
    shapes["noises.noise_0"] = (1, 1, 4, 4)
    for k in range(4):
        before, after, side = CHANNELS[k], CHANNELS[k + 1], 8 * 2**k
        for at, inputs in ((2 * k, before), (2 * k + 1, after)):
            shapes |= conv(f"convs.{at}", inputs, after, 3)
            shapes |= {f"convs.{at}.noise.weight": (1,), f"convs.{at}.activate.bias": (after,)}
            shapes[f"noises.noise_{at + 1}"] = (1, 1, side, side)
        shapes |= {**conv(f"to_rgbs.{k}", after, 3, 1), f"to_rgbs.{k}.bias": (1, 3, 1, 1)}
    g = Generator().manual_seed(0)
    state = {name: torch.randn(shape, generator=g) for name, shape in shapes.items()}
    for k in range(DEPTH):
        state[f"style.{k + 1}.weight"] *= 100  # a learning rate of 0.01 is kept in them
    for k in range(4):
        state[f"convs.{2 * k}.conv.blur.kernel"] = 4 * TAPS.outer(TAPS) / 64
        state[f"to_rgbs.{k}.upsample.kernel"] = 4 * TAPS.outer(TAPS) / 64
    return state


def nvidia(state: State) -> State:
    """The same values under the names and in the shapes of NVIDIA's stylegan2-ada-pytorch."""
    found: State = {"mapping.w_avg": torch.zeros(WIDTH), "synthesis.b4.const": state["input.input"][0]}
    for k in range(DEPTH):
        for name in ("weight", "bias"):
            found[f"mapping.fc{k}.{name}"] = state[f"style.{k + 1}.{name}"]
    filter_ = TAPS.outer(TAPS) / 64

    def layer(theirs: str, ours: str, noise: str) -> None:
        found[f"{theirs}.weight"] = state[f"{ours}.conv.weight"][0]
        found[f"{theirs}.affine.weight"] = state[f"{ours}.conv.modulation.weight"]
        found[f"{theirs}.affine.bias"] = state[f"{ours}.conv.modulation.bias"]
        if noise:
            found[f"{theirs}.bias"] = state[f"{ours}.activate.bias"]
            found[f"{theirs}.noise_strength"] = state[f"{ours}.noise.weight"][0]
            found[f"{theirs}.noise_const"] = state[noise][0, 0]
            found[f"{theirs}.resample_filter"] = filter_
        else:
            found[f"{theirs}.bias"] = state[f"{ours}.bias"].flatten()

    for level, side in enumerate((4, 8, 16, 32, 64)):
        block = f"synthesis.b{side}"
        found[f"{block}.resample_filter"] = filter_
        if level == 0:
            layer(f"{block}.conv1", "conv1", "noises.noise_0")
            layer(f"{block}.torgb", "to_rgb1", "")
        else:
            for k in (0, 1):
                layer(f"{block}.conv{k}", f"convs.{2 * level - 2 + k}", f"noises.noise_{2 * level - 1 + k}")
            layer(f"{block}.torgb", f"to_rgbs.{level - 1}", "")
    return found


def fir(x: Tensor, *, up: int, cut: tuple[int, int]) -> Tensor:
    """(C, h, w) through SciPy's upfirdn along both axes, gain 2 each, without so many numbers before and after."""
    taps = 2 * TAPS.double().numpy() / 8
    for axis in (1, 2):
        x = torch.from_numpy(upfirdn(taps, x.numpy(), up=up, axis=axis))
    return x[:, cut[0] : x.shape[1] - cut[1], cut[0] : x.shape[2] - cut[1]]


def by_hand(state: State, w: Tensor) -> Tensor:
    """One picture of one row of W+, from the equations: weights modulated and demodulated first, one at a time."""
    s = {name: value.double() for name, value in state.items()}

    def modulated(place: str, x: Tensor, style: Tensor, *, doubled: bool = False, demodulate: bool = True) -> Tensor:
        weight = s[f"{place}.conv.weight"][0]
        scale = s[f"{place}.conv.modulation.weight"] @ style / math.sqrt(WIDTH) + s[f"{place}.conv.modulation.bias"]
        weight = weight / math.sqrt(weight[0].numel()) * scale[None, :, None, None]
        if demodulate:
            for o in range(len(weight)):
                weight[o] = weight[o] / (weight[o].square().sum() + 1e-8).sqrt()
        if not doubled:
            return F.conv2d(x[None], weight, padding=weight.shape[-1] // 2)[0]
        return fir(F.conv_transpose2d(x[None], weight.transpose(0, 1), stride=2)[0], up=1, cut=(2, 2))

    def styled(place: str, noise: str, x: Tensor, style: Tensor, *, doubled: bool = False) -> Tensor:
        y = modulated(place, x, style, doubled=doubled) + s[f"{place}.noise.weight"] * s[noise][0]
        return F.leaky_relu(y + s[f"{place}.activate.bias"][:, None, None], 0.2) * 2**0.5

    w = w.double()
    x = styled("conv1", "noises.noise_0", s["input.input"][0], w[0])
    picture = modulated("to_rgb1", x, w[1], demodulate=False) + s["to_rgb1.bias"][0]
    for k in range(4):
        x = styled(f"convs.{2 * k}", f"noises.noise_{2 * k + 1}", x, w[2 * k + 1], doubled=True)
        x = styled(f"convs.{2 * k + 1}", f"noises.noise_{2 * k + 2}", x, w[2 * k + 2])
        colors = modulated(f"to_rgbs.{k}", x, w[2 * k + 3], demodulate=False) + s[f"to_rgbs.{k}.bias"][0]
        picture = fir(picture, up=2, cut=(1, 1))[:, : 2 * picture.shape[1], : 2 * picture.shape[2]] + colors
    return picture


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "stylegan2.pt"
    torch.save({"g_ema": rosinality(), "latent_avg": torch.zeros(WIDTH), "g": {}}, path)
    return path


def test_pictures_are_those_of_the_equations(checkpoint: Path) -> None:
    prior = StyleGAN2(checkpoint)
    assert prior.shape == (10, WIDTH)
    assert prior.network.size == 64
    w = torch.randn(2, *prior.shape, generator=Generator().manual_seed(1))
    whole = prior.network(w)
    assert whole.shape == (2, 3, 64, 64)
    for row in range(2):
        expected = by_hand(rosinality(), w[row])
        assert torch.allclose(whole[row].double(), expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_the_mapping_is_that_of_the_equations(checkpoint: Path) -> None:
    prior, state = StyleGAN2(checkpoint, space="w"), rosinality()
    x = z = torch.randn(4, WIDTH, generator=Generator().manual_seed(2))
    x = x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for k in range(DEPTH):
        y = x @ state[f"style.{k + 1}.weight"].T * 0.01 / WIDTH**0.5 + 0.01 * state[f"style.{k + 1}.bias"]
        x = 2**0.5 * torch.where(y > 0, y, 0.2 * y)
    assert torch.allclose(prior.working(z), x, atol=1e-5)
    drawn = prior.sample(4, Generator().manual_seed(2))
    assert torch.allclose(drawn, x, atol=1e-5)
    wide = prior.in_space("w+").sample(4, Generator().manual_seed(2))
    assert torch.allclose(wide, x[:, None].expand(4, 10, WIDTH), atol=1e-5)
    pictures = prior.render(drawn)
    assert torch.allclose(pictures, prior.in_space("w+").render(wide), atol=1e-5)
    assert torch.allclose(pictures, prior.in_space("z").render(z), atol=1e-4)


@pytest.mark.parametrize("name", ["rosinality.safetensors", "nvidia.safetensors", "plain.pt", "old.pt"])
def test_every_layout_is_the_same_generator(name: str, checkpoint: Path, tmp_path: Path) -> None:
    state, path = rosinality(), tmp_path / name
    if name.endswith(".pt"):
        if name == "old.pt":  # from before the noise pictures were kept
            state = {k: v for k, v in state.items() if not k.startswith("noises.")}
        torch.save(state, path)
    else:
        save_file({k: v.clone() for k, v in (nvidia(state) if "nvidia" in name else state).items()}, path)
    w = torch.randn(2, 10, WIDTH, generator=Generator().manual_seed(3))
    expected = StyleGAN2(checkpoint)
    if name == "old.pt":
        for noise in expected.network.noises.buffers():
            noise.zero_()
    assert torch.allclose(StyleGAN2(path).network(w), expected.network(w), atol=1e-4, rtol=1e-4)


def test_modulated_convolution_is_one_convolution_a_row() -> None:
    for doubled, demodulated in ((False, True), (True, True), (False, False)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            layer = Modulated(5, 4, 3, WIDTH, demodulated=demodulated, doubled=doubled).double()
        g = Generator().manual_seed(1)
        x, w = torch.randn(3, 5, 7, 7, generator=g).double(), torch.randn(3, WIDTH, generator=g).double()
        together = layer(x, w)
        for row in range(3):
            weight = layer.weight[0] / 45**0.5 * layer.modulation(w[row])[None, :, None, None]
            if demodulated:
                weight = weight * (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
            if doubled:
                one = fir(
                    F.conv_transpose2d(x[row : row + 1], weight.transpose(0, 1), stride=2)[0].detach(), up=1, cut=(2, 2)
                )
            else:
                one = F.conv2d(x[row : row + 1], weight, padding=1)[0]
            assert torch.allclose(together[row], one, atol=1e-9)


def test_filters_are_scipys() -> None:
    x = torch.randn(2, 3, 6, 6, generator=Generator().manual_seed(0)).double()
    up, blur = Upsample().double()(x), Filter().double()(x, (1, 1))
    for row in range(2):
        assert torch.allclose(up[row], fir(x[row], up=2, cut=(1, 1))[:, :12, :12], atol=1e-9)
        assert torch.allclose(blur[row], fir(x[row], up=1, cut=(2, 2)), atol=1e-9)
    flat = Upsample()(torch.full((1, 1, 8, 8), 0.7))
    assert torch.allclose(flat[..., 2:-2, 2:-2], torch.tensor(0.7)), "what is even stays"


def test_the_cut_and_the_scaling_are_a_pictures_own(checkpoint: Path) -> None:
    prior = StyleGAN2(checkpoint)
    whole = torch.arange(256.0)[:, None].expand(256, 256) + 1000 * torch.arange(256.0)
    cut = prior.cut(whole[None, None].expand(1, 3, 256, 256))
    assert cut.shape == (1, 3, 192, 192)
    assert float(cut[0, 0, 0, 0]) == 42 + 1000 * 32, "rows 42 to 233, columns 32 to 223"
    assert float(cut[0, 0, -1, -1]) == 233 + 1000 * 223
    latents = prior.sample(3, Generator().manual_seed(0))
    pictures = prior.render(latents)
    assert pictures.shape == (3, 3, 112, 112)
    assert torch.allclose(prior.render(latents[1:2])[0], pictures[1], atol=1e-5), "whatever else is rendered"
    assert 0 <= float(pictures.min()) < 0.1 < 0.9 < float(pictures.max()) <= 1


def test_gradients_reach_the_latents(checkpoint: Path) -> None:
    latents = StyleGAN2(checkpoint, space="w").sample(1, Generator().manual_seed(0)).requires_grad_(True)
    StyleGAN2(checkpoint, space="w").render(latents).square().sum().backward()
    assert latents.grad is not None
    assert float(latents.grad.abs().max()) > 0


def without(state: State) -> State:
    return {k: v for k, v in state.items() if k != "to_rgbs.2.conv.weight"}


def reshaped(state: State) -> State:
    return {**state, "convs.3.conv.weight": state["convs.3.conv.weight"][:, 1:]}


@pytest.mark.parametrize("spoil", [without, reshaped, lambda state: {"a": torch.zeros(1)}])
def test_what_is_no_generator_is_refused(spoil: Callable[[State], State], tmp_path: Path) -> None:
    torch.save({"g_ema": spoil(rosinality())}, tmp_path / "bad.pt")
    with pytest.raises(BadCheckpoint):
        StyleGAN2(tmp_path / "bad.pt")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "objects.pt")
    with pytest.raises(BadCheckpoint, match="plain tensors"):
        StyleGAN2(tmp_path / "objects.pt")
    with pytest.raises(MissingWeights):
        StyleGAN2(tmp_path / "nothing.pt")


def test_wrong_options_are_refused(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="works in"):
        StyleGAN2(checkpoint, space="s")
    with pytest.raises(UsageError, match="not inside"):
        StyleGAN2(checkpoint, crop=250)
