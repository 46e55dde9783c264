"""NbNet: a decoder of neighborly de-convolutions, from stored templates to faces."""

from __future__ import annotations

from bauta.attacks.base import Knowledge
from bauta.attacks.reconstruction.recface import RecFace
from bauta.types import Stage


class NbNet(RecFace):
    """Templates -> faces by `bauta.generators.NbNetDecoder` (Mai et al., "On the Reconstruction of Face Images from
    Deep Face Templates", TPAMI 2019), trained on (template, picture) pairs of public faces.

    Unaware as the paper has it: the attacker has the bare recognizer as a black box. ``knowing(knows=Knows.SCHEME)``
    learns from protected templates, with keys of his own. Options and threat models as RecFace's.

    The paper trains on the endless faces of a generator, first on the mean absolute error and then on a perceptual
    loss by VGG-19, with Adam at 2e-4 for up to 80 epochs. Here the public faces are what there is, the training is
    RecFace's (AdamW in one cycle), and `perceptual` stands beside `loss` from the first step on; ``loss="l1"`` without
    it is the paper's first stage. The default 600 steps are a beginning: 250 of 16 pairs at 112 pixels, width 0.25,
    gave little more than the mean face.
    """

    default_knowledge = Knowledge(sees=Stage.TEMPLATES)
    decoder = "nbnet"
