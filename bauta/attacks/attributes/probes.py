"""Probes: readers of one attribute that the attacker trains on public faces of his own."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bauta.attacks.attributes.learning import Beside, Loss, Projection, best_penalty, linear, pooled, read, train
from bauta.attacks.base import AttributeInference, Knowledge, Victim
from bauta.errors import UsageError
from bauta.faces import split_by_identity
from bauta.ops.seeds import seeded
from bauta.spec import recipe
from bauta.types import Faces, Stage

QUANTITIES = ("age",)
HELD = 0.15  # of the public people, to choose by
FEWEST = 4  # public people: at least one is held out
PENALTIES = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)


class Task(NamedTuple):
    """What a probe learns from: rows and targets, some of them held out; how many outputs; the loss."""

    rows: Tensor
    target: Tensor
    held: Tensor
    held_target: Tensor
    outputs: int
    loss: Loss


class Probe(AttributeInference):
    """Base of the probes. `_learn` makes a reader of rows as `_rows` gives them.

    attribute: a name in `Faces.attributes`; unlabelled faces are left out, "age" is a quantity in years and the others
    are classes, which weigh the same however many faces each has. What regularizes is chosen on a part of the public
    people. How much the attacker knows of the protection shows in the faces that `Victim.observe` gives him.
    `classes_`: the labels seen, sorted, none for a quantity. `fit` raises `UsageError`.
    """

    attribute: str
    seed: int
    classes_: tuple[int, ...]
    center_: float
    scale_: float
    reader_: nn.Module

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        known = self._labelled(public)
        people = len(set(known.digests() if known.identity is None else known.identity.tolist()))
        if people < FEWEST:
            raise UsageError(
                f"A probe needs {FEWEST} public people whose {self.attribute} is known, got {people}: too few."
            )
        learned, held = split_by_identity(known, (1 - HELD, HELD), self.seed)
        fitted = copy.copy(self)
        outputs, loss = fitted._prepare(known.attributes[self.attribute])
        targets = [fitted._target(part.attributes[self.attribute]) for part in (learned, held)]
        with seeded(self.seed):
            rows = [self._observed(part, victim) for part in (learned, held)]
            fitted.reader_ = self._learn(Task(rows[0], targets[0], rows[1], targets[1], outputs, loss))
        return fitted

    def _prepare(self, labels: Tensor) -> tuple[int, Loss]:
        """Note what the labels are; how many outputs that takes, and which loss."""
        if self.attribute in QUANTITIES:
            self.classes_ = ()
            self.center_, self.scale_ = float(labels.float().mean()), max(float(labels.float().std()), 1e-6)
            return 1, _distance
        self.classes_ = tuple(torch.unique(labels.long()).tolist())
        if len(self.classes_) < 2:
            raise UsageError(
                f"A probe of {self.attribute} needs faces of two classes at least, the public ones are all of class "
                f"{self.classes_[0]}."
            )
        outputs = self.classes_[-1] + 1
        return outputs, _weighted(labels.long(), outputs)

    def _target(self, labels: Tensor) -> Tensor:
        if self.attribute in QUANTITIES:
            return ((labels.float() - self.center_) / self.scale_)[:, None]
        return labels.long()

    def __call__(self, leak: Tensor, victim: Victim) -> Tensor:
        if not hasattr(self, "reader_"):
            raise UsageError(f"{self!r} is untrained; call fit with public faces first.")
        guess = torch.cat([read(self.reader_, self._rows(some)) for some in torch.split(leak, 64)])
        if self.attribute in QUANTITIES:
            return guess * self.scale_ + self.center_
        unseen = torch.ones(guess.shape[1], dtype=torch.bool)
        unseen[list(self.classes_)] = False
        return torch.where(unseen, guess.amin(1, keepdim=True) - 1, guess)

    def _rows(self, leak: Tensor) -> Tensor:
        """The leak as the reader takes it, (B, C, h, w)."""
        return pooled(leak)

    def _observed(self, faces: Faces, victim: Victim) -> Tensor:
        return torch.cat([self._rows(victim.observe(batch)) for batch in faces.batches(64)])

    def _labelled(self, public: Faces | None) -> Faces:
        if public is None:
            raise UsageError(f"{self!r} is trained on public faces, got none; give some with {self.attribute} known.")
        labels = public.attributes.get(self.attribute)
        if labels is None or not (labels >= 0).any():
            there = ", ".join(public.attributes) or "no attribute"
            raise UsageError(f"The public faces are not labelled with {self.attribute}, only with {there}.")
        return public[labels >= 0]

    @abstractmethod
    def _learn(self, task: Task) -> nn.Module:
        """A reader (B, C, h, w) -> (B, outputs); torch's global generator is seeded around it."""

    __repr__ = recipe


class LogisticProbe(Probe):
    """Logistic regression on principal components (for an age: a linear map with Huber's loss).

    components: at most so many.
    """

    default_knowledge = Knowledge(sees=Stage.FEATURES)

    def __init__(self, attribute: str, *, components: int = 256, seed: int = 0) -> None:
        self.attribute, self.components, self.seed = attribute, components, seed

    def _learn(self, task: Task) -> nn.Module:
        projection = Projection(task.rows, self.components)
        rows, held = projection(task.rows), projection(task.held)
        penalty = best_penalty(rows, task.target, held, task.held_target, task.outputs, task.loss, PENALTIES)
        everything = torch.cat([rows, held]), torch.cat([task.target, task.held_target])
        return nn.Sequential(projection, linear(*everything, task.outputs, task.loss, penalty))


class MLPProbe(Probe):
    """A network of two hidden layers on principal components, beside the linear map that reads them best.

    components: at most so many. width: of the hidden layers.
    """

    default_knowledge = Knowledge(sees=Stage.FEATURES)

    def __init__(
        self, attribute: str, *, components: int = 384, width: int = 256, epochs: int = 30, seed: int = 0
    ) -> None:
        self.attribute, self.components, self.width, self.epochs, self.seed = attribute, components, width, epochs, seed

    def _learn(self, task: Task) -> nn.Module:
        projection = Projection(task.rows, self.components)
        rows, held = projection(task.rows), projection(task.held)
        penalty = best_penalty(rows, task.target, held, task.held_target, task.outputs, task.loss, PENALTIES)
        network = Beside(
            linear(rows, task.target, task.outputs, task.loss, penalty),
            nn.Sequential(nn.Dropout(0.2), *_layer(rows.shape[1], self.width), *_layer(self.width, self.width)),
            nn.Linear(self.width, task.outputs),
        )
        reader = train(
            network, rows, task.target, held, task.held_target, task.loss, epochs=self.epochs, rate=2e-3, decay=1e-2
        )
        return nn.Sequential(projection, reader)


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(0.5)]


class CNNProbe(Probe):
    """A small convolutional network on pictures or feature maps, trained from nothing on mirrored and moved copies.

    width: channels after the first layer; they double where the map is halved.
    """

    default_knowledge = Knowledge(sees=Stage.IMAGES)

    def __init__(self, attribute: str, *, width: int = 32, epochs: int = 20, seed: int = 0) -> None:
        self.attribute, self.width, self.epochs, self.seed = attribute, width, epochs, seed

    def _learn(self, task: Task) -> nn.Module:
        network = _network(task.rows, self.width, task.outputs)
        return train(
            network,
            task.rows,
            task.target,
            task.held,
            task.held_target,
            task.loss,
            epochs=self.epochs,
            rate=3e-3,
            decay=5e-2,
            vary=_moved,
        )


def _network(rows: Tensor, width: int, outputs: int) -> nn.Sequential:
    """Convolutions until the map is at most 7 pixels wide, then a mean and a linear map."""
    channels, side = rows.shape[1], min(rows.shape[-2:])
    layers: list[nn.Module] = [nn.BatchNorm2d(channels, affine=False)]
    while side > 7 or len(layers) == 1:
        stride = 2 if side > 7 else 1
        layers += _block(channels, width, stride)
        channels, side, width = width, -(-side // stride), 2 * width
    layers += _block(channels, channels, 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(channels, outputs))


def _block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def _moved(rows: Tensor) -> Tensor:
    """Each row mirrored or not, the batch moved by up to a sixteenth; what leaves on one side enters by reflection."""
    mirrored = torch.rand(len(rows)) < 0.5
    rows = torch.where(mirrored[:, None, None, None], rows.flip(3), rows)
    height, width = rows.shape[-2:]
    room = min(height, width) // 16
    if not room:
        return rows
    down, right = torch.randint(0, 2 * room + 1, (2,)).tolist()
    return F.pad(rows, [room] * 4, mode="reflect")[..., down : down + height, right : right + width]


def _weighted(labels: Tensor, outputs: int) -> Loss:
    """Cross entropy in which every class weighs the same."""
    counts = torch.bincount(labels, minlength=outputs)
    weights = torch.where(counts > 0, len(labels) / counts.clamp_min(1) / int((counts > 0).sum()), 0.0)
    return lambda logits, target: F.cross_entropy(logits, target, weights.to(logits.dtype))


def _distance(guess: Tensor, target: Tensor) -> Tensor:
    """Huber's loss: nearly the absolute error, which the mean absolute error is made of."""
    return F.smooth_l1_loss(guess, target.to(guess.dtype), beta=0.3)
