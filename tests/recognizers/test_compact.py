"""The small networks for a CPU: as large as they say, whole at every cut, and with the units that their papers name."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bauta.recognizers.compact import Residual
from bauta.recognizers.trainable import new


@pytest.mark.parametrize(
    ("name", "weights", "gmac"),
    [
        ("compact_ir", 1.52, 0.212),
        ("compact_residual", 1.28, 0.079),
        ("compact_mobilenet", 0.89, 0.039),
        ("compact_plain", 1.25, 0.077),
        ("compact_bottleneck", 0.75, 0.045),
    ],
)
def test_they_are_as_large_as_they_say(name: str, weights: float, gmac: float) -> None:
    network = new(name, {}).eval()
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(weights, abs=0.01)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.embed(torch.rand(1, 3, 112, 112))
    assert counter.get_total_flops() / 2e9 == pytest.approx(gmac, abs=0.001)
    state = sum(t.numel() for t in network.state_dict().values())
    assert 2 * state < 3.1e6  # bytes, in 16 bits


@pytest.mark.parametrize(
    "name", ["compact_ir", "compact_residual", "compact_mobilenet", "compact_plain", "compact_bottleneck"]
)
def test_every_cut_gives_the_same_templates(name: str) -> None:
    network = new(name, {}).eval()
    images = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        whole = network.embed(images)
        for cut in range(1, len(network.layers) + 1):
            half = network.at_cut(cut)
            assert torch.allclose(half.templates(half.features(images)), whole, atol=1e-6)
    assert whole.shape == (2, 128)


@pytest.mark.parametrize(("widths", "grid"), [((8,), 28), ((8, 8, 8), 7), ((8, 8, 8, 8), 4)])
def test_the_head_covers_the_grid_of_any_number_of_stages(widths: tuple[int, ...], grid: int) -> None:
    network = new("compact_ir", {"widths": widths, "units": [1] * len(widths), "embedding": 16}).eval()
    maps = network.feature_maps(torch.rand(1, 3, 112, 112))
    assert maps[-3].shape[2:] == (grid, grid)
    assert maps[-1].shape == (1, 16, 1, 1)


def test_a_residual_unit_by_hand() -> None:
    unit = Residual(4, 6, 2).eval()
    x = torch.randn(2, 4, 9, 9)
    branch = unit.residual
    with torch.no_grad():
        y = torch.relu(branch.bn1(branch.conv1(x)))
        y = branch.bn2(branch.conv2(y))
        assert torch.allclose(unit(x), torch.relu(y + unit.shortcut(x)))
    assert y.shape[2:] == (5, 5)
    assert isinstance(Residual(4, 4, 1).shortcut, torch.nn.Identity)
