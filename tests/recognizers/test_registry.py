"""From a record, or a path of your own, to a network with its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bauta import zoo
from bauta.errors import BadCheckpoint, UsageError
from bauta.recognizers import ARCHITECTURES, build, load, load_state

from . import published


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint in RobFR's MobileFace layout, and a home of its own for what is registered."""
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    path = tmp_path / "mine.pth"
    torch.save({"state_dict": published.filled(published.Xiaoccer((7, 7), 512)).state_dict()}, path)
    return path


def test_every_record_names_a_layout_and_builds() -> None:
    for record in zoo.WEIGHTS:
        with torch.device("meta"):
            network = build(record)
        assert network.name == record.name
        assert network.cut == (record.cut or len(network.layers))
        *_, last = network.layers
        width = getattr(last, "num_features", None) or getattr(last, "out_channels", None)
        assert (width or list(last.children())[-1].num_features) == record.embedding


def test_a_checkpoint_of_your_own_loads_by_name(mine: Path) -> None:
    zoo.register("mine", mine, "robfr-mobileface", input=zoo.Input(bgr=True), cut=5)
    network = load("mine")
    images = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(5))
    theirs = published.filled(published.Xiaoccer((7, 7), 512))
    with torch.no_grad():
        expected = F.normalize(theirs((images.flip(1) * 255 - 127.5) / 128))
        torch.testing.assert_close(network.embed(images), expected, rtol=0, atol=1e-5)
    assert network.name == "mine"
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert (network.cut, load("mine", cut=20).cut) == (5, 20)
    with pytest.raises(UsageError, match=r"a cut must lie in 1\.\.20; got 0"):
        load("mine", cut=0)


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - {"robfr-mobileface"}))
def test_the_wrong_architecture_is_a_bad_checkpoint(mine: Path, architecture: str) -> None:
    """Also where the key mapping itself stumbles over what is missing."""
    zoo.register("mine", mine, architecture)
    with torch.device("meta"), pytest.raises(BadCheckpoint, match="does not"):
        load("mine")


def test_an_unknown_architecture_is_a_usage_error(mine: Path) -> None:
    record = replace(zoo.WEIGHTS[0], name="odd", architecture="vgg")
    with pytest.raises(UsageError, match="odd has the unknown architecture 'vgg'; there are mobilefacenet-xiaoccer,"):
        build(record)


def test_an_unknown_name_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="mobilefacenet-casia"):
        load("no-such-network")


class TestLoadState:
    """Strict, and all or nothing."""

    @pytest.fixture
    def network(self) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))

    def test_what_fits_is_loaded(self, network: nn.Sequential) -> None:
        state = {k: torch.rand_like(v.float()) for k, v in network.state_dict().items()}
        del state["1.num_batches_tracked"]
        load_state(network, state, "a state")
        assert all(torch.equal(network.state_dict()[k], v) for k, v in state.items())

    def test_batch_counters_may_come_or_go(self, network: nn.Sequential) -> None:
        state = {**network.state_dict(), "9.num_batches_tracked": torch.tensor(1)}
        load_state(network, state, "a state")

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda s: s.pop("0.weight"), r"1 weights are missing \['0.weight'\], 0 are unknown"),
            (lambda s: s.update(head=torch.zeros(1)), r"0 weights are missing \[\], 1 are unknown \['head'\]"),
            (lambda s: s.update({"1.bias": torch.zeros(5)}), r"1.bias must have shape \(4,\), got \(5,\)"),
            (lambda s: s.update({"1.bias": torch.zeros(4).to_sparse()}), "1.bias must"),
        ],
    )
    def test_what_does_not_fit_changes_nothing(
        self, network: nn.Sequential, change: Callable[[dict[str, torch.Tensor]], object], says: str
    ) -> None:
        before = {k: v.clone() for k, v in network.state_dict().items()}
        state = {k: v + 1 for k, v in before.items()}
        change(state)
        with pytest.raises(BadCheckpoint, match=f"^here does not fit Sequential: .*{says}"):
            load_state(network, state, "here")
        assert all(torch.equal(network.state_dict()[k], v) for k, v in before.items())
