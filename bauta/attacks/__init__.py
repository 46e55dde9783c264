"""Attacks: what a viewer, a foreign recognizer, the wire, the database or an insider makes of a leak."""

from __future__ import annotations

from bauta.attacks.attributes.foreign import ForeignEstimator
from bauta.attacks.attributes.probes import CNNProbe, LogisticProbe, MLPProbe
from bauta.attacks.attributes.transfer import TransferProbe
from bauta.attacks.base import (
    Access,
    Attack,
    AttributeInference,
    Guess,
    Knowledge,
    Knows,
    Reconstruction,
    Reidentification,
    Relayed,
    Victim,
    Wrapper,
)
from bauta.attacks.client_holder import ClientHolder
from bauta.attacks.purify import FILTERS, Purify
from bauta.attacks.reconstruction.averaging import Averaging, KnownPairs
from bauta.attacks.reconstruction.denoiser import Denoiser
from bauta.attacks.reconstruction.inversion import Inversion
from bauta.attacks.reconstruction.plain import PlainFace
from bauta.attacks.reconstruction.recface import RecFace
from bauta.attacks.reconstruction.unsplit import UnSplit
from bauta.attacks.reidentification.comparison import Comparison
from bauta.attacks.reidentification.foreign import ForeignRecognizer
from bauta.attacks.reidentification.linkage import Linkage
from bauta.attacks.via import Via

ALL = (
    ForeignRecognizer,
    ClientHolder,
    Comparison,
    Linkage,
    Purify,
    Via,
    RecFace,
    PlainFace,
    Denoiser,
    Inversion,
    UnSplit,
    Averaging,
    KnownPairs,
    ForeignEstimator,
    LogisticProbe,
    MLPProbe,
    CNNProbe,
    TransferProbe,
)

__all__ = [
    "ALL",
    "FILTERS",
    "Access",
    "Attack",
    "AttributeInference",
    "Averaging",
    "CNNProbe",
    "ClientHolder",
    "Comparison",
    "Denoiser",
    "ForeignEstimator",
    "ForeignRecognizer",
    "Guess",
    "Inversion",
    "Knowledge",
    "KnownPairs",
    "Knows",
    "Linkage",
    "LogisticProbe",
    "MLPProbe",
    "PlainFace",
    "Purify",
    "RecFace",
    "Reconstruction",
    "Reidentification",
    "Relayed",
    "TransferProbe",
    "UnSplit",
    "Via",
    "Victim",
    "Wrapper",
]
