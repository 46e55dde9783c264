"""A recognizer with protections in place: what each party sees. Everything passes through here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.ops.quantize import through_8bit
from bauta.protections.base import FeatureProtection, Protection
from bauta.recognizers.base import Recognizer
from bauta.types import Faces, Features, Images, Stage, Templates


class Pipeline(nn.Module):
    """Photos in, and at every stage what a party there sees.

    recognizer: cut where the device ends. protections: applied in this order, each at its own stage. twin: the plain
    recognizer of the same task, for `bare`, when a protection changes the number of channels.
    Pictures pass 8-bit rounding after every image step, because what leaves a device is a file; gradients pass it
    unchanged.
    """

    def __init__(self, recognizer: Recognizer, *protections: Protection, twin: Recognizer | None = None) -> None:
        super().__init__()
        self.recognizer = recognizer
        self._parts = nn.ModuleList(protections)
        self.twin = twin

    @property
    def protections(self) -> list[Protection]:
        """The protections, in the order in which they are applied."""
        return [part for part in self._parts if isinstance(part, Protection)]

    @property
    def widened(self) -> bool:
        """Whether the wire has another form than the bare recognizer's, so that the server was built for it alone."""
        return any(isinstance(p, FeatureProtection) and p.changes_channels for p in self.protections)

    def _protected(self, stage: Stage, x: Tensor, faces: Faces) -> Tensor:
        for protection in self.protections:
            if protection.stage is stage:
                x = protection(x, faces)
                if stage is Stage.IMAGES:
                    x = through_8bit(x)
        return x

    def images(self, faces: Faces) -> Images:
        """What a viewer of the uploaded pictures sees."""
        return self._protected(Stage.IMAGES, through_8bit(faces.images), faces)

    def features(self, faces: Faces) -> Features:
        """What crosses the wire."""
        return self._protected(Stage.FEATURES, self.recognizer.features(self.images(faces)), faces)

    def templates(self, faces: Faces) -> Templates:
        """What the database holds."""
        return self._protected(Stage.TEMPLATES, self.recognizer.templates(self.features(faces)), faces)

    def at(self, stage: Stage, faces: Faces) -> Tensor:
        """What is seen at a stage. Scores belong to a matcher with an enrolment: ask a `Victim`."""
        views = {Stage.IMAGES: self.images, Stage.FEATURES: self.features, Stage.TEMPLATES: self.templates}
        if stage not in views:
            raise UsageError("A pipeline has images, features and templates; scores are answered by Victim.score.")
        return views[stage](faces)

    def bare(self) -> Pipeline:
        """The same recognizer without protections (its twin, where the protections changed its input)."""
        if self.twin is None and self.widened:
            raise UsageError("A protection changes the channels of the features: give the plain recognizer as twin=.")
        return Pipeline(self.twin or self.recognizer)

    def rekeyed(self, seed: int) -> Self:
        """The same protections with other keys and draws: how an attacker who knows the scheme runs it himself."""
        return type(self)(self.recognizer, *(p.rekeyed(seed) for p in self.protections), twin=self.twin)


@dataclass(frozen=True)
class System:
    """Who is protected when two pictures meet: the probe's pipeline and the gallery's."""

    probe: Pipeline
    gallery: Pipeline

    @property
    def exposed(self) -> Pipeline:
        """The side whose data an attacker has: the probe's, unless the gallery alone is protected (a database)."""
        return self.gallery if self.gallery.protections and not self.probe.protections else self.probe

    @property
    def opposite(self) -> Pipeline:
        """The side that what leaked is compared with."""
        return self.probe if self.exposed is self.gallery else self.gallery
