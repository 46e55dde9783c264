"""What is minimized: terms over the embeddings that a pipeline gives while its protections are in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.pipeline import Pipeline
from bauta.protections import Protection
from bauta.recognizers.heads import Head
from bauta.train.batches import Batch
from bauta.types import Faces

__all__ = ["Auxiliary", "Identity", "Minimized", "Objective", "embeddings"]


def embeddings(pipeline: Pipeline, batch: Batch) -> Tensor:
    """(B, D) of the pipeline's recognizer, before they are made unit rows, with every image and feature protection in
    place. Template protections come after what is trained, and take no part.

    A client without weights (a DCT) and the protections are computed in 32 bits also under autocast: what crosses the
    wire in use is not rounded to bfloat16 either.
    """
    recognizer = pipeline.recognizer
    client = list(recognizer.layers)[: recognizer.cut]
    bare = not any(True for layer in client for _ in layer.parameters())
    kind = batch.faces.images.device.type
    with torch.autocast(kind, enabled=torch.is_autocast_enabled(kind) and not bare):
        features = pipeline.features(batch.faces)
    return recognizer.embedding(features)


@runtime_checkable
class Auxiliary(Protocol):
    """A protection that adds a loss of its own to the training, as MinusFace's first stage does."""

    def auxiliary_loss(self, x: Tensor, made: Tensor, faces: Faces | None = None) -> Tensor:
        """One number, from what came in and what went out of its forward."""
        ...


class Minimized(nn.Module):
    """Base: batch -> {name: loss}, whose sum is minimized over all parameters that want a gradient.

    protections: through which its pictures pass. groups: the parameters that protections train at a rate of their own.
    """

    @property
    def protections(self) -> Sequence[Protection]:
        return ()

    def groups(self) -> list[dict[str, object]]:
        """The protections' groups of parameters."""
        return [group for protection in self.protections for group in protection.param_groups()]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        raise NotImplementedError(f"{type(self).__name__} does not say what it minimizes.")


class Objective(Minimized):
    """Batch -> {name: loss}, whose sum is minimized. terms: name -> module of (embeddings (B, D), batch) -> one number.

    A protection with an `auxiliary_loss` adds it, under its class's name. Trained are the recognizer, the parameters
    that protections name in `param_groups`, and the terms'. A fitted protection without such parameters, and the twin,
    stay as they are, also in their mode.
    """

    def __init__(self, pipeline: Pipeline, terms: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.pipeline = pipeline
        self.terms = nn.ModuleDict(terms)
        self.requires_grad_(False)
        self.pipeline.recognizer.requires_grad_(True)
        self.terms.requires_grad_(True)
        for group in self.groups():
            for parameter in group["params"]:  # type: ignore[attr-defined]
                parameter.requires_grad_(True)

    @property
    def protections(self) -> Sequence[Protection]:
        return self.pipeline.protections

    def train(self, mode: bool = True) -> Self:
        """Training mode for what is trained and for the protections that are; evaluation mode for the rest."""
        super().train(mode)
        for protection in self.pipeline.protections:
            protection.train(mode and bool(protection.param_groups()))
        if self.pipeline.twin is not None:
            self.pipeline.twin.eval()
        return self

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}

        def watch(protection: nn.Module, given: tuple[Tensor, Faces], made: Tensor) -> None:
            if isinstance(protection, Auxiliary):
                name = type(protection).__name__
                losses[name] = losses.get(name, 0) + protection.auxiliary_loss(given[0], made, batch.faces)

        watched = [protection.register_forward_hook(watch) for protection in self.pipeline.protections]
        try:
            found = embeddings(self.pipeline, batch).float()
        finally:
            for handle in watched:
                handle.remove()
        return {name: term(found, batch) for name, term in self.terms.items()} | losses


class Identity(nn.Module):
    """Cross-entropy of a head over the training people, times `weight`; rows that show none of them are passed over."""

    def __init__(self, head: Head, weight: float = 1.0) -> None:
        super().__init__()
        self.head, self.weight = head, weight

    def forward(self, embeddings: Tensor, batch: Batch) -> Tensor:
        known = batch.identity >= 0
        if not known.any():
            return embeddings.sum() * 0
        who = batch.identity[known]
        return self.weight * F.cross_entropy(self.head(embeddings[known], who), who)
