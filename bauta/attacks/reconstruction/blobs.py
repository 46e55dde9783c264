"""A face painted by random Gaussian blobs, of which those stay that raise the similarity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor

from bauta.attacks.oracle import Oracle
from bauta.attacks.reconstruction.search import Asking, Found, LatentSearch
from bauta.errors import UsageError
from bauta.generators import Canvas, FacePrior
from bauta.ops.noise import generators, row_digests
from bauta.spec import recipe


class GaussianBlobs(LatentSearch):
    """Enrolment numbers (V,) -> faces, without any idea of what a face is (Razzhigaev et al., "Black-Box Face Recovery
    from Identity Features", ECCV 2020 Workshops).

    It begins with a gray picture. In each round `blobs` random 2-D Gaussian blobs are added to it, each by itself and
    with its mirror image during the first `symmetric` rounds, and the system is asked about every such picture; the
    best stays where it scores more than what was there before. Beside searches in a prior it tells what the prior is
    worth: what it finds need not look like anybody.

    canvas: how large, and whether in color, which it is not by default. rounds: of `blobs` queries each, after the one
    for the gray picture; several at once keep an accelerator busy, one at a time makes more of each answer. smallest,
    largest: standard deviations of a blob as shares of the side, drawn evenly in logarithm, height and width each.
    strength: the largest change of brightness at its center, of either sign. enough: a score at which a target is done.
    seed, batch_size: as in `Map2V`.

    The paper's attacker is told the *feature vector*; here similarities are all there is. The ranges of sizes and
    strengths, and when symmetry ends, are ours. An oracle that stops answering (NaN) ends the search for that target.
    """

    def __init__(
        self,
        canvas: Canvas | None = None,
        *,
        rounds: int = 10_000,
        blobs: int = 1,
        symmetric: int = 1000,
        smallest: float = 0.02,
        largest: float = 0.3,
        strength: float = 0.3,
        enough: float = 1.0,
        seed: int = 0,
        batch_size: int = 128,
    ) -> None:
        if rounds < 0 or symmetric < 0 or blobs < 1 or not 0 < smallest <= largest or strength <= 0:
            raise UsageError(
                "GaussianBlobs needs rounds and symmetric >= 0, blobs >= 1, 0 < smallest <= largest and strength > 0; "
                f"got {rounds}, {symmetric}, {blobs}, {smallest}, {largest} and {strength}."
            )
        super().__init__(Canvas() if canvas is None else canvas, flip=False, seed=seed, batch_size=batch_size)
        self.rounds, self.blobs, self.symmetric = rounds, blobs, symmetric
        self.smallest, self.largest, self.strength, self.enough = smallest, largest, strength, enough

    __repr__ = recipe

    @property
    def canvas(self) -> FacePrior:
        """What it paints on."""
        return self.prior

    def search(self, oracle: Oracle, targets: Tensor) -> Iterator[Found]:
        if not isinstance(self.prior, Canvas):
            raise UsageError(f"GaussianBlobs paints on a Canvas and has no use for {self.prior!r}; give no prior.")
        asking = Asking(self.prior, oracle, targets, flip=False, batch_size=self.batch_size)
        everybody = torch.arange(len(targets))
        asking(torch.full_like(asking.latents, 0.5), everybody)
        yield asking.found
        draws = generators(self.seed, row_digests(targets), "blobs")
        for number in range(self.rounds):
            rows = everybody[~asking.refused & (asking.scores < self.enough)]
            if not len(rows):
                return
            added = self.drawn([draws[row] for row in rows.tolist()]).to(asking.latents)
            if number < self.symmetric:
                added = added + added.flip(-1)
            # the books keep the best that was asked, which is the picture so far
            painted = (asking.latents[rows.to(added.device), None] + added).clamp(0, 1)
            asking(painted.flatten(0, 1), rows.repeat_interleave(self.blobs))
            yield asking.found

    def drawn(self, draws: Sequence[Generator]) -> Tensor:
        """(len(draws), blobs, channels, side, side) blobs, row i from draw i."""
        channels, side, _ = self.prior.shape
        numbers = torch.stack([torch.rand(self.blobs, 4 + channels, generator=draw) for draw in draws])
        places = (torch.arange(side) + 0.5) / side
        size = self.smallest * (self.largest / self.smallest) ** numbers[..., 2:4]
        down, across = (
            torch.exp(-0.5 * ((places - numbers[..., axis, None]) / size[..., axis, None]).square()) for axis in (0, 1)
        )
        strength = self.strength * (2 * numbers[..., 4:] - 1)
        return strength[..., None, None] * down[..., None, :, None] * across[..., None, None, :]
