"""LPIPS against plain loops over layers of random weights, read from files in the published layout."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor
from torch.nn import functional as F

from bauta import zoo
from bauta.errors import BadCheckpoint, BadFile, MissingWeights, ShapeError, UsageError
from bauta.metrics.lpips import LPIPS, lpips

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
def alex(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror with AlexNet's two files, and a record with their digests."""
    monkeypatch.setenv("BAUTA_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    record, files = zoo.tool("lpips-alex"), []
    (tmp_path / "mirror").mkdir()
    for file, content in zip(record.files, weights(), strict=True):
        path = tmp_path / "mirror" / file.name
        torch.save(content, path)
        files.append(replace(file, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    monkeypatch.setattr(zoo, "TOOLS", (replace(record, files=tuple(files)),))


def test_the_distance_is_the_papers(alex: None) -> None:
    ours, others = tiny.pictures(3, side=70), tiny.pictures(3, seed=5, side=70)
    metric = lpips("alex")
    state, heads = weights()
    wanted = [by_hand(state, heads, a, b) for a, b in zip(ours, others, strict=True)]
    assert torch.allclose(metric(ours, others), torch.tensor(wanted), atol=1e-5)
    assert torch.allclose(metric(ours, others), metric(others, ours), atol=1e-6)
    assert metric(ours, ours).abs().max() == 0
    assert metric.name == "LPIPS (alex)"
    assert metric.private_when == "high"
    assert repr(metric) == "Metric(name='LPIPS (alex)', private_when='high', unit='')", (
        "an option of an attack's recipe"
    )


def test_the_gradient_is_the_slope_of_the_distance(alex: None) -> None:
    network = lpips("alex")
    guess = tiny.pictures(1, side=70).requires_grad_(True)
    truth = tiny.pictures(1, seed=5, side=70)
    (gradient,) = torch.autograd.grad(network(guess, truth).sum(), guess)
    step = 1e-3 * gradient.sign()
    with torch.no_grad():
        slope = (network(guess + step, truth) - network(guess - step, truth)) / 2
    assert torch.allclose(slope.sum(), (gradient * step).sum(), rtol=0.05)


def test_pictures_that_vanish_in_the_network_are_refused() -> None:
    for backbone, least in (("vgg", 16), ("alex", 31)):
        network = LPIPS(backbone)
        assert network(tiny.pictures(1, side=least), tiny.pictures(1, side=least)).shape == (1,)
        with pytest.raises(ShapeError, match=f"at least {least} x {least}"):
            network(tiny.pictures(1, side=least - 1), tiny.pictures(1, side=least - 1))
    with pytest.raises(ShapeError, match="truth's shape"):
        network(tiny.pictures(1, side=40), tiny.pictures(2, side=40))


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
    record = zoo.tool("lpips-vgg")
    nowhere = tuple(replace(file, urls=("https://127.0.0.1:9/",)) for file in record.files)
    monkeypatch.setattr(zoo, "TOOLS", (replace(record, files=nowhere),))
    with pytest.raises(MissingWeights, match=r"vgg16-397923af\.pth is neither .* set BAUTA_MIRROR to a folder"):
        lpips("vgg")


def test_other_bytes_are_no_weights(alex: None, tmp_path: Path) -> None:
    torch.save(weights(seed=1)[1], tmp_path / "mirror" / zoo.tool("lpips-alex").files[1].name)
    with pytest.raises(BadFile, match="not what its record names"):
        lpips("alex")


def test_torchvision_names_its_files_by_their_digests() -> None:
    for name in ("lpips-vgg", "lpips-alex"):
        backbone, _ = zoo.tool(name).files
        assert backbone.sha256 is not None
        assert backbone.name.removesuffix(".pth").endswith(f"-{backbone.sha256[:8]}")


def test_wrong_weights_say_what_is_wrong() -> None:
    state, heads = weights()
    del state["features.3.bias"]
    with pytest.raises(BadCheckpoint, match=r"features\.3\.bias of shape \(192,\); it holds nothing"):
        LPIPS("alex").load(state, heads, "here")
    with pytest.raises(UsageError, match="one of vgg, alex"):
        LPIPS("squeeze")
