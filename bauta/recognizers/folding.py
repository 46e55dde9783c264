"""A network's inference form: the same function, quicker forward and backward to its input.

Protections and attacks run a frozen network thousands of times and want the gradient of its *input* only. Three exact
rewritings make that two to three times faster on a CPU: batch norm folded into the convolution before it, PReLU with a
backward pass that does not compute the slopes' gradient, and channels-last memory.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bauta.recognizers.base import Recognizer

M = TypeVar("M", bound=nn.Module)


def folded_client(recognizer: Recognizer) -> nn.Sequential:
    """The client's layers of `recognizer`, folded: images -> features at the cut. Iterating it gives the layers."""
    client = nn.Sequential()
    for name, layer in list(recognizer.layers.named_children())[: recognizer.cut]:
        client.add_module(name, folded(layer))
    return client


def folded(module: M) -> M:
    """A frozen copy of `module` in evaluation mode with the same outputs up to rounding."""
    result = copy.deepcopy(module).eval().requires_grad_(False)
    _fold(result)
    for weight in result.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return result


def _fold(module: nn.Module) -> None:
    if isinstance(module, nn.Sequential):
        for (first, a), (second, b) in pairwise(list(module.named_children())):
            if isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d):
                setattr(module, first, fuse_conv_bn_eval(a, b))
                setattr(module, second, nn.Identity())
    for name, child in module.named_children():
        if isinstance(child, nn.PReLU):
            setattr(module, name, FrozenPReLU(child.weight))
        else:
            _fold(child)


class FrozenPReLU(nn.Module):
    """PReLU whose slopes need no gradient: torch computes theirs whether they are frozen or not."""

    slope: Tensor

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.register_buffer("slope", slope.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return _PReLU.apply(x, self.slope)  # type: ignore[no-any-return,no-untyped-call]


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return F.prelu(x, slope)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        x, slope = ctx.saved_tensors
        positive = torch.ops.aten.threshold_backward(gradient, x, 0)
        # positive where x > 0, slope * gradient elsewhere, in one pass
        return positive.lerp_(gradient, slope.view(1, -1, *[1] * (x.ndim - 2))), None
