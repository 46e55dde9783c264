"""Linear inversion: the picture behind block-DCT channels solves a linear system, whichever are left out."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from bauta.attacks.base import Knowledge, Knows, Reconstruction, Victim
from bauta.attacks.reconstruction.normal_equations import (
    FLOOR,
    PLANE,
    Noise,
    conjugate_gradients,
    dct_basis,
    exact,
    frequencies,
    noisy,
)
from bauta.errors import UsageError
from bauta.ops.dct import CHANNELS, PLANES, block_dct, to_images, to_planes
from bauta.ops.quantize import to_8bit
from bauta.spec import recipe
from bauta.types import Faces, Images, Stage

# A plane's power where there are no public faces to tell: of its DCT coefficient (i, j) times 1 + i^2 + j^2, in gray
# levels squared, as of ordinary color faces.
POWER = (3e6, 1.5e5, 1.5e5)
EXACT = 1e-4  # of a channel's norm: below it a column of the wire *is* that channel


@dataclass(frozen=True)
class Prior:
    """What the attacker expects of a picture: its planes' mean (3, H, W), and their `power` (3,) around it."""

    mean: Tensor
    power: Tensor


class LinearInversion(Reconstruction):
    """Ridge regression through the known front end (ours; no training, and no network).

    The 8x front end of the frequency family writes each pixel into many coefficients, so leaving channels out leaves a
    linear map that can still be inverted. For each face it finds the planes x that minimize
    ::

        sum over channels k on the wire of |(A_k x - y_k + o_k) / s_k|^2  +  smoothness * |f (x - m)|^2 / p

    A_k is the front end's map to channel k; o_k and s_k the mean and the size of the noise on that channel, place by
    place; m the mean of the public faces, f the spatial frequency and p a plane's power, as the public faces have
    them: at ``smoothness=1`` it is the best linear estimate. What no channel tells, as the brightness where DC is left
    out, comes from m, and is moved where the picture would leave [0, 1]. Solved by conjugate gradients in the planes'
    DCT, where the front end is almost diagonal; `steps` bounds them.

    channels: which of the 192 channels each column of the wire is. None: `fit` finds out, with no other means than the
    device: it runs the scheme on up to `looks` public faces and sees which coefficients come out. Where every column is
    some coefficient exactly, a face may have another selection or order than the next (PartialFace): all that are seen
    are hypotheses, of which `candidates`, by the columns' magnitudes, are solved for each leaked face, and the one
    with the lowest objective counts. Else each column is taken for the channel that it is closest to over all faces,
    and the rest for noise, which those faces tell (DCTDP, whose training spreads it unevenly). Under noise a picture
    takes a second or two of one core, else a tenth.

    It knows the scheme by default. PartialFace's subsets are keys: ``knowing(knows=Knows.KEYS)`` has the victim's, the
    default an attacker's own, which do not fit. Features behind a block DCT -> pictures in [0, 1]. Raises `UsageError`
    where the wire holds no maps of the pictures' size, or has not as many columns as `channels`.
    """

    default_knowledge = Knowledge(sees=Stage.FEATURES, knows=Knows.SCHEME)

    def __init__(
        self,
        channels: Sequence[int] | None = None,
        *,
        smoothness: float = 1.0,
        steps: int = 100,
        looks: int = 256,
        candidates: int = 3,
        batch_size: int = 16,
    ) -> None:
        if channels is not None and (not len(channels) or not all(0 <= k < CHANNELS for k in channels)):
            raise UsageError(f"LinearInversion's channels are numbers in 0..{CHANNELS - 1}; got {tuple(channels)}.")
        if smoothness <= 0:
            raise UsageError(f"LinearInversion's smoothness must be above 0, also if very small; got {smoothness}.")
        for option, number in (
            ("steps", steps),
            ("looks", looks),
            ("candidates", candidates),
            ("batch_size", batch_size),
        ):
            if number < 1:
                raise UsageError(f"LinearInversion's {option} must be at least 1; got {number}.")
        self.channels = None if channels is None else tuple(channels)
        self.smoothness, self.steps, self.looks = smoothness, steps, looks
        self.candidates, self.batch_size = candidates, batch_size
        self.prior_: Prior | None = None
        self.layouts_: Tensor | None = None if channels is None else torch.tensor([self.channels])
        self.noise_: Noise | None = None
        self.sizes_: Tensor | None = None

    __repr__ = recipe

    def fit(self, public: Faces | None, victim: Victim) -> Self:
        """Learn the prior from public faces, and what the wire's columns are by running the scheme on them."""
        if public is None or not len(public):
            if self.channels is None:
                raise UsageError(f"{self!r} finds the channels by running the scheme; give it faces, or channels=.")
            return self
        faces, fitted = public[torch.arange(min(len(public), self.looks))], copy.copy(self)
        planes = to_planes(to_8bit(faces.images).double())
        mean = planes.mean(0)
        around = dct_basis(mean.shape[-2]).to(mean) @ (planes - mean) @ dct_basis(mean.shape[-1]).to(mean).T
        fitted.prior_ = Prior(mean, (around.square() * frequencies(mean)).mean((0, 2, 3)))
        fitted._look(faces, victim)
        return fitted

    def _look(self, faces: Faces, victim: Victim) -> None:
        """Find the layouts, and the columns' noise, by running the scheme on `faces` and looking at what comes out."""
        powers, totals = torch.zeros(CHANNELS, dtype=torch.float64), torch.zeros(())
        layouts: set[tuple[int, ...]] = set()
        silent = True
        for batch in faces.batches(self.batch_size):
            wires, maps = victim.observe(batch), block_dct(to_8bit(batch.images))
            self._check(wires, maps.shape[-2:])
            for wire, seen in zip(wires.cpu(), maps.cpu(), strict=True):
                apart, power = distances(wire, seen), seen.double().square().mean((1, 2))
                powers, totals = powers + power, totals + apart
                found = apart.argmin(1) if self.channels is None else torch.tensor(self.channels)
                if self.channels is None and len(set(found.tolist())) < len(found):
                    continue  # a gray face has several empty channels, and nothing tells which of them a column is
                left = apart.gather(1, found[:, None]).flatten()
                silent &= bool((left <= EXACT**2 * power[found].clamp_min(FLOOR**2)).all())
                layouts.add(tuple(found.tolist()))
        self.sizes_ = (powers / len(faces)).sqrt()
        if silent and layouts:
            self.layouts_, self.noise_ = torch.tensor(sorted(layouts)), None
        else:
            self.layouts_ = totals.argmin(1)[None] if self.channels is None else torch.tensor([self.channels])
            self.noise_ = self._listen(faces, victim, self.layouts_[0])

    def _listen(self, faces: Faces, victim: Victim, layout: Tensor) -> Noise:
        """Run the scheme once more, and take what is not the layout's channels for noise."""
        total = squares = torch.zeros(())
        for batch in faces.batches(self.batch_size):
            rest = victim.observe(batch).cpu() - block_dct(to_8bit(batch.images)).cpu()[:, layout]
            total, squares = total + rest.double().sum(0), squares + rest.double().square().sum(0)
        return Noise.heard(total, squares, len(faces))

    def _check(self, wire: Tensor, size: Sequence[int]) -> None:
        wanted = "any number" if self.layouts_ is None else self.layouts_.shape[1]
        if wire.ndim != 4 or tuple(wire.shape[-2:]) != tuple(size) or wanted not in ("any number", wire.shape[1]):
            raise UsageError(
                f"{self!r} inverts {wanted} of the 192 maps of a block DCT, of the pictures' size {tuple(size)}; the "
                f"wire has {tuple(wire.shape)}: attack a recognizer that is cut behind its DCT."
            )

    def __call__(self, leak: Tensor, victim: Victim) -> Images:
        if self.layouts_ is None:
            raise UsageError(
                f"{self!r} does not know the wire's channels: call fit(public, victim), or give channels=."
            )
        prior = self.prior_
        if prior is None:
            mean = torch.zeros(len(PLANES), *leak.shape[-2:], dtype=torch.float64, device=leak.device)
            prior = Prior(mean, torch.tensor(POWER).to(mean))
        self._check(leak, prior.mean.shape[-2:])
        parts = [self._solved(batch.double(), prior) for batch in torch.split(leak.detach(), self.batch_size)]
        planes = torch.cat(parts) if parts else prior.mean.expand(0, *prior.mean.shape)
        images = to_images(planes)
        if not (self.layouts_ % PLANE == 0).any():
            images = centered(images)
        return images.clamp(0, 1).to(leak.dtype)

    def _solved(self, leak: Tensor, prior: Prior) -> Tensor:
        """Planes (B, 3, H, W): of each face's likeliest layouts the one with the lowest objective."""
        assert self.layouts_ is not None
        ranked = self._ranked(leak)
        best, lowest = leak.new_zeros(len(leak), *prior.mean.shape), leak.new_full((len(leak),), math.inf)
        for number in sorted(set(ranked.flatten().tolist())):
            rows = (ranked == number).any(1).nonzero().flatten()
            planes, objective = self._solve(leak[rows], self.layouts_[number], prior)
            better = objective < lowest[rows]
            best[rows[better]], lowest[rows[better]] = planes[better], objective[better]
        return best

    def _ranked(self, leak: Tensor) -> Tensor:
        """(B, candidates): numbers of the layouts whose columns are usually of the magnitudes that leaked."""
        assert self.layouts_ is not None
        if len(self.layouts_) == 1 or self.sizes_ is None:
            return torch.zeros(len(leak), 1, dtype=torch.long)
        seen = leak.square().mean((2, 3)).sqrt().clamp_min(FLOOR).log()
        usual = self.sizes_[self.layouts_].clamp_min(FLOOR).log().to(seen)
        apart = (seen[:, None] - usual).square().mean(2)
        return apart.topk(min(self.candidates, apart.shape[1]), 1, largest=False).indices

    def _solve(self, leak: Tensor, layout: Tensor, prior: Prior) -> tuple[Tensor, Tensor]:
        """Planes (B, 3, H, W) and the objective (B,), if the columns are the channels of `layout`."""
        into, across = (dct_basis(size).to(leak) for size in leak.shape[-2:])
        mean = prior.mean.to(leak)
        known = exact(leak, layout, mean) if self.noise_ is None else noisy(leak, layout, mean, self.noise_)
        ridge = self.smoothness * frequencies(mean) / prior.power.to(leak)[:, None, None]

        def normal(x: Tensor) -> Tensor:
            return known.apply(x) + ridge * x

        answer = conjugate_gradients(normal, known.right, known.diagonal + ridge, self.steps, known.enough)
        objective = known.missed - (known.right * answer).sum((1, 2, 3))
        return mean + into.T @ answer @ across, objective


def distances(wire: Tensor, maps: Tensor) -> Tensor:
    """(columns, 192): the mean squared difference of each column of a face's wire and each channel."""
    one, other = wire.flatten(1).double(), maps.flatten(1).double()
    return (one.square().sum(1)[:, None] + other.square().sum(1) - 2 * one @ other.T) / one.shape[1]


def centered(images: Images, rounds: int = 50) -> Images:
    """Pictures whose brightness and tint nobody knows, shifted color by color until as little as can be leaves [0, 1].

    By projections in turn: onto the pictures in [0, 1], and back onto those of this contrast.
    """
    for _ in range(rounds):
        images = images + (images.clamp(0, 1) - images).mean((2, 3), keepdim=True)
    return images
