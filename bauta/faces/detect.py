"""Where the faces are in a photo, each with five landmarks.

`YuNet` is Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research 2023, run by
OpenCV. `Cascade` is Viola and Jones, CVPR 2001, with the weights that OpenCV 4 carries: the fallback without downloads.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bauta import zoo
from bauta.errors import BadCheckpoint, MissingError, MissingPackage, MissingWeights, check_shape
from bauta.faces.models import vouched

__all__ = ["Cascade", "Detection", "Detector", "YuNet", "central", "detector"]

YUNET = zoo.tool("yunet").files[0]
STRIP = 16  # rows of a photo that are turned into bytes at a time


@dataclass(frozen=True)
class Detection:
    """One face in a photo, in its pixels.

    box: left, top, width, height. landmarks: (5, 2) x, y in the order of `bauta.faces.align.TEMPLATE`. score: the
    detector's confidence, comparable only within one detector.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float64]
    score: float


class Detector(Protocol):
    """Anything that finds faces: `detect` takes (3, H, W) RGB in [0, 1] and gives the faces, largest first."""

    def detect(self, image: Tensor) -> list[Detection]:
        """The faces in a photo."""
        ...


class YuNet:
    """YuNet, a small network with five landmarks.

    It is blind to faces that fill a large picture and to those of a few pixels, so a photo is looked at with its longer
    side at each of `sides` (never enlarged beyond the first that exceeds it), and faces found twice count once. score:
    the least confidence to keep a face. sha256: the digest of a `model` that is another than the record's. Raises
    `MissingWeights` when the model is not on this machine, `BadCheckpoint` when it is another or OpenCV cannot open it.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        score: float = 0.7,
        sides: Sequence[int] = (320, 640, 1280),
        sha256: str | None = None,
    ) -> None:
        self.score = score
        self.sides = tuple(sorted(sides))
        path = Path(model) if model is not None else zoo.locate(YUNET)
        self.path, self.sha256 = path, sha256
        self.network = open_yunet(path, vouched(path, YUNET, "YuNet", sha256), score)
        self.lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the model itself: OpenCV's runner stays where it was made."""
        return partial(YuNet, self.path, score=self.score, sides=self.sides, sha256=self.sha256), ()

    def __repr__(self) -> str:
        return f"YuNet(score={self.score}, sides={self.sides})"

    def detect(self, image: Tensor) -> list[Detection]:
        """The faces in (3, H, W), largest first."""
        photo = to_bgr(image)
        longer = max(photo.shape[:2])
        useful = [s for i, s in enumerate(self.sides) if i == 0 or self.sides[i - 1] < longer]
        return distinct([face for side in useful for face in self.at(photo, side)])

    def at(self, photo: NDArray[np.uint8], side: int) -> list[Detection]:
        """The faces found with the longer side scaled to `side`."""
        height, width = photo.shape[:2]
        ratio = side / max(height, width)
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR)
        with self.lock:  # the input size is a state of the network
            self.network.setInputSize(size)
            found: Any = self.network.detect(small)[1]
        if found is None:  # which OpenCV's stubs do not know of
            return []
        rows = np.asarray(found)
        grown = rows[:, :14].astype(np.float64).reshape(-1, 7, 2) * [width / size[0], height / size[1]]
        return [Detection(to_box(g[:2].ravel()), g[2:], float(r[14])) for g, r in zip(grown, rows, strict=True)]


def open_yunet(path: Path, content: NDArray[np.uint8], score: float) -> cv2.FaceDetectorYN:
    """OpenCV's runner of a YuNet file's content. Raises `BadCheckpoint`."""
    level = cv2.utils.logging.getLogLevel()
    # OpenCV 5 prints a warning for every model that it opens
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        # overlap above 0.3 is the same face; at most 5,000 candidates are looked at (OpenCV's own defaults)
        return cv2.FaceDetectorYN.create("onnx", content, np.zeros(0, np.uint8), (320, 320), score, 0.3, 5000)
    except cv2.error as error:
        raise BadCheckpoint(
            f"{path} is no YuNet model that OpenCV {cv2.__version__} can open; pull it again."
        ) from error
    finally:
        cv2.utils.logging.setLogLevel(level)


class Cascade:
    """The Haar cascade that OpenCV 4 carries: no download, upright frontal faces only.

    It gives boxes and no landmarks: those are guessed from a box by `PROPORTIONS`, so faces are aligned roughly and
    recognizers see them worse. Raises `MissingPackage` where this OpenCV has no cascade (OpenCV 5 dropped it).
    """

    def __init__(self, *, neighbors: int = 5, side: int = 1280) -> None:
        self.neighbors = neighbors
        self.side = side
        folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
        path = Path(folder) / "haarcascade_frontalface_default.xml"
        if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
            raise MissingPackage(
                f"OpenCV {cv2.__version__} carries no face cascade (OpenCV 4 does); pull the YuNet model instead, or "
                "install opencv-python-headless below 5."
            )
        self.cascade = cv2.CascadeClassifier(str(path))

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the cascade itself."""
        return partial(Cascade, neighbors=self.neighbors, side=self.side), ()

    def __repr__(self) -> str:
        return f"Cascade(neighbors={self.neighbors}, side={self.side})"

    def detect(self, image: Tensor) -> list[Detection]:
        """The faces in (3, H, W), largest first; the score is the number of windows that agreed."""
        photo = cv2.cvtColor(to_bgr(image), cv2.COLOR_BGR2GRAY)
        ratio = min(1.0, self.side / max(photo.shape))
        if ratio < 1:
            photo = cv2.resize(photo, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
        boxes, votes = self.cascade.detectMultiScale2(photo, 1.1, self.neighbors, minSize=(24, 24))
        faces = []
        for box, vote in zip(np.asarray(boxes, np.float64).reshape(-1, 4) / ratio, np.ravel(votes), strict=True):
            faces.append(Detection(to_box(box), box[:2] + PROPORTIONS * box[2:], float(vote)))
        return distinct(faces)


PROPORTIONS: NDArray[np.float64] = np.array([[0.3, 0.38], [0.68, 0.38], [0.49, 0.59], [0.325, 0.755], [0.655, 0.755]])
"""Where the five landmarks lie in a box, in parts of its width and height: the median of 381 faces of UTKFace."""


def detector() -> Detector:
    """The best detector on this machine: YuNet, or the cascade with a warning that says what is worse.

    Nothing is downloaded, as nobody has named anything: `YuNet()` is, and `bauta models pull yunet`. Raises
    `MissingWeights` when there is neither.
    """
    try:
        return YuNet(*zoo.here(zoo.tool("yunet")))
    except MissingError as missing:
        try:
            fallback = Cascade()
        except MissingPackage as error:
            raise MissingWeights(f"No face detector is here. {missing} {error}") from error
        warnings.warn(
            f"Faces are looked for with OpenCV's old cascade, which misses turned faces and guesses eyes: {missing}",
            stacklevel=2,
        )
        return fallback


def to_bgr(image: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) in [0, 1] -> the (H, W, 3) bytes that OpenCV takes."""
    check_shape(image, "3 H W", "image")
    height, width = image.shape[1:]
    levels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP):  # what a strip needs stays in the processor's cache: six times as fast
        strip = image[:, top : top + STRIP].detach().float().cpu().numpy()
        cv2.merge(list(np.rint(strip.clip(0, 1) * np.float32(255)).astype(np.uint8)[::-1]), levels[top : top + STRIP])
    return levels


def to_box(values: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Four numbers as a `Detection.box`."""
    left, top, width, height = map(float, values)
    return left, top, width, height


def distinct(faces: Sequence[Detection], overlap: float = 0.3) -> list[Detection]:
    """Of faces that overlap by more than `overlap` (area in common / of both) the most confident; largest first."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda f: -f.score):
        if all(shared(face.box, other.box) <= overlap for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda f: -f.box[2] * f.box[3])


def shared(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Intersection over union of two boxes."""
    width = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    common = width * height
    return common / (a[2] * a[3] + b[2] * b[3] - common) if common else 0.0


def central(faces: Sequence[Detection], height: int, width: int) -> Detection:
    """The face that a portrait is of: large and near the middle, weighed as David Sandberg's facenet does."""

    def weight(face: Detection) -> float:
        left, top, w, h = face.box
        offset = (left + w / 2 - width / 2) ** 2 + (top + h / 2 - height / 2) ** 2
        return w * h - 2 * offset

    return max(faces, key=weight)
