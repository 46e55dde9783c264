"""Faces -> a prior's working latents: the inverted prior space that MAP2V draws from, batch after batch, resumable."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from bauta.errors import BadFile, UsageError
from bauta.faces.images import write_bytes
from bauta.generators import Eigenfaces, FacePrior
from bauta.metrics import SSIM
from bauta.metrics.base import Metric
from bauta.types import Faces, Images

__all__ = ["Inverting", "inverted"]


@dataclass(frozen=True)
class Inverting:
    """How faces are inverted: Adam on the working latent from the prior's mean, on mean absolute error plus
    1 - SSIM, plus `layers` where it is given.

    steps, rate: of Adam, whose rate falls to nothing along a cosine. layers: a distance as `bauta.metrics.perceptual`
    gives it, or None. Eigenfaces are inverted in closed form and take no step.
    """

    steps: int = 200
    rate: float = 0.1
    layers: Metric | None = None
    batch_size: int = 32

    def __call__(self, prior: FacePrior, images: Images) -> Tensor:
        """(n, 3, side, side) -> (n, *shape)."""
        if isinstance(prior, Eigenfaces):
            return prior.encode(images)
        start = prior.axes(1, torch.Generator().manual_seed(0))[0]
        point = start.expand(len(images), *prior.shape).clone().requires_grad_(True)
        adam = torch.optim.Adam([point], self.rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, max(1, self.steps))
        for _ in range(self.steps):
            made = prior.render(point)
            loss: Tensor = (made - images).abs().mean((1, 2, 3)) + 1 - SSIM(made, images)
            if self.layers is not None:
                loss = loss + self.layers(made, images)
            adam.zero_grad()
            torch.autograd.backward(loss.sum())
            adam.step()
            schedule.step()
        return point.detach()


def inverted(
    prior: FacePrior,
    faces: Faces,
    out: Path,
    how: Inverting | None = None,
    *,
    told: Callable[[int], None] | None = None,
) -> Tensor:
    """The codes (N, *shape) of all faces, written to `out` as safetensors, for `InvertedSpace`.

    Each batch is kept in the folder ``OUT.parts`` until all are done, so that a stopped run goes on; told hears how
    many faces are done. Raises `UsageError` for faces of another size or a file that exists, `BadFile` for a damaged
    part.
    """
    how = Inverting() if how is None else how
    if out.exists():
        raise UsageError(f"{out} exists already; choose another --out, or delete it to invert again.")
    side = prior.side
    if tuple(faces.images.shape[2:]) != (side, side):
        raise UsageError(f"{prior!r} draws {side} x {side} faces, got {tuple(faces.images.shape[2:])}; align them so.")
    parts = out.with_name(f"{out.name}.parts")
    codes = []
    for batch in faces.batches(how.batch_size):
        path = parts / f"{name_of(prior, how, batch)}.safetensors"
        if not path.is_file():
            found = how(prior, batch.images.to(prior.place)).cpu().contiguous()
            parts.mkdir(parents=True, exist_ok=True)
            write_bytes(path, save({"codes": found}))
        try:
            codes.append(load_file(path)["codes"])
        except Exception as error:  # a file that is damaged can raise anything
            raise BadFile(f"{path} cannot be read ({error}); delete it, and it is made again.") from error
        if told is not None:
            told(sum(map(len, codes)))
    whole = torch.cat(codes)
    write_bytes(out, save({"codes": whole.contiguous()}))
    shutil.rmtree(parts)
    return whole


def name_of(prior: FacePrior, how: Inverting, faces: Faces) -> str:
    """What a batch's codes depend on."""
    said = "\n".join([repr(prior), prior.space, repr(how), *faces.digests()])
    return hashlib.sha256(said.encode()).hexdigest()[:32]
