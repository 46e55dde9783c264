"""The studies that `bauta study run` knows: which systems, which attackers, on how many pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bauta.study.presets.abuse import CURVE_FILTERS, SERVICES, abuse, bare, depth, pmt_abuse
from bauta.study.presets.parties import MOBILEFACENETS, READERS, authorize, readers
from bauta.study.presets.settings import Settings, public_faces, stamped
from bauta.study.published import PAPER_READERS, PAPER_TABLE_VII_LFW
from bauta.study.records import Row

STUDIES: dict[str, Callable[[Settings, bool], Iterator[Row]]] = {"pmt-abuse": pmt_abuse}

__all__ = [
    "CURVE_FILTERS",
    "MOBILEFACENETS",
    "PAPER_READERS",
    "PAPER_TABLE_VII_LFW",
    "READERS",
    "SERVICES",
    "STUDIES",
    "Settings",
    "abuse",
    "authorize",
    "bare",
    "depth",
    "pmt_abuse",
    "public_faces",
    "readers",
    "stamped",
]
