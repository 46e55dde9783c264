"""Age, gender, race and emotion by one small network of ours, whose weights come with bauta.

It is for audits, which print aggregates over many labelled faces: how much of an attribute is left in what leaks. What
it says of a single face is a guess about a picture, wrong too often to be said of a person.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import ClassVar

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from bauta import zoo
from bauta.errors import BadFile, MissingWeights, check_shape
from bauta.estimators.base import Estimator
from bauta.estimators.xception import resized
from bauta.faces.datasets.lfw import EMOTIONS
from bauta.faces.datasets.utkface import RACES
from bauta.types import Faces, Images

__all__ = ["BautaAttributes", "bauta_attributes", "marks", "read_attributes", "written_attributes"]

SIDE = 112
GRID = SIDE // 16
OLDEST = 116  # years, in UTKFace
NEVER = -30.0  # the logit of a class that nobody taught


class Residual(nn.Module):
    """Two 3 x 3 convolutions added to a shortcut, ReLU after the sum (He et al., CVPR 2016); the first one strides."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut: nn.Module = nn.Identity() if same else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        added: Tensor = (y + self.shortcut(x)).relu()
        return added


class BautaAttributes(Estimator):
    """One trunk, four heads: 0.06 GMAC, half a million weights, for 112 x 112.

    Age is the mean of a distribution over the years 0 to 116 (Gao et al., Age estimation using expectation of label
    distribution learning, IJCAI 2018). The logits of the classes are what a set with as many faces of each class would
    ask for, whatever the sets it learned from (`bauta.train.attributing`). A class that these did not hold often enough
    is never guessed: disgust and fear, in the weights that come with bauta.

    widths: of the stem and of the three stages, which have one, two and two units. learned_: marks of what it learned
    from, see `learned`.
    """

    name = "bauta-attributes"
    classes: ClassVar = {"age": (), "gender": ("male", "female"), "race": RACES, "emotion": EMOTIONS[:7]}
    paper = "none: docs/models/bauta-attributes.md"
    seen = (
        "learned from four fifths of the UTKFace files of its card and from LFW without the people of its last two "
        "folds; has not seen the others, and its `learned` says which"
    )

    learned_: Tensor
    years: Tensor

    def __init__(self, *, widths: Sequence[int] = (16, 32, 64, 112), dropout: float = 0.3) -> None:
        super().__init__()
        stem, first, second, third = widths
        self.widths = tuple(widths)
        self.stem = nn.Sequential(nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU())
        self.stages = nn.Sequential(
            Residual(stem, first, 2),
            Residual(first, second, 2),
            Residual(second, second, 1),
            Residual(second, third, 2),
            Residual(third, third, 1),
        )
        # a filter over the whole grid for each channel, as MobileFaceNet has it: the faces are aligned
        self.pool = nn.Sequential(nn.Conv2d(third, third, GRID, groups=third, bias=False), nn.BatchNorm2d(third))
        self.dropout = nn.Dropout(dropout)
        sizes = {name: len(values) or OLDEST + 1 for name, values in self.classes.items()}
        self.heads = nn.ModuleDict({name: nn.Linear(third, size) for name, size in sizes.items()})
        for name, size in sizes.items():
            self.register_buffer(f"taught_{name}", torch.ones(size, dtype=torch.bool))
        self.register_buffer("years", torch.arange(OLDEST + 1.0), persistent=False)
        self.register_buffer("learned_", torch.zeros(0, dtype=torch.int32))

    def read(self, images: Images) -> dict[str, Tensor]:
        """(B, 3, H, W) -> attribute -> logits (B, K); of the age, one for each year from 0 to 116."""
        check_shape(images, "B 3 H W", "images")
        x = self.stages(self.stem(resized(images, SIDE) * 2 - 1))
        pooled = self.dropout(self.pool(x).flatten(1))
        return {name: self._taught(name, head(pooled).float()) for name, head in self.heads.items()}

    def forward(self, images: Images) -> dict[str, Tensor]:
        """(B, 3, H, W) -> age (B, 1) in years, gender (B, 2), race (B, 5), emotion (B, 7)."""
        found = self.read(images)
        return found | {"age": self.mean_age(found["age"])[:, None]}

    def mean_age(self, logits: Tensor) -> Tensor:
        """Logits of the years (B, 117) -> (B,) the mean of their distribution."""
        return logits.softmax(1) @ self.years

    def learned(self, faces: Faces) -> Tensor:
        """(B,) bool: which faces it learned from, by their content, or of whom other pictures, by the folder that has
        the person's name. Another copy of a picture without such a folder it does not know again."""
        seen = torch.isin(marks(faces.digests()), self.learned_)
        return (
            seen | torch.isin(marks(owner(one.file) for one in faces.source), self.learned_) if faces.source else seen
        )

    def _taught(self, name: str, logits: Tensor) -> Tensor:
        return logits.masked_fill(~getattr(self, f"taught_{name}"), NEVER)


def owner(file: str) -> str:
    """The folder in which a file lies; where it lies in none, LFW's name for the person, `Name` of `Name_0001.jpg`."""
    path = PurePosixPath(file.replace("\\", "/"))
    return path.parent.name or re.sub(r"_\d{4}$", "", path.stem)


def marks(words: Iterable[str]) -> Tensor:
    """(N,) 32 bits of each word's SHA-256: enough to know a word again, and nobody's name."""
    found = [int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big", signed=True) for word in words]
    return torch.tensor(found, dtype=torch.int32)


def bauta_attributes() -> BautaAttributes:
    """The network with the weights that come with bauta, frozen. Raises `MissingWeights`, `BadFile`."""
    (file,) = zoo.tool(BautaAttributes.name).files
    return read_attributes(zoo.locate(file))


def read_attributes(weights: str | Path) -> BautaAttributes:
    """A network that `bauta train attributes` wrote (weights.safetensors, or its folder), frozen.

    Raises `MissingWeights`, `BadFile`.
    """
    path = Path(weights) / "weights.safetensors" if Path(weights).is_dir() else Path(weights)
    if not path.is_file():
        raise MissingWeights(f"There is no attribute network at {path}; train one with `bauta train attributes`.")
    try:
        state = load_file(path)
        stages = [f"stages.{n}.conv1.weight" for n in (0, 1, 3)]
        network = BautaAttributes(widths=[len(state[name]) for name in ("stem.0.weight", *stages)])
        network.learned_ = torch.empty_like(state["learned_"])
        network.load_state_dict({name: v.float() if v.is_floating_point() else v for name, v in state.items()})
        if not all(bool(v.isfinite().all()) for v in network.state_dict().values()):
            raise ValueError("some weights are no numbers")
    except Exception as error:  # a file that is damaged can raise anything
        first = str(error).partition("\n")[0] or type(error).__name__
        raise BadFile(f"{path} holds no network of `bauta train attributes` ({first}); copy it again.") from error
    return network.frozen()


def written_attributes(network: BautaAttributes, *, half: bool = True) -> bytes:
    """The file of a network. half: its weights in 16 bits."""
    kind = torch.float16 if half else torch.float32
    state: Mapping[str, Tensor] = network.state_dict()
    kept = {name: v.detach().cpu() for name, v in state.items() if not name.endswith("num_batches_tracked")}
    return save({name: (v.to(kind) if v.is_floating_point() else v).contiguous() for name, v in kept.items()})
