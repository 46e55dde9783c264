"""From templates to the latents of a prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.errors import ShapeError, check_shape


class LatentRegressor(nn.Module):
    """Templates (B, inputs) -> working latents (B, *shape): a ridge regression and, on top, what two layers learn.

    `regress` sets centers, spreads and the regression in closed form; until the two layers (leaky ReLU between them)
    are trained they add nothing.

    inputs: length of a template. shape: of one latent. width: hidden units.
    """

    center: Tensor
    spread: Tensor
    middle: Tensor
    scale: Tensor

    def __init__(self, inputs: int, shape: Sequence[int], *, width: int = 1024) -> None:
        super().__init__()
        self.inputs, self.shape = inputs, tuple(shape)
        count = torch.Size(self.shape).numel()
        for name, length, value in (
            ("center", inputs, 0.0), ("spread", inputs, 1.0), ("middle", count, 0.0), ("scale", count, 1.0),
        ):  # fmt: skip
            self.register_buffer(name, torch.full((length,), value))
        self.straight = nn.Linear(inputs, count, bias=False)
        self.first = nn.Linear(inputs, width)
        self.second = nn.Linear(width, count)
        for idle in (self.straight.weight, self.second.weight, self.second.bias):
            nn.init.zeros_(idle)

    def forward(self, templates: Tensor) -> Tensor:
        check_shape(templates, f"B {self.inputs}", "templates")
        latents: Tensor = self.middle + self.scale * self.standard(templates)
        return latents.view(-1, *self.shape)

    def standard(self, templates: Tensor) -> Tensor:
        """(B, numbers of a latent) in units of the draws' own deviation, around their mean."""
        x = (templates.float() - self.center) / self.spread
        found: Tensor = self.straight(x) + self.second(F.leaky_relu(self.first(x), 0.2))
        return found

    def standardized(self, latents: Tensor) -> Tensor:
        """Latents (B, *shape) as `standard` gives them."""
        return (latents.flatten(1) - self.middle) / self.scale

    def regress(self, templates: Tensor, latents: Tensor, *, ridge: float) -> Self:
        """Set the regression of latents (N, *shape) on templates (N, inputs); returns self.

        ridge: added to the diagonal of the templates' correlations, as a share of 1. Raises `ShapeError`.
        """
        if tuple(templates.shape[1:]) != (self.inputs,) or tuple(latents.shape[1:]) != self.shape:
            raise ShapeError(
                f"This regressor takes templates of {self.inputs} numbers to latents of shape {self.shape}, got "
                f"{tuple(templates.shape)} and {tuple(latents.shape)}; fit the attack at this stage."
            )
        with torch.no_grad():
            rows, goals = templates.double(), latents.flatten(1).double()
            self.center.copy_(rows.mean(0))
            self.spread.copy_(rows.std(0).clamp_min(1e-6))
            self.middle.copy_(goals.mean(0))
            self.scale.copy_(goals.std(0).clamp_min(1e-6))
            x = (rows - rows.mean(0)) / rows.std(0).clamp_min(1e-6)
            y = (goals - goals.mean(0)) / goals.std(0).clamp_min(1e-6)
            across = x.T @ x / len(x) + ridge * torch.eye(self.inputs, dtype=x.dtype, device=x.device)
            self.straight.weight.copy_(torch.linalg.solve(across, x.T @ y / len(x)).T)
        return self
