"""Attacks: what a viewer, a foreign recognizer, the wire, the database or an insider makes of a leak."""

from __future__ import annotations

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
from bauta.attacks.reidentification.comparison import Comparison
from bauta.attacks.reidentification.foreign import ForeignRecognizer
from bauta.attacks.via import Via

ALL = (ForeignRecognizer, ClientHolder, Comparison, Purify, Via)

__all__ = [
    "ALL",
    "FILTERS",
    "Access",
    "Attack",
    "AttributeInference",
    "ClientHolder",
    "Comparison",
    "ForeignRecognizer",
    "Guess",
    "Knowledge",
    "Knows",
    "Purify",
    "Reconstruction",
    "Reidentification",
    "Relayed",
    "Via",
    "Victim",
    "Wrapper",
]
