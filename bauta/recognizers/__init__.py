"""Face recognizers: `load("mobilefacenet-casia")` builds one with its published weights."""

from bauta.recognizers.base import Preprocess, Recognizer
from bauta.recognizers.checkpoints import load_state
from bauta.recognizers.frequency import (
    BlockDCT,
    frequency_compact,
    frequency_irse,
    frequency_small,
    load_frequency_irse,
)
from bauta.recognizers.registry import ARCHITECTURES, build, load

__all__ = [
    "ARCHITECTURES",
    "BlockDCT",
    "Preprocess",
    "Recognizer",
    "build",
    "frequency_compact",
    "frequency_irse",
    "frequency_small",
    "load",
    "load_frequency_irse",
    "load_state",
]
