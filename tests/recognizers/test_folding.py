"""The inference form is the same function: outputs and input gradients against the network as it was built."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bauta.recognizers import Preprocess, Recognizer, iresnet
from bauta.recognizers.folding import FrozenPReLU, folded, folded_client
from bauta.recognizers.mobileface import MobileFaceV3
from bauta.recognizers.mobilefacenet import MobileFaceNet, MobileFaceNetReLU6

from .published import filled

NETWORKS: dict[str, Callable[[], Recognizer]] = {
    "mobilefacenet": lambda: MobileFaceNet(Preprocess(columns=(8, 104)), grid=(7, 6)),
    "relu6": lambda: MobileFaceNetReLU6(Preprocess((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
    "v3": lambda: MobileFaceV3(Preprocess()),
    "iresnet": lambda: iresnet.IResNet(Preprocess(), units=(1, 1, 1, 1)),
}


def made(name: str, dtype: torch.dtype) -> Recognizer:
    network = NETWORKS[name]()
    filled(network)
    for module in network.modules():
        if isinstance(module, nn.PReLU):
            with torch.no_grad():
                module.weight[::2] = -module.weight[::2].abs() - 0.1
    network.to(dtype)
    return network.eval()


def picture(dtype: torch.dtype) -> Tensor:
    return torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0)).to(dtype)


def answers(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The output and the gradient of a fixed random direction of it, both scaled to the size of the largest entry."""
    x = x.clone().requires_grad_(True)
    y = function(x)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
    (gradient,) = torch.autograd.grad((y * weight).sum(), x)
    return y.detach(), gradient


def apart(a: Tensor, b: Tensor) -> float:
    """The largest difference in units of the largest entry."""
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_function_and_gradient(name: str) -> None:
    network, x = made(name, torch.float64), picture(torch.float64)
    state = copy.deepcopy(network.state_dict())
    client = folded_client(network)
    for ours, theirs in zip(answers(client, x), answers(network.features, x), strict=True):
        assert apart(ours, theirs) < 1e-12
    assert all(torch.equal(state[k], v) for k, v in network.state_dict().items()), "the original was touched"
    assert all(p.requires_grad for p in network.parameters()), "the original was frozen"
    assert not any(p.requires_grad for p in client.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_folding_costs_no_precision(name: str) -> None:
    """In float32, measured from the float64 truth: outputs as near as those of the network as it was built.

    A gradient jumps where rounding moves a value over an activation's kink, so that one is compared as a whole.
    """
    truth = answers(made(name, torch.float64).features, picture(torch.float64))
    network = made(name, torch.float32)
    ours = answers(folded_client(network), picture(torch.float32))
    plain = answers(network.features, picture(torch.float32))
    assert apart(ours[0].double(), truth[0]) < 1e-5
    error, usual = ((x[0].double() - truth[0]).norm() / truth[0].norm() for x in (ours, plain))
    assert error < 2 * usual + 1e-6
    assert (ours[1].double() - truth[1]).norm() < 0.01 * truth[1].norm()


@pytest.mark.parametrize("name", ["mobilefacenet", "relu6"])
def test_iterating_the_client_gives_its_layers(name: str) -> None:
    network = made(name, torch.float64).at_cut(4)
    x = picture(torch.float64)
    layers = list(folded_client(network).named_children())
    assert [n for n, _ in layers] == network.layer_names()[:4]
    y = x
    with torch.no_grad():
        maps = network.feature_maps(x)
    for (_, layer), theirs in zip(layers, maps, strict=True):
        y = layer(y)
        assert apart(y, theirs) < 1e-12


def test_a_batch_norm_after_a_convolution_is_gone() -> None:
    kinds = [type(m) for m in folded(made("mobilefacenet", torch.float32)).modules()]
    assert nn.BatchNorm2d not in kinds
    assert nn.PReLU not in kinds
    assert kinds.count(FrozenPReLU) == 2 + 2 * 15 + 1


def test_a_network_in_training_mode_folds_as_it_will_be_used() -> None:
    network = made("v3", torch.float64)
    x = picture(torch.float64)
    with torch.no_grad():
        wanted = network.features(x)
        assert apart(folded_client(network.train())(x), wanted) < 1e-12
    assert network.training


@pytest.mark.parametrize("shape", [(3, 5, 4, 4), (3, 5)])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_frozen_prelu_is_torchs(shape: tuple[int, ...], memory: torch.memory_format) -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=g, dtype=torch.float64)
    x.view(-1)[::7] = 0  # at the kink too
    x = x.contiguous(memory_format=memory) if x.ndim == 4 else x
    theirs = nn.PReLU(5).double()
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor([0.25, -0.5, 0.0, 1.5, 1.0]))
    ours = FrozenPReLU(theirs.weight)
    for a, b in zip(answers(ours, x), answers(theirs, x), strict=True):
        assert torch.allclose(a, b, atol=1e-15)
    with torch.no_grad():
        theirs.weight.fill_(9.0)
    assert float(ours.slope.max()) == 1.5, "its slopes are a copy"
