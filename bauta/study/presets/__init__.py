"""The studies that `bauta study run` knows: which systems, which attackers, on how many pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bauta.study.presets.ablation import pmt_ablation
from bauta.study.presets.abuse import abuse, bare, depth, pmt_abuse
from bauta.study.presets.advface import advface
from bauta.study.presets.attributes import pmt_attributes
from bauta.study.presets.chameleon import chameleon
from bauta.study.presets.embedded import pmt_embedded
from bauta.study.presets.frequency import frequency
from bauta.study.presets.map2v import map2v, map2v_full
from bauta.study.presets.parameters import pmt_parameters
from bauta.study.presets.parties import CURVE_FILTERS, MOBILEFACENETS, READERS, authorize, readers
from bauta.study.presets.reconstruction import pmt_reconstruction
from bauta.study.presets.robustness import pmt_robustness
from bauta.study.presets.scalability import pmt_scalability
from bauta.study.presets.settings import Settings, public_faces, stamped
from bauta.study.published import PAPER_READERS, PAPER_TABLE_VII_LFW
from bauta.study.records import Row

STUDIES: dict[str, Callable[[Settings, bool], Iterator[Row]]] = {
    "pmt-abuse": pmt_abuse,
    "pmt-reconstruction": pmt_reconstruction,
    "pmt-attributes": pmt_attributes,
    "pmt-parameters": pmt_parameters,
    "pmt-robustness": pmt_robustness,
    "pmt-scalability": pmt_scalability,
    "pmt-ablation": pmt_ablation,
    "pmt-embedded": pmt_embedded,
    "chameleon": chameleon,
    "advface": advface,
    "frequency": frequency,
    "map2v": map2v,
    "map2v-full": map2v_full,
}

__all__ = [
    "CURVE_FILTERS",
    "MOBILEFACENETS",
    "PAPER_READERS",
    "PAPER_TABLE_VII_LFW",
    "READERS",
    "STUDIES",
    "Settings",
    "abuse",
    "advface",
    "authorize",
    "bare",
    "chameleon",
    "depth",
    "frequency",
    "map2v",
    "map2v_full",
    "pmt_ablation",
    "pmt_abuse",
    "pmt_attributes",
    "pmt_embedded",
    "pmt_parameters",
    "pmt_reconstruction",
    "pmt_robustness",
    "pmt_scalability",
    "public_faces",
    "readers",
    "stamped",
]
