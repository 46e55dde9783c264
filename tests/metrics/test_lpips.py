"""LPIPS against plain loops over layers of random weights, read from files in the published layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta import zoo
from bauta.errors import BadCheckpoint, MissingWeights, UsageError
from bauta.metrics.lpips import LPIPS, lpips
from bauta.zoo.fetch import locate

# torchvision's numbering: place -> (channels in, channels out, kernel, stride, padding), and where it pools
ALEX = {
    0: (3, 64, 11, 4, 2),
    3: (64, 192, 5, 1, 2),
    6: (192, 384, 3, 1, 1),
    8: (384, 256, 3, 1, 1),
    10: (256, 256, 3, 1, 1),
}
WIDTHS = (64, 192, 384, 256, 256)


def weights(seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """AlexNet's files as published, random: with a classifier that LPIPS has no use for."""
    g = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {"classifier.1.weight": torch.zeros(2, 2)}
    for place, (inputs, outputs, kernel, _, _) in ALEX.items():
        scale = (inputs * kernel * kernel) ** -0.5
        state[f"features.{place}.weight"] = scale * torch.randn(outputs, inputs, kernel, kernel, generator=g)
        state[f"features.{place}.bias"] = 0.1 * torch.randn(outputs, generator=g)
    heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1, generator=g) for i, c in enumerate(WIDTHS)}
    return state, heads


def by_hand(state: dict[str, Tensor], heads: dict[str, Tensor], a: Tensor, b: Tensor) -> float:
    """One pair of pictures (3, H, W), position by position."""
    maps = []
    for picture in (a, b):
        x = picture[None] * 2 - 1
        x = (x - torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)) / torch.tensor([0.458, 0.448, 0.450]).view(
            1, 3, 1, 1
        )
        kept = []
        for place, (_, _, _, stride, padding) in ALEX.items():
            if place in (3, 6):
                x = F.max_pool2d(x, 3, 2)
            x = F.conv2d(x, state[f"features.{place}.weight"], state[f"features.{place}.bias"], stride, padding).relu()
            kept.append(x[0])
        maps.append(kept)
    total = 0.0
    for layer, (x, y) in enumerate(zip(*maps, strict=True)):
        head = heads[f"lin{layer}.model.1.weight"].flatten()
        positions = []
        for row in range(x.shape[1]):
            for column in range(x.shape[2]):
                u, v = x[:, row, column], y[:, row, column]
                difference = u / (u.norm() + 1e-10) - v / (v.norm() + 1e-10)
                positions.append(float((head * difference**2).sum()))
        total += sum(positions) / len(positions)
    return total


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with AlexNet's two files, pinned as a user's yes does."""
    monkeypatch.setenv("BAUTA_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    (tmp_path / "mirror").mkdir()
    for file, content in zip(zoo.tool("lpips-alex").files, weights(), strict=True):
        torch.save(content, tmp_path / "mirror" / file.name)
        locate(file, lambda question: True)
    return tmp_path


def test_the_distance_is_the_papers(home: Path) -> None:
    ours, others = tiny.pictures(3, side=70), tiny.pictures(3, seed=5, side=70)
    metric = lpips("alex")
    state, heads = weights()
    wanted = [by_hand(state, heads, a, b) for a, b in zip(ours, others, strict=True)]
    assert torch.allclose(metric(ours, others), torch.tensor(wanted), atol=1e-5)
    assert torch.allclose(metric(ours, others), metric(others, ours), atol=1e-6)
    assert metric(ours, ours).abs().max() == 0
    assert metric.name == "LPIPS (alex)"
    assert metric.private_when == "high"


def test_the_gradient_reaches_the_pictures(home: Path) -> None:
    guess = tiny.pictures(1, side=70).requires_grad_(True)
    (gradient,) = torch.autograd.grad(lpips("alex")(guess, tiny.pictures(1, seed=5, side=70)).sum(), guess)
    assert gradient.abs().sum() > 0


def test_vgg_compares_its_five_blocks() -> None:
    """VGG16's last convolutions before each pool, numbered as torchvision numbers them."""
    network = LPIPS("vgg")
    assert [tuple(head.shape) for head in network.heads] == [(1, c, 1, 1) for c in (64, 128, 256, 512, 512)]
    names = {name for name, _ in network.features.named_parameters()}
    places = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    assert names == {f"{place}.{part}" for place in places for part in ("weight", "bias")}


def test_absent_weights_say_what_to_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAUTA_MIRROR", str(tmp_path))
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    with pytest.raises(MissingWeights, match=r"vgg16\.pth"):
        lpips("vgg")


def test_wrong_weights_say_what_is_wrong() -> None:
    state, heads = weights()
    del state["features.3.bias"]
    with pytest.raises(BadCheckpoint, match=r"features\.3\.bias of shape \(192,\); it holds nothing"):
        LPIPS("alex").load(state, heads, "here")
    with pytest.raises(UsageError, match="one of vgg, alex"):
        LPIPS("squeeze")
