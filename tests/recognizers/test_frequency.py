"""The servers of the frequency family: TFace's weights land where they belong, and the small one is small."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import BadCheckpoint, UsageError
from bauta.ops.dct import block_dct
from bauta.recognizers import (
    BlockDCT,
    Recognizer,
    frequency_compact,
    frequency_irse,
    frequency_small,
    load_frequency_irse,
)
from bauta.recognizers.frequency import ScaledConvolution

from . import published

UNITS = {18: (2, 2, 2, 2), 50: (3, 4, 14, 3)}


def tface(depth: int, channels: int) -> nn.Module:
    """TFace's backbone with random weights, its stem replaced as the family's training scripts do."""
    network = published.ModelIRSE(UNITS[depth], published.tface_branch, affine=False)
    network.input_layer = nn.Sequential(nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
    return published.filled(network)


def maps(channels: int, number: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(number, channels, 112, 112, generator=torch.Generator().manual_seed(seed))


def saved(state: dict[str, Tensor], path: Path) -> Path:
    torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("depth", "channels", "prefix"), [(18, 189, ""), (18, 27, ""), (18, 192, "recognizer."), (50, 192, "")]
)
def test_checkpoints_in_tfaces_layout_compute_what_tface_computes(
    depth: int, channels: int, prefix: str, tmp_path: Path
) -> None:
    theirs = tface(depth, channels)
    state = {prefix + key: value for key, value in theirs.state_dict().items()}
    if prefix:  # MinusFace saves its generator beside it
        state["generator.backbone.left_conv_1.conv_ReLU.0.weight"] = torch.zeros(1)
    ours = load_frequency_irse(saved(state, tmp_path / "Backbone_Epoch_24_checkpoint.pth"))
    assert not ours.training
    assert ours.cut == 1
    wire = maps(channels)
    with torch.no_grad():
        torch.testing.assert_close(ours.templates(wire), F.normalize(theirs(wire)), rtol=0, atol=1e-5)


def test_loading_is_strict(tmp_path: Path) -> None:
    state = tface(18, 27).state_dict()
    less = {key: value for key, value in state.items() if key != "body.3.res_layer.4.weight"}
    with pytest.raises(BadCheckpoint, match="1 weights are missing"):
        load_frequency_irse(saved(less, tmp_path / "less.pth"))
    duetface = {**state, "body.1.embedding_layer.weight": torch.tensor(0.0)}
    with pytest.raises(BadCheckpoint, match="1 are unknown"):
        load_frequency_irse(saved(duetface, tmp_path / "duetface.pth"))
    seven = {key: value for key, value in state.items() if not key.startswith("body.7.")}
    with pytest.raises(BadCheckpoint, match="7 units"):
        load_frequency_irse(saved(seven, tmp_path / "seven.pth"))
    headless = {key: value for key, value in state.items() if not key.startswith("input_layer.")}
    with pytest.raises(BadCheckpoint, match="TFace's layout"):
        load_frequency_irse(saved(headless, tmp_path / "headless.pth"))


def test_the_client_holds_the_transform_alone() -> None:
    images = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    for network in (frequency_irse(18), frequency_small(), frequency_compact()):
        assert isinstance(network.layers[0], BlockDCT)
        assert torch.equal(network.features(images), block_dct(images))
        assert not list(network.layers[: network.cut].parameters())


@pytest.mark.parametrize("cut", [2, 9, 18, 20])
def test_the_small_one_can_be_cut_anywhere(cut: int) -> None:
    network = frequency_small(embedding=128).frozen()
    images = torch.rand(1, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    moved = network.at_cut(cut)
    assert moved.features(images).ndim == 4
    torch.testing.assert_close(moved.embed(images), network.embed(images))
    assert network.embed(images).shape == (1, 128)


def multiplications(network: Recognizer, wire: Tensor) -> int:
    """Of the server's convolutions, counted while it runs."""
    counted: list[int] = []
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(lambda m, _, y: counted.append(y.numel() * m.weight[0].numel()))
        assert not isinstance(part, nn.Linear)
    with torch.no_grad():
        network.frozen().templates(wire)
    return sum(counted)


def test_the_small_one_is_small() -> None:
    assert multiplications(frequency_small(), maps(192)) == pytest.approx(370e6, rel=0.01)
    assert multiplications(frequency_small(27), maps(27)) < 0.25e9


def test_the_compact_one_is_smaller() -> None:
    assert multiplications(frequency_compact(), maps(192)) == pytest.approx(153e6, rel=0.01)
    assert multiplications(frequency_compact(27), maps(27)) < 0.1e9


def test_the_irs_cost_what_they_say() -> None:
    assert multiplications(frequency_irse(18), maps(192)) == pytest.approx(4.0e9, rel=0.02)


def test_a_scaled_convolution_is_one_of_divided_maps() -> None:
    conv = ScaledConvolution(4, 6, 2, 2, least=0.5)
    units = torch.tensor([1000.0, 1.0, 1e-3, 0.0]).view(1, 4, 1, 1)
    batches = [torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(n)) * units + 7 for n in range(3)]
    running = None
    for x in batches:
        out = conv(x)
        came = x.double()[..., ::4, ::4].flatten(2).transpose(0, 1).flatten(1).var(1, correction=0)
        running = came if running is None else 0.9 * running + 0.1 * came
        divided = x.double() / (running.view(1, 4, 1, 1) + 0.25).sqrt()
        torch.testing.assert_close(
            out.double(), F.conv2d(divided, conv.weight.double(), stride=2), rtol=1e-4, atol=1e-4
        )
    state = {name: value.clone() for name, value in conv.state_dict().items()}
    conv.eval()(batches[0] * 5)
    assert all(torch.equal(value, state[name]) for name, value in conv.state_dict().items())


def test_the_small_one_does_not_mind_the_units_of_its_channels() -> None:
    units = 10 ** torch.linspace(-1, 3, 27).view(1, 27, 1, 1)
    wire = maps(27, number=2)
    networks = []
    for _ in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            networks.append(frequency_small(27))
    with torch.no_grad():
        torch.testing.assert_close(networks[0].templates(wire), networks[1].templates(wire * units), rtol=0, atol=1e-2)


def test_the_small_one_learns() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = frequency_small(27, embedding=16)
    wire, label = maps(27, number=4), torch.tensor([0, 1, 0, 1])
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    losses = []
    for _ in range(6):
        loss = F.cross_entropy(8 * network.templates(wire)[:, :2], label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_dropout_acts_in_training_alone() -> None:
    network = frequency_irse(18, 3)
    names = network.layer_names()
    assert names[names.index("linear") - 1] == "dropout"
    assert isinstance(network.layers.dropout, nn.Dropout)
    assert network.layers.dropout.p == 0.4


def test_what_they_refuse() -> None:
    with pytest.raises(UsageError, match="18, 34, 50, 100"):
        frequency_irse(20)
    with pytest.raises(UsageError, match="at least one channel"):
        frequency_small(0)
