"""Files -> aligned faces: pictures, detection, alignment, data sets and their protocols."""

from __future__ import annotations

from bauta.faces.datasets import Pairs, load_dataset, load_pairs
from bauta.faces.detect import Detection, Detector, detector
from bauta.faces.images import read_image, write_image

__all__ = ["Detection", "Detector", "Pairs", "detector", "load_dataset", "load_pairs", "read_image", "write_image"]
