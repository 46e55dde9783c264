"""A probe that sees pictures through the layers of a recognizer of the attacker's own."""

from __future__ import annotations

import torch
from torch import Tensor

from bauta.attacks.attributes.learning import pooled
from bauta.attacks.attributes.probes import MLPProbe
from bauta.attacks.base import Knowledge
from bauta.errors import ShapeError
from bauta.recognizers import Recognizer, load
from bauta.recognizers.folding import folded
from bauta.types import Stage


class TransferProbe(MLPProbe):
    """`MLPProbe` on the middle layers of a public recognizer, which the attacker runs on the leaked picture.

    What such layers know of faces takes a network of a few thousand pictures, like `CNNProbe`, too long to learn.
    recognizer: a zoo name, or a network. cut: how many of its layers; by default twelve, about its middle for a
    MobileFaceNet.
    """

    default_knowledge = Knowledge(sees=Stage.IMAGES)

    def __init__(
        self,
        attribute: str,
        recognizer: str | Recognizer = "mobilefacenet-y1-ms1m",
        *,
        cut: int = 12,
        components: int = 384,
        width: int = 256,
        epochs: int = 30,
        seed: int = 0,
    ) -> None:
        super().__init__(attribute, components=components, width=width, epochs=epochs, seed=seed)
        self.cut = cut
        self.recognizer = load(recognizer) if isinstance(recognizer, str) else recognizer
        self._trunk = folded(self.recognizer.at_cut(cut))

    def __repr__(self) -> str:
        return f"TransferProbe({self.attribute!r}, {self.recognizer.name!r}, cut={self.cut}, seed={self.seed})"

    def _rows(self, leak: Tensor) -> Tensor:
        if leak.ndim != 4 or leak.shape[1] != 3:
            raise ShapeError(f"TransferProbe reads pictures (B, 3, H, W), got {tuple(leak.shape)}; use MLPProbe there.")
        with torch.no_grad():
            return pooled(self._trunk.features(leak))
