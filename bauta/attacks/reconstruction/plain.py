"""The same training as RecFace's on another network: a plain decoder."""

from __future__ import annotations

from bauta.attacks.reconstruction.recface import RecFace


class PlainFace(RecFace):
    """`RecFace` with four plain blocks of transposed convolutions for its U-Net (`bauta.generators.PlainDecoder`).

    Adversarial features are made against a network like RecFace's own; what they do to a decoder of another
    architecture tells how far the noise reaches beyond it. Options, threat models and defaults as RecFace's.
    """

    decoder = "plain"
