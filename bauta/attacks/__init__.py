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
from bauta.attacks.oracle import AcceptReject, AnySystem, NoisyScores, Oracle, QuantizedScores, QueryLimit
from bauta.attacks.purify import FILTERS, Purify
from bauta.attacks.reconstruction.averaged import AveragedSearch
from bauta.attacks.reconstruction.averaging import Averaging, KnownPairs
from bauta.attacks.reconstruction.blobs import GaussianBlobs
from bauta.attacks.reconstruction.denoiser import Denoiser
from bauta.attacks.reconstruction.evolution import EvolutionStrategy
from bauta.attacks.reconstruction.inversion import Inversion
from bauta.attacks.reconstruction.latent_mapping import LatentMapping
from bauta.attacks.reconstruction.linear_inversion import LinearInversion
from bauta.attacks.reconstruction.map2v import Map2V
from bauta.attacks.reconstruction.map2v_fast import Map2VFast
from bauta.attacks.reconstruction.nbnet import NbNet
from bauta.attacks.reconstruction.placing import InverseDCT, Unshuffled
from bauta.attacks.reconstruction.plain import PlainFace
from bauta.attacks.reconstruction.recface import RecFace
from bauta.attacks.reconstruction.starts import STARTS, Clustered, MeanStart, RandomStart, Ranked, Start
from bauta.attacks.reconstruction.unsplit import UnSplit
from bauta.attacks.reconstruction.whitebox import Map2VWhiteBox
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
    Unshuffled,
    InverseDCT,
    PlainFace,
    Denoiser,
    Inversion,
    LinearInversion,
    UnSplit,
    Averaging,
    KnownPairs,
    Map2V,
    Map2VFast,
    Map2VWhiteBox,
    AveragedSearch,
    EvolutionStrategy,
    GaussianBlobs,
    LatentMapping,
    NbNet,
    ForeignEstimator,
    LogisticProbe,
    MLPProbe,
    CNNProbe,
    TransferProbe,
)

__all__ = [
    "ALL",
    "FILTERS",
    "STARTS",
    "AcceptReject",
    "Access",
    "AnySystem",
    "Attack",
    "AttributeInference",
    "AveragedSearch",
    "Averaging",
    "CNNProbe",
    "ClientHolder",
    "Clustered",
    "Comparison",
    "Denoiser",
    "EvolutionStrategy",
    "ForeignEstimator",
    "ForeignRecognizer",
    "GaussianBlobs",
    "Guess",
    "InverseDCT",
    "Inversion",
    "Knowledge",
    "KnownPairs",
    "Knows",
    "LatentMapping",
    "LinearInversion",
    "Linkage",
    "LogisticProbe",
    "MLPProbe",
    "Map2V",
    "Map2VFast",
    "Map2VWhiteBox",
    "MeanStart",
    "NbNet",
    "NoisyScores",
    "Oracle",
    "PlainFace",
    "Purify",
    "QuantizedScores",
    "QueryLimit",
    "RandomStart",
    "Ranked",
    "RecFace",
    "Reconstruction",
    "Reidentification",
    "Relayed",
    "Start",
    "TransferProbe",
    "UnSplit",
    "Unshuffled",
    "Via",
    "Victim",
    "Wrapper",
]
