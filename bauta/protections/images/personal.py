"""One additive picture a person: what all personal masks share, however they are learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Generator, Tensor

from bauta.errors import ShapeError, UsageError, check_shape
from bauta.ops.noise import generators
from bauta.protections.base import ImageProtection
from bauta.protections.images.team import Team
from bauta.recognizers.base import Recognizer
from bauta.types import Faces, Images


class PersonalMask(ImageProtection):
    """Base of masks: a subclass says how one is learned (`learn`) from the photos of one person.

    `fit(faces, recognizer, ...)` learns a mask for each identity in `faces` against the team of recognizers; `forward`
    adds to each picture the mask of its person, times `strength`, and clips. A gray picture gets the mask's average
    over the channels and stays gray. `remove` subtracts what was added, which loses only what clipping took.

    The mask is the key. `rekeyed` stands for somebody who knows the method and not the masks: he learns masks of his
    own, from whatever pictures he brings, of each person among them.
    """

    needs: ClassVar[tuple[str, ...]] = ("recognizers", "photos of the person")
    trains = "a mask for each person"
    strength: float = 1.0
    seed: int
    team_: Team
    masks_: dict[int, Tensor]  # person -> (3, H, W) in units of [0, 1]
    _own: bool = False  # whether people without a mask get one from the pictures that come

    def learn(self, images: Images, team: Team, draws: Generator) -> Tensor:
        """(B, 3, H, W) of one person -> (3, H, W): what is to be added."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a mask is learned.")

    def fit(self, faces: Faces | None, *recognizers: Recognizer) -> Self:
        """Learn one mask a person. Raises `UsageError` without faces, identities or recognizers."""
        if faces is None or faces.identity is None or not len(faces):
            raise UsageError(f"{type(self).__name__} is learned from photos of known people: give faces with identity.")
        self.team_ = Team(*recognizers)
        self.masks_ = {}
        self._learn(faces.images, faces.identity)
        return self

    def forward(self, x: Images, faces: Faces | None = None) -> Images:
        return (x + self.of(x, faces)).clamp(0, 1)

    def remove(self, x: Images, faces: Faces | None = None) -> Images:
        """The pictures without their person's mask: what whoever has the key gets back."""
        return (x - self.of(x, faces)).clamp(0, 1)

    def of(self, x: Images, faces: Faces | None) -> Tensor:
        """What is added to each picture, (B, 3, H, W). Raises `UsageError` for somebody who has no mask."""
        check_shape(x, "B 3 H W", "images")
        people = self._people(x, faces)
        if self._own:
            self._learn(x, people)
        rows = people.tolist()
        unknown = sorted(set(rows) - set(self.masks_))
        if unknown:
            raise UsageError(
                f"{type(self).__name__} has no mask for person {unknown[0]} ({len(unknown)} without in all); "
                "fit it on photos of them first."
            )
        masks = torch.stack([self.masks_[person] for person in rows]).to(x) if rows else torch.zeros_like(x)
        if masks.shape != x.shape:
            raise ShapeError(f"The masks are for pictures {tuple(masks.shape[1:])}, got {tuple(x.shape[1:])}.")
        return self.strength * torch.where(colorless(x), masks.mean(1, keepdim=True), masks)

    def rekeyed(self, seed: int) -> Self:
        """The method with masks of somebody else's making."""
        other = super().rekeyed(seed)
        other.masks_, other._own = {}, True
        return other

    def _people(self, x: Images, faces: Faces | None) -> Tensor:
        if faces is not None and faces.identity is not None:
            return faces.identity
        if not self._own:
            raise UsageError(f"{type(self).__name__} must know whose picture it masks: pass faces with identity.")
        return torch.zeros(len(x), dtype=torch.long)  # whoever brings his own pictures unnamed: one person

    def _learn(self, images: Images, people: Tensor) -> None:
        for person in torch.unique(people).tolist():
            if person not in self.masks_:
                (draws,) = generators(self.seed, [str(person)], "mask")
                with torch.enable_grad():  # of the mask; a caller that needs no gradient may have switched it off
                    mask = self.learn(images[people == person].detach(), self.team_, draws)
                self.masks_[person] = mask.detach()

    def people(self) -> Sequence[int]:
        """Who has a mask."""
        return sorted(self.masks_)


def colorless(images: Images) -> Tensor:
    """(B, 1, 1, 1) bool: which pictures have no color at all."""
    return (images[:, :1] == images).flatten(1).all(1)[:, None, None, None]
