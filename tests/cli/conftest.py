"""What tests of commands share: a terminal in a home of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bauta import zoo
from bauta.cli import main
from bauta.recognizers import Preprocess
from bauta.recognizers.mobileface import MobileFaceV3


@pytest.fixture
def bauta(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in a home of its own that knows one network, "mine"; its exit code, output and errors."""
    monkeypatch.setenv("BAUTA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("BAUTA_MIRROR", raising=False)
    network = MobileFaceV3(Preprocess())
    g = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = torch.randn(module.weight.shape, generator=g) * (2 / module.weight[0].numel()) ** 0.5
    save_file(network.state_dict(), tmp_path / "mine.safetensors")
    zoo.register("mine", tmp_path / "mine.safetensors", "mobileface-v3", embedding=256, threshold=0.01, cut=3)

    def call(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bauta", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, errors = capsys.readouterr()
        return code, out, errors

    return call
