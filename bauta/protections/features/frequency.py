"""What the schemes of the frequency family share: they rewrite block-DCT coefficients, most with a draw per image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from bauta.errors import ShapeError, UsageError
from bauta.ops.dct import BLOCK, CHANNELS, PLANES
from bauta.ops.noise import row_digests
from bauta.protections.base import FeatureProtection, Protection
from bauta.types import Faces, Features

PLANE = BLOCK**2

# The ten channels of a plane with the highest mean absolute coefficient (PartialFace, section 3.2): where u + v <= 3.
DOMINANT = (0, 1, 2, 3, 8, 9, 10, 16, 17, 24)


def in_all_planes(indices: Sequence[int]) -> list[int]:
    """Raster indices 8 u + v inside a plane -> indices into the 192 channels: those of Y, then of Cb, then of Cr."""
    return [PLANE * plane + index for plane in range(len(PLANES)) for index in indices]


def check_indices(name: str, indices: Sequence[int]) -> None:
    """Raise `UsageError` unless these are different raster indices of one plane."""
    if len(set(indices)) != len(indices) or not all(0 <= index < PLANE for index in indices):
        raise UsageError(f"{name} are different numbers 8 u + v in 0..{PLANE - 1}; got {tuple(indices)}.")


class FrequencyProtection(FeatureProtection):
    """Base: (B, 192, h, w) coefficients in the units of `block_dct` -> (B, channels, h, w) across the wire.

    It stands behind a recognizer's DCT layer, its cut 1, and the server is built and trained for `channels` and for
    what the scheme does: ``Pipeline(frequency_small(channels=p.channels), p, twin=frequency_small())``.
    """

    trains = "the server behind it"
    changes_channels = True

    @property
    def channels(self) -> int:
        """How many channels the server gets."""
        raise NotImplementedError(f"{type(self).__name__} does not say how many channels cross the wire.")

    @property
    def kept(self) -> list[int]:
        """Indices into the 192 channels of whatever may be seen of a picture behind this protection."""
        return list(range(CHANNELS))

    def places(self, faces: Faces) -> Tensor:
        """(B, n): which of the 192 channels each of the first n columns of a face's row is. What crosses the wire
        behind them is no channel. A subclass whose order is a key or a draw says so here."""
        return torch.tensor(self.kept).expand(len(faces), -1)

    def check(self, x: Features, faces: Faces | None = None) -> None:
        """Raise `ShapeError` unless `x` are coefficients, of as many pictures as `faces`."""
        name = type(self).__name__
        if x.ndim != 4 or x.shape[1] != CHANNELS or not x.is_floating_point():
            raise ShapeError(
                f"{name} rewrites the block-DCT coefficients ({', '.join(('B', str(CHANNELS), 'h', 'w'))}) of a "
                f"recognizer cut behind its DCT, got {x.dtype} {tuple(x.shape)}; take one of "
                "bauta.recognizers.frequency at cut 1."
            )
        if faces is not None and len(faces) != len(x):
            raise ShapeError(
                f"{name} got coefficients of {len(x)} pictures but {len(faces)} faces; give one a picture."
            )


class DrawnProtection(FrequencyProtection):
    """Base of the schemes with a secret draw per image: a subclass says what is done in `drawn`.

    The draw depends on `seed` and the face's content digest (that of the coefficients where no faces are given), so it
    is the same whenever this picture is sent, and another for the next picture of the same person. `copies`: under how
    many draws the paper has each image seen in training.
    """

    copies: int = 1

    def drawn(self, x: Features, digests: Sequence[str], identity: Tensor | None) -> Features:
        """The coefficients, protected: row i under the draw of digest i, for a person known by number or not."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it does with a draw.")

    def forward(self, x: Features, faces: Faces | None = None) -> Features:
        self.check(x, faces)
        return self.drawn(x, digests_of(x, faces), None if faces is None else faces.identity)

    def draws(self, x: Features, faces: Faces | None, number: int) -> Features:
        """(B * number, channels, h, w): each picture under `number` draws, beside one another, `forward`'s the first.

        This is how a server is trained: all draws of an image in a batch, its label repeated as the rows are
        (``labels.repeat_interleave(number)``). Where several steps of training share an image's draws, give its digest
        another ending each time.
        """
        self.check(x, faces)
        if number < 1:
            raise UsageError(f"{type(self).__name__} draws at least once for a picture; got {number}.")
        names = [f"{d}/{k}" if k else d for d in digests_of(x, faces) for k in range(number)]
        identity = None if faces is None or faces.identity is None else faces.identity.repeat_interleave(number)
        return self.drawn(x.repeat_interleave(number, 0), names, identity)


def digests_of(x: Features, faces: Faces | None) -> list[str]:
    """Whose draw a row gets: the faces' content digests, or the rows' own."""
    return row_digests(x) if faces is None else faces.digests()


def places_of(protections: Iterable[Protection], faces: Faces) -> Tensor:
    """`places` of the last scheme of the family among the protections; without one all 192 channels, in order."""
    schemes = [one for one in protections if isinstance(one, FrequencyProtection)]
    return schemes[-1].places(faces) if schemes else torch.arange(CHANNELS).expand(len(faces), -1)
