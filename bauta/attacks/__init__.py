"""Attacks: what a viewer, a foreign recognizer, the wire, the database or an insider makes of a leak."""

from __future__ import annotations

from bauta.attacks.base import Access, Attack, Knowledge, Knows, Reconstruction, Reidentification, Victim
from bauta.attacks.purify import FILTERS, Purify
from bauta.attacks.reidentification.client_holder import ClientHolder, Linkage
from bauta.attacks.reidentification.foreign import ForeignRecognizer

ALL = (ForeignRecognizer, ClientHolder, Linkage, Purify)

__all__ = [
    "ALL",
    "FILTERS",
    "Access",
    "Attack",
    "ClientHolder",
    "ForeignRecognizer",
    "Knowledge",
    "Knows",
    "Linkage",
    "Purify",
    "Reconstruction",
    "Reidentification",
    "Victim",
]
