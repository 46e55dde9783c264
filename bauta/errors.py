"""Every error that bauta raises on purpose, and the one check that all tensors pass.

::

    BautaError
    ├── UsageError        wrong use: a bad option, a spec that cannot be read        exit code 2
    │   └── ShapeError    a tensor of the wrong shape, range or type
    ├── MissingError      something that is needed is not here                       exit code 3
    │   ├── MissingWeights
    │   ├── MissingData
    │   └── MissingPackage
    ├── BadFile           a file that cannot be trusted or understood                exit code 1
    │   ├── BadImage
    │   └── BadCheckpoint
    └── BeyondKnowledge   an attack reached for what it did not declare              exit code 2

A message says what was expected, what came, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


LONGEST = 3000  # characters of a message: what a hostile file says of itself may have no end


class BautaError(Exception):
    """Base of everything raised on purpose; `exit_code` is what the command line ends with.

    Its message is one line of bounded length without control characters, whatever a file put into it.
    """

    exit_code = 1

    def __str__(self) -> str:
        line = "".join(c if c.isprintable() else " " for c in super().__str__())
        return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"


class UsageError(BautaError, ValueError):
    """The caller asked for something that has no meaning."""

    exit_code = 2


class ShapeError(UsageError):
    """A tensor does not have the shape, range or type that its name promises."""


class MissingError(BautaError):
    """Something that is needed is not on this machine and could not be fetched."""

    exit_code = 3


class MissingWeights(MissingError):
    """The weights of a network are not here. A network never runs without them."""


class MissingData(MissingError):
    """A data set is not here."""


class MissingPackage(MissingError):
    """An optional package is not installed."""


class BadFile(BautaError):
    """A file exists and cannot be trusted or understood."""


class BadImage(BadFile):
    """A file is not an image that can be read whole."""


class BadCheckpoint(BadFile):
    """A weights file does not hold what its record or its architecture promises."""


class BeyondKnowledge(UsageError):
    """An attack reached for something outside the `Knowledge` that it declared."""


def check_shape(tensor: Tensor, shape: str, name: str) -> None:
    """Raise `ShapeError` unless `tensor` is floating point and matches `shape`.

    `shape` is words divided by spaces: a number must be met exactly, a letter stands for any size,
    for example ``"B 3 H W"``.
    """
    wanted = shape.split()
    came = tuple(tensor.shape)
    fits = len(came) == len(wanted) and all(
        not word.isdigit() or int(word) == size for word, size in zip(wanted, came, strict=True)
    )
    if not fits:
        raise ShapeError(f"{name} must have shape ({', '.join(wanted)}), got {came}.")
    if not tensor.is_floating_point():
        raise ShapeError(
            f"{name} must be floating point, got {tensor.dtype}; images are RGB in [0, 1], "
            "so divide 8-bit values by 255 first."
        )
