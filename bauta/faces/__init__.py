"""Files -> aligned faces: pictures, detection, alignment, data sets and their protocols."""

from __future__ import annotations

from bauta.faces.align import TEMPLATE, align
from bauta.faces.datasets import Pairs, load_dataset, load_pairs
from bauta.faces.detect import Cascade, Detection, Detector, YuNet, detector
from bauta.faces.images import Picture, read_image, read_picture, through_jpeg, write_image
from bauta.faces.photos import Face, faces_in
from bauta.faces.splits import split_by_identity

__all__ = [
    "TEMPLATE",
    "Cascade",
    "Detection",
    "Detector",
    "Face",
    "Pairs",
    "Picture",
    "YuNet",
    "align",
    "detector",
    "faces_in",
    "load_dataset",
    "load_pairs",
    "read_image",
    "read_picture",
    "split_by_identity",
    "through_jpeg",
    "write_image",
]
