"""Face recognizers: `load("mobilefacenet-casia")` builds one with its published weights."""

from bauta.recognizers.base import Preprocess, Recognizer
from bauta.recognizers.registry import ARCHITECTURES, build, load, load_state

__all__ = ["ARCHITECTURES", "Preprocess", "Recognizer", "build", "load", "load_state"]
