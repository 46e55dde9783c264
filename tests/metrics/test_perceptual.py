"""The distance over a recognizer's layers, by plain loops."""

from __future__ import annotations

import pytest
import tiny
import torch

from bauta.errors import UsageError
from bauta.metrics.perceptual import perceptual


def test_the_distance_is_the_mean_over_layers_and_positions() -> None:
    network = tiny.recognizer(cut=2)
    a, b = tiny.pictures(2), tiny.pictures(2, seed=9)
    whole = network.at_cut(4)
    pairs = list(zip(whole.feature_maps(a), whole.feature_maps(b), strict=True))
    for layers, chosen in (([1, 3], [0, 2]), (None, [1, 2])):  # by default the last of 16 x 16 and that of 8 x 8
        wanted = torch.zeros(2)
        for place in chosen:
            x, y = pairs[place]
            for row in range(2):
                at = [
                    (x[row, :, i, j] / x[row, :, i, j].norm() - y[row, :, i, j] / y[row, :, i, j].norm()).square().sum()
                    for i in range(x.shape[2])
                    for j in range(x.shape[3])
                ]
                wanted[row] += torch.stack(at).mean() / len(chosen)
        assert torch.allclose(perceptual(network, layers)(a, b), wanted, atol=1e-5)


def test_it_grows_with_the_difference_and_is_zero_without() -> None:
    metric = perceptual(tiny.recognizer(cut=1))
    a, b = tiny.pictures(3), tiny.pictures(3, seed=9)
    assert metric(a, a).max() == 0
    assert (metric(a, b) > metric(a, a.lerp(b, 0.2))).all()
    assert torch.allclose(metric(a, b), metric(b, a))
    assert metric.name == "perceptual distance (tiny)"
    with pytest.raises(UsageError, match="layers 1 to 4"):
        perceptual(tiny.recognizer(), [5])
